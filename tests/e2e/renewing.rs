//! What CPS begins by itself while the certificate serves, and what a change waits for besides challenges.

use akacert_api::condition_set;
use akacert_api::status::CertificateStatus;
use akamai_cps::types::ChangeId;
use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use kube::api::{ListParams, WatchParams};
use kube::core::WatchEvent;
use serde_json::{Value, json};
use testbed::TestBed;

use crate::scene::{DEADLINE, Scene, eventually};

crate::together![
    each_change_waits_for_the_deployment_window,
    a_renewal_deploys_another_certificate_while_ready_stays,
    a_renewal_by_annotation_happens_once,
    warnings_on_the_list_are_acknowledged_however_cps_hesitates,
    other_warnings_wait_for_an_approval_of_these_very_texts,
    warnings_about_the_issued_certificate_wait_for_an_approval,
    a_renewal_that_needs_an_approval_leaves_the_certificate_ready,
    a_removal_that_stops_at_a_warning_goes_on_once_it_is_approved,
    what_is_on_staging_waits_for_a_human,
    what_is_on_staging_goes_on_by_itself_where_policy_says_so,
];

crate::alone![a_renewal_that_began_while_the_operator_was_down_is_found,];

pub fn serial(status: &CertificateStatus) -> Option<&str> {
    Some(&status.deployments.as_ref()?.production.as_ref()?.serial_number)
}

/// A scene with a certificate `www` that is Ready, and its serial number.
async fn ready<'a>(bed: &'a TestBed, name: &str) -> Result<(Scene<'a>, String)> {
    let scene = Scene::new(bed, name).await?;
    scene.apply("www", json!({})).await?;
    let status = scene.until_ready("www").await?;
    eventually("nothing is published", async || Ok(scene.published("www").await?.is_empty().then_some(())))
        .await?;
    let serial = serial(&status).context("nothing in production")?.to_owned();
    Ok((scene, serial))
}

/// The enrollment of the certificate `www`.
pub async fn enrollment(scene: &Scene<'_>) -> Result<u64> {
    let status = scene.certificates().get("www").await?.status.unwrap_or_default();
    u64::try_from(status.enrollment_id.context("no enrollment")?).context("a negative ID")
}

/// CPS begins a renewal.
pub async fn renew(scene: &Scene<'_>) -> Result<()> {
    let id = enrollment(scene).await?;
    scene.bed.control("POST", &format!("/enrollments/{id}/renew"), None).await.map(drop)
}

/// Waits until the next renewal is known. When CPS renews alone, the operator notices by a later time.
pub async fn until_forecast(scene: &Scene<'_>) -> Result<()> {
    scene.until_status("www", "the next renewal", |status| status.next_renewal_time.clone().map(drop)).await
}

/// The version at which [`until_renewed`] starts.
pub async fn version(scene: &Scene<'_>) -> Result<String> {
    let list = scene.certificates().list(&ListParams::default()).await?;
    Ok(list.metadata.resource_version.unwrap_or_default())
}

/// Every status of the certificate from a version on, until another serial number is in production.
pub async fn until_renewed(scene: &Scene<'_>, before: &str, from: &str) -> Result<Vec<CertificateStatus>> {
    let api = scene.certificates();
    let only = WatchParams::default().fields("metadata.name=www").timeout(60);
    let mut seen = Vec::new();
    let watch = async {
        let mut events = std::pin::pin!(api.watch(&only, from).await?);
        while let Some(event) = events.try_next().await? {
            let WatchEvent::Modified(certificate) = event else { continue };
            let status = certificate.status.unwrap_or_default();
            let done = status.change.is_none() && serial(&status).is_some_and(|now| now != before);
            seen.push(status);
            if done {
                return Ok(seen);
            }
        }
        anyhow::bail!("not renewed within a minute: {:?}", seen.last())
    };
    tokio::time::timeout(DEADLINE, watch).await?
}

/// Checks that the certificate was always Ready, and never Reconciling or Stalled, which kstatus calls Current.
pub fn stayed_ready(seen: &[CertificateStatus]) -> Result<()> {
    for status in seen {
        let current = condition_set::is_true(&status.conditions, "Ready")
            && condition_set::find(&status.conditions, "Reconciling").is_none()
            && condition_set::find(&status.conditions, "Stalled").is_none();
        ensure!(current, "{}", serde_json::to_string_pretty(status)?);
    }
    Ok(())
}

