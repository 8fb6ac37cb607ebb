//! Random edits by users and by others in CPS, renewals, faults and restarts, all at once and in any order, with the
//! real programs. There are never two enrollments, CPS never cancels a change, and no certificate is Ready without
//! covering all its names. Once the storm is over, each is Ready.

use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akamai_cps::UpdateParams;
use akamai_cps::types::EnrollmentId;
use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, WatchParams};
use kube::core::WatchEvent;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use testbed::{NAMESPACE, TestBed};

use crate::scene::{Scene, eventually, eventually_within};

crate::alone![after_any_storm_each_certificate_has_one_enrollment_and_is_ready,];

/// How many certificates, each with its own sequence of events. STORM_SEQUENCES sets another number.
const SEQUENCES: usize = 8;
/// How many events each certificate gets.
const EVENTS: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The user adds a name, or removes it again.
    Name(&'static str, bool),
    /// The user changes a contact.
    Contact(u32),
    Suspend(bool),
    /// CPS renews.
    Renew,
    /// Somebody else changes the contact in CPS.
    EditElsewhere,
    /// CPS creates new tokens.
    Rotate,
    /// Somebody restores the cluster from a backup without status.
    StatusLost,
    /// The answer to the next write of a kind is lost.
    AnswerLost(&'static str),
    ServerErrors(u32),
    OperatorKilled,
}

fn event(chance: &mut StdRng) -> Event {
    match chance.random_range(0..20) {
        0..=4 => Event::Name(if chance.random() { "api" } else { "cdn" }, chance.random()),
        5..=6 => Event::Contact(chance.random_range(0..1000)),
        7 => Event::Suspend(chance.random()),
        8..=10 => Event::Renew,
        11..=12 => Event::EditElsewhere,
        13 => Event::Rotate,
        14 => Event::StatusLost,
        15..=16 => Event::AnswerLost(if chance.random() { "PUT" } else { "POST" }),
        17 => Event::ServerErrors(chance.random_range(1..4)),
        _ => Event::OperatorKilled,
    }
}

async fn after_any_storm_each_certificate_has_one_enrollment_and_is_ready(bed: &mut TestBed) -> Result<()> {
    let sequences =
        std::env::var("STORM_SEQUENCES").ok().and_then(|text| text.parse().ok()).unwrap_or(SEQUENCES);
    let seed =
        std::env::var("STORM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("storm: {sequences} sequences of {EVENTS} events, STORM_SEED={seed}");
    let scene = Scene::new(bed, "storm").await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    bed.control("DELETE", "/calls", None).await?;
    let labels: Vec<String> = (0..sequences).map(|number| format!("www{number}")).collect();
    let mut told = Vec::new();
    let outcome = tokio::select! {
        outcome = storm(&scene, &labels, StdRng::seed_from_u64(seed), &mut told) => outcome,
        broken = never_ready_without_its_names(&scene) => broken,
    };
    outcome.with_context(|| format!("STORM_SEED={seed}; {told:#?}"))
}

async fn storm(
    scene: &Scene<'_>,
    labels: &[String],
    mut chance: StdRng,
    told: &mut Vec<String>,
) -> Result<()> {
    for label in labels {
        scene.apply(label, json!({})).await?;
    }
    for _ in 0..EVENTS {
        for label in labels {
            let event = event(&mut chance);
            told.push(format!("{label}: {event:?}"));
            happen(scene, label, event).await?;
        }
        // Give the operator some time, however little it has to do.
        let calls = scene.bed.calls().await?.len();
        let more = async || Ok((scene.bed.calls().await?.len() > calls + labels.len()).then_some(()));
        let _ = eventually_within("the operator goes on", std::time::Duration::from_secs(1), more).await;
    }
    crate::scene::restore(scene.bed).await?;
    for label in labels {
        scene.patch(label, json!({"suspend": null})).await?;
    }
    for label in labels {
        settled(scene, label).await?;
    }
    let calls = scene.bed.control("GET", "/calls", None).await?;
    let cancels = |call: &&Value| call["path"].as_str().is_some_and(|path| path.contains("allow-cancel"));
    let cancelled = calls["calls"].as_array().context("no calls")?.iter().filter(cancels).count();
    ensure!(cancelled == 0, "{cancelled} calls cancel what is pending");
    Ok(())
}

async fn happen(scene: &Scene<'_>, label: &str, event: Event) -> Result<()> {
    let bed = scene.bed;
    match event {
        Event::Name(name, wanted) => {
            let host = scene.host(&format!("{name}-{label}"));
            let certificate = scene.certificates().get(label).await?;
            let mut names = certificate.spec.dns_names.unwrap_or_default();
            names.retain(|found| *found != host);
            names.extend(wanted.then_some(host));
            scene.patch(label, json!({"dnsNames": names})).await
        }
        Event::Contact(number) => {
            let phone = format!("617-555-{number:04}");
            let contact =
                json!({"firstName": "A", "lastName": "B", "email": "a@example.com", "phone": phone});
            scene.patch(label, json!({"adminContact": contact})).await
        }
        Event::Suspend(suspend) => scene.patch(label, json!({"suspend": suspend})).await,
        Event::Renew | Event::Rotate => {
            let Some(id) = enrollment(scene, label).await? else { return Ok(()) };
            let what = if matches!(event, Event::Renew) { "renew" } else { "rotate-tokens" };
            // There may be nothing to renew or to rotate now.
            let _ = bed.control("POST", &format!("/enrollments/{id}/{what}"), None).await;
            Ok(())
        }
        Event::EditElsewhere => {
            let Some(id) = enrollment(scene, label).await? else { return Ok(()) };
            let Ok(mut body) = bed.cps()?.get_enrollment(id).await else { return Ok(()) };
            body.admin_contact.get_or_insert_default().phone = Some("617-555-9999".into());
            // CPS refuses while a change is pending.
            let _ = bed.cps()?.update_enrollment(id, &body, &UpdateParams::default()).await;
            Ok(())
        }
        Event::StatusLost => {
            let patch = Patch::Merge(json!({"status": null}));
            scene.certificates().patch_status(label, &PatchParams::default(), &patch).await?;
            Ok(())
        }
        Event::AnswerLost(method) => {
            let fault = json!({"kind": "lost-answer", "method": method, "path": "/enrollments"});
            bed.control("POST", "/faults", Some(fault)).await.map(drop)
        }
        Event::ServerErrors(times) => {
            let fault = json!({"kind": "server-error", "status": 503, "count": times});
            bed.control("POST", "/faults", Some(fault)).await.map(drop)
        }
        Event::OperatorKilled => {
            let pods = "app.kubernetes.io/component=operator";
            let arguments =
                ["-n", NAMESPACE, "delete", "pod", "-l", pods, "--grace-period=0", "--force", "--wait=false"];
            bed.kubectl(&arguments).await.map(drop)
        }
    }
}

async fn enrollment(scene: &Scene<'_>, label: &str) -> Result<Option<EnrollmentId>> {
    // Faults hit the test's own calls too.
    Ok(scene.enrollments(label).await.ok().and_then(|found| found.first()?.enrollment_id()))
}

/// Waits until the certificate is Ready for its present `spec`, and checks that it has one enrollment, with all names in
/// production.
async fn settled(scene: &Scene<'_>, label: &str) -> Result<()> {
    let api = scene.certificates();
    eventually(&format!("{label} is Ready, whatever was"), async || {
        let certificate = api.get(label).await?;
        let status = certificate.status.clone().unwrap_or_default();
        let current = Some(status.observed_generation) == certificate.metadata.generation;
        let ready = current && condition_set::is_true(&status.conditions, "Ready") && status.change.is_none();
        Ok(ready.then_some(()))
    })
    .await
    .with_context(|| label.to_owned())?;
    let enrollments = scene.enrollments(label).await?;
    ensure!(enrollments.len() == 1, "{label} has {} enrollments", enrollments.len());
    let deployments =
        scene.bed.cps()?.get_deployments(enrollments[0].enrollment_id().context("no ID")?).await?;
    let production = akacert_core::deployed::describe(&deployments.production.context("not deployed")?)?;
    let spec = api.get(label).await?.spec;
    let missing = akacert_core::deployed::not_covered(&production.dns_names, &spec.names());
    ensure!(missing.is_empty(), "{label} is Ready without {missing:?}");
    Ok(())
}

/// Returns only if a certificate is Ready while its deployment lacks a name.
async fn never_ready_without_its_names(scene: &Scene<'_>) -> Result<()> {
    let api = scene.certificates();
    let mut version = "0".to_owned();
    loop {
        let mut events = std::pin::pin!(api.watch(&WatchParams::default(), &version).await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(certificate) | WatchEvent::Modified(certificate) => {
                    covered(&certificate)?;
                    version = certificate.resource_version().unwrap_or_default();
                }
                WatchEvent::Error(_) => version = "0".to_owned(),
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            }
        }
    }
}

fn covered(certificate: &AkamaiCertificate) -> Result<()> {
    let Some(status) = &certificate.status else { return Ok(()) };
    let current = Some(status.observed_generation) == certificate.metadata.generation;
    if !current || !condition_set::is_true(&status.conditions, "Ready") {
        return Ok(());
    }
    let production = status.deployments.as_ref().and_then(|found| found.production.as_ref());
    let names = production.map(|production| production.dns_names.clone()).unwrap_or_default();
    let missing = akacert_core::deployed::not_covered(&names, &certificate.spec.names());
    if missing.is_empty() { Ok(()) } else { bail!("{} is Ready without {missing:?}", certificate.name_any()) }
}