async fn a_renewal_deploys_another_certificate_while_ready_stays(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "renewal").await?;
    let from = version(&scene).await?;
    renew(&scene).await?;
    let seen = until_renewed(&scene, &before, &from).await?;
    stayed_ready(&seen)?;
    ensure!(
        seen.iter().any(|status| condition_set::is_true(&status.conditions, "Renewing")),
        "it was not told"
    );
    let last = seen.last().context("nothing")?;
    ensure!(condition_set::find(&last.conditions, "Renewing").is_none(), "it is told still");
    eventually("nothing is published", async || Ok(scene.published("www").await?.is_empty().then_some(())))
        .await?;
    let arguments = ["-n", "renewal", "get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"];
    eventually("events", async || {
        let reasons = bed.kubectl(&arguments).await?;
        Ok((reasons.contains("RenewalStarted") && reasons.contains("Renewed")).then_some(()))
    })
    .await
}

async fn a_renewal_that_began_while_the_operator_was_down_is_found(bed: &mut TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "down").await?;
    let from = version(&scene).await?;
    bed.no_operator_deployment().await?;
    let begun = renew(&scene).await;
    bed.operator_deployment().await?;
    begun?;
    stayed_ready(&until_renewed(&scene, &before, &from).await?)
}

async fn a_renewal_by_annotation_happens_once(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "on-demand").await?;
    let (now, from) = (jiff::Timestamp::now().to_string(), version(&scene).await?);
    scene.annotate("www", "akacert.io/renew-before", &now).await?;
    stayed_ready(&until_renewed(&scene, &before, &from).await?)?;
    let wipe = r#"{"status":null}"#;
    bed.kubectl(&[
        "-n",
        "on-demand",
        "patch",
        "akcert",
        "www",
        "--subresource=status",
        "--type=merge",
        "-p",
        wipe,
    ])
    .await?;
    scene.until_ready("www").await?;
    let id = scene.enrollments("www").await?[0].enrollment_id().map(|id| id.0);
    let updates =
        bed.calls().await?.iter().filter(|call| call.method == "PUT" && call.enrollment_id == id).count();
    ensure!(updates == 1, "{updates} updates");
    Ok(())
}

async fn warn(bed: &TestBed, name: &str, stage: &str, text: &str, quirk: Value) -> Result<()> {
    let warning = json!({"name": name, "stage": stage, "text": text, "quirk": quirk});
    bed.control("POST", "/warnings", Some(warning)).await.map(drop)
}

async fn warnings_on_the_list_are_acknowledged_however_cps_hesitates(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "listed").await?;
    for quirk in [json!(null), json!("not-found"), json!("empty"), json!("conflict")] {
        let label = quirk.as_str().unwrap_or("plain").to_owned();
        let text = format!("DNS name {} not CNAMEd for auto validation.", scene.host(&label));
        warn(bed, &scene.host(&label), "pre-verification", &text, quirk).await?;
        scene.apply(&label, json!({"warnings": {"acknowledge": ["DNS_NAME_NOT_CNAMED"]}})).await?;
        scene.until_ready(&label).await.context(label)?;
    }
    Ok(())
}

async fn other_warnings_wait_for_an_approval_of_these_very_texts(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "unlisted").await?;
    warn(bed, "unlisted", "pre-verification", "Something new.", json!(null)).await?;
    scene.apply("www", json!({"warnings": {"acknowledge": ["DNS_NAME_NOT_CNAMED"]}})).await?;
    let message = scene.until("www", "Stalled", "True", "WarningsNeedApproval").await?;
    ensure!(message.contains("Something new."), "{message}");
    let change = scene
        .certificates()
        .get("www")
        .await?
        .status
        .and_then(|status| status.change)
        .context("no change")?;
    ensure!(change.warnings.len() == 1 && change.warnings[0].id.is_none(), "{:?}", change.warnings);
    scene.annotate("www", "akacert.io/approve-warnings", &change.warnings_hash.context("no hash")?).await?;
    scene.until_ready("www").await.map(drop)
}

async fn warnings_about_the_issued_certificate_wait_for_an_approval(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "issued").await?;
    warn(bed, "issued", "post-verification", "About the chain.", json!(null)).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Stalled", "True", "WarningsNeedApproval").await?;
    scene.patch("www", json!({"warnings": {"acknowledge": ["All"]}})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn a_renewal_that_needs_an_approval_leaves_the_certificate_ready(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "needs").await?;
    let from = version(&scene).await?;
    warn(bed, "needs", "pre-verification", "Something new.", json!(null)).await?;
    renew(&scene).await?;
    scene.until("www", "Renewing", "True", "WarningsNeedApproval").await?;
    let status = scene.until_ready("www").await?;
    stayed_ready(std::slice::from_ref(&status))?;
    let hash = status.change.and_then(|change| change.warnings_hash).context("no hash")?;
    scene.annotate("www", "akacert.io/approve-warnings", &hash).await?;
    until_renewed(&scene, &before, &from).await.map(drop)
}

async fn a_removal_that_stops_at_a_warning_goes_on_once_it_is_approved(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "warned-removal").await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("www").await?;
    warn(bed, "warned-removal", "post-verification", "Something is served still.", json!(null)).await?;
    bed.kubectl(&["-n", "warned-removal", "delete", "akcert", "www", "--wait=false"]).await?;
    scene.until("www", "Stalled", "True", "WarningsNeedApproval").await?;
    scene.patch("www", json!({"warnings": {"acknowledge": ["All"]}})).await?;
    scene.until_gone(&scene.certificates(), "www").await?;
    ensure!(scene.enrollments("www").await?.is_empty(), "the enrollment is there still");
    Ok(())
}

async fn what_is_on_staging_waits_for_a_human(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "staging").await?;
    scene.apply("www", json!({"changeManagement": true})).await?;
    scene.until("www", "Stalled", "True", "DeploymentNeedsApproval").await?;
    let status = scene.certificates().get("www").await?.status.unwrap_or_default();
    let deployments = status.deployments.context("no deployments")?;
    ensure!(deployments.staging.is_some() && deployments.production.is_none(), "{deployments:?}");
    let change = status.change.context("no change")?.id;
    scene.annotate("www", "akacert.io/approve-deployment", &(change + 1).to_string()).await?;
    scene.until("www", "Stalled", "True", "DeploymentNeedsApproval").await?;
    scene.annotate("www", "akacert.io/approve-deployment", &change.to_string()).await?;
    scene.until_ready("www").await.map(drop)
}

async fn what_is_on_staging_goes_on_by_itself_where_policy_says_so(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "auto").await?;
    scene.apply("www", json!({"changeManagement": true, "deployment": {"approve": "Auto"}})).await?;
    scene.until_ready("www").await.map(drop)
}

/// A window of a whole day, `days` from now.
fn window(days: i64) -> Value {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = today.saturating_add(jiff::Span::new().days(days)).strftime("%a").to_string();
    json!({"window": {"days": [day], "from": "00:00", "to": "23:59", "timeZone": "Etc/UTC"}})
}

fn always() -> Value {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    json!({"window": {"days": days, "from": "00:00", "to": "23:59", "timeZone": "Etc/UTC"}})
}

async fn each_change_waits_for_the_deployment_window(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "window").await?;
    scene.apply("www", json!({"deployment": window(3)})).await?;
    scene.until("www", "Deployed", "False", "WaitingForWindow").await?;
    let status = scene.certificates().get("www").await?.status.unwrap_or_default();
    let change = status.change.context("no change")?.id;
    let id = scene.enrollments("www").await?[0].enrollment_id().context("no ID")?;
    let schedule = bed.cps()?.get_deployment_schedule(id, ChangeId(u64::try_from(change)?)).await?;
    let days =
        schedule.not_before.context("not scheduled")?.duration_since(jiff::Timestamp::now()).as_hours();
    ensure!((24..72).contains(&days), "{schedule:?}");
    scene.patch("www", json!({"deployment": always()})).await?;
    let before = serial(&scene.until_ready("www").await?).context("nothing in production")?.to_owned();

    // A renewal waits for the window too, behind a certificate that serves, until the user removes the window.
    scene.patch("www", json!({"deployment": window(3)})).await?;
    scene.until_ready("www").await?;
    let from = version(&scene).await?;
    renew(&scene).await?;
    scene.until("www", "Renewing", "True", "WaitingForWindow").await?;
    scene.patch("www", json!({"deployment": null})).await?;
    stayed_ready(&until_renewed(&scene, &before, &from).await?)
}
