//! What others make of what is published: a policy or a controller that changes it back, and a controller that adds to it.
//! Not here: what somebody deletes once (`healing`).

use std::time::Duration;

use akacert_api::names::MANAGED_BY_LABEL;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::{NAMESPACE, TestBed};
use tokio::time::Instant;

use crate::scene::{Scene, eventually, uid};

crate::together![
    what_a_policy_changes_back_is_told_once_and_written_ever_more_rarely,
    what_a_controller_changes_back_is_told_once_and_written_ever_more_rarely,
    what_a_controller_changes_back_at_rest_leaves_the_certificate_ready,
    a_controller_that_annotates_what_is_published_costs_no_write,
    what_somebody_adds_to_what_is_ours_alone_goes,
];

const OPERATOR: &str = "system:serviceaccount:akacert-system:akacert-operator";

/// The operator tries so often while somebody is at it,
const TRIES: usize = 8;

/// and takes at least so long for it: each wait but the first is longer than the one before. With the test bed's scale of
/// 1/200, this is some minutes.
const AT_LEAST: Duration = Duration::from_secs(1);

/// How often the operator has written objects of a kind in a namespace, since a length of the audit log.
fn written(bed: &TestBed, since: u64, namespace: &str, resource: &str) -> Result<usize> {
    let requests = bed.audit_log_from(since)?;
    let counts = requests.iter().filter(|request| {
        let about = request.namespace == namespace && request.resource == resource;
        about && request.user == OPERATOR && ["create", "patch", "update"].contains(&request.verb.as_str())
    });
    Ok(counts.count())
}

/// When a test begins to count.
struct Begun {
    time: Instant,
    /// How long the audit log was.
    audit_log: u64,
}

impl Begun {
    fn now(bed: &TestBed) -> Result<Self> {
        Ok(Self { time: Instant::now(), audit_log: bed.audit_log_length()? })
    }
}

/// How often an event with this reason was told about the certificates of a scene.
async fn told(scene: &Scene<'_>, reason: &str) -> Result<i32> {
    let events: Api<Event> = Api::namespaced(scene.bed.client(), &scene.name);
    let listed = events.list(&ListParams::default()).await?.items;
    let ours = listed.into_iter().filter(|event| event.reason.as_deref() == Some(reason));
    Ok(ours.map(|event| event.series.map_or(1, |series| series.count)).sum())
}

async fn what_a_policy_changes_back_is_told_once_and_written_ever_more_rarely(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "policy").await?;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "own-class"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"test": "policy"}},
                "resourceRules": [{
                    "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "resources": ["ingresses"],
                    "operations": ["CREATE", "UPDATE"]
                }]
            },
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {
                "expression": "Object{spec: Object.spec{ingressClassName: 'of-the-policy'}}"
            }}]
        }
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "own-class"}, "spec": {"policyName": "own-class"}
    });
    bed.apply(&policy.to_string()).await?;
    bed.apply(&binding.to_string()).await?;
    let outcome = async {
        in_force(&scene).await?;
        let begun = Begun::now(bed)?;
        scene.apply("www", json!({})).await?;
        let message = scene.until("www", "ChallengesPublished", "False", "Overruled").await?;
        ensure!(message.contains("Ingress policy/akacert-www"), "{message}");
        ever_more_rarely(&scene, &begun).await
    };
    let outcome = outcome.await;
    bed.kubectl(&["delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", "own-class"]).await?;
    outcome?;
    // By itself, once nobody changes it any more.
    scene.until_ready("www").await.map(drop)
}

/// The API server takes some moments until a policy holds.
async fn in_force(scene: &Scene<'_>) -> Result<()> {
    let ingresses: Api<Ingress> = Api::namespaced(scene.bed.client(), &scene.name);
    let probe = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "probe"},
        "spec": {"ingressClassName": "traefik", "defaultBackend": {"service": {"name": "none", "port": {"number": 80}}}}
    });
    let params = PatchParams { dry_run: true, ..PatchParams::apply("test").force() };
    eventually("the policy is in force", async || {
        let answer = ingresses.patch("probe", &params, &Patch::Apply(&probe)).await?;
        let class = answer.spec.and_then(|spec| spec.ingress_class_name);
        Ok((class.as_deref() == Some("of-the-policy")).then_some(()))
    })
    .await
}

/// The Ingress is tried to be written, ever more rarely; that it is in vain is told once.
async fn ever_more_rarely(scene: &Scene<'_>, begun: &Begun) -> Result<()> {
    eventually("some tries", async || {
        let tries = written(scene.bed, begun.audit_log, &scene.name, "ingresses")?;
        Ok((tries >= TRIES).then_some(()))
    })
    .await?;
    let took = begun.time.elapsed();
    println!("{}: {TRIES} writes in {:.1} s", scene.name, took.as_secs_f64());
    ensure!(took > AT_LEAST, "{TRIES} writes in {took:?}");
    let told = told(scene, "Overruled").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

/// Somebody who wants the Ingress to be of another class, and looks at it all the time.
async fn lead_elsewhere(api: Api<Ingress>, name: String) -> Result<()> {
    loop {
        let found = api.get_opt(&name).await?.and_then(|found| found.spec?.ingress_class_name);
        if found.is_some_and(|class| class != "of-the-controller") {
            let class = Patch::Merge(json!({"spec": {"ingressClassName": "of-the-controller"}}));
            api.patch(&name, &PatchParams::default(), &class).await?;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Does something while somebody leads an Ingress elsewhere: in a task of its own, since to count takes a while.
async fn meanwhile<T>(scene: &Scene<'_>, ingress: &str, test: impl Future<Output = Result<T>>) -> Result<T> {
    let api = Api::namespaced(scene.bed.client(), &scene.name);
    let mut others = tokio::spawn(lead_elsewhere(api, ingress.to_owned()));
    let outcome = tokio::select! {
        ended = &mut others => Err(ended?.err().context("the others gave up")?),
        outcome = test => outcome,
    };
    others.abort();
    outcome
}

async fn what_a_controller_changes_back_is_told_once_and_written_ever_more_rarely(
    bed: &TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "reverted").await?;
    // Whatever stays for long enough would be validated.
    scene.lead_away("www").await?;
    let begun = Begun::now(bed)?;
    meanwhile(&scene, "akacert-www", async {
        scene.apply("www", json!({})).await?;
        let message = scene.until("www", "ChallengesPublished", "False", "Overruled").await?;
        ensure!(message.contains("Ingress reverted/akacert-www is changed back"), "{message}");
        ever_more_rarely(&scene, &begun).await
    })
    .await?;
    scene.lead_back("www").await?;
    scene.until_ready("www").await.map(drop)
}

async fn what_a_controller_changes_back_at_rest_leaves_the_certificate_ready(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "reverted-at-rest").await?;
    let redirect = json!({"http01": {"ingress": null, "redirect": {"ingress": {"className": "traefik"}}}});
    scene.apply("www", json!({"validation": redirect})).await?;
    scene.until_ready("www").await?;
    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), &scene.name);
    let ours = ListParams::default().labels(&format!("{MANAGED_BY_LABEL}=akacert"));
    let name = ingresses.list(&ours).await?.items.first().context("no Ingress")?.name_any();
    let begun = Begun::now(bed)?;
    meanwhile(&scene, &name, async {
        scene.until("www", "RenewalReady", "False", "Overruled").await?;
        ever_more_rarely(&scene, &begun).await?;
        scene.until("www", "Ready", "True", "Deployed").await
    })
    .await?;
    eventually("the Ingress is as it was written", async || {
        let class = ingresses.get(&name).await?.spec.and_then(|spec| spec.ingress_class_name);
        Ok((class.as_deref() == Some("traefik")).then_some(()))
    })
    .await
}

/// Adds a label and another annotation each time, to everything of ours that it finds, for some rounds.
async fn annotate(scene: &Scene<'_>, rounds: usize) -> Result<()> {
    let config_map = format!("akacert-{}", uid(&scene.certificates().get("www").await?));
    let ingresses: Api<Ingress> = Api::namespaced(scene.bed.client(), &scene.name);
    let services: Api<Service> = Api::namespaced(scene.bed.client(), &scene.name);
    let config_maps: Api<ConfigMap> = Api::namespaced(scene.bed.client(), NAMESPACE);
    let params = PatchParams::default();
    for round in 0..rounds {
        let seen =
            json!({"annotations": {"controller.example/seen": round.to_string()}, "labels": {"team": "web"}});
        let patch = Patch::Merge(json!({"metadata": seen}));
        ingresses.patch("akacert-www", &params, &patch).await?;
        services.patch("akacert-solver", &params, &patch).await?;
        config_maps.patch(&config_map, &params, &patch).await?;
    }
    Ok(())
}

async fn a_controller_that_annotates_what_is_published_costs_no_write(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "annotated").await?;
    scene.apply_held("www", json!({})).await?;
    let begun = bed.audit_log_length()?;
    let count = || {
        Ok::<_, anyhow::Error>([
            written(bed, begun, "annotated", "ingresses")?,
            written(bed, begun, "annotated", "services")?,
        ])
    };
    let before = count()?;
    annotate(&scene, 20).await?;
    // As a clock: when this one is published, the operator has long looked at the other.
    scene.apply_held("clock", json!({})).await?;
    let [ingresses, services] = count()?;
    ensure!([ingresses - 1, services] == before, "{ingresses} and {services} writes, after {before:?}");
    let api: Api<Ingress> = Api::namespaced(bed.client(), &scene.name);
    let found = api.get("akacert-www").await?;
    ensure!(found.annotations()["controller.example/seen"] == "19" && found.labels()["team"] == "web");
    scene.lead_back("www").await?;
    scene.until_ready("www").await?;
    ensure!(told(&scene, "Overruled").await? == 0);
    scene.lead_back("clock").await
}

async fn what_somebody_adds_to_what_is_ours_alone_goes(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "added-to").await?;
    scene.apply_held("www", json!({})).await?;
    let config_map = format!("akacert-{}", uid(&scene.certificates().get("www").await?));
    let config_maps: Api<ConfigMap> = Api::namespaced(bed.client(), NAMESPACE);
    let note = Patch::Merge(json!({"data": {"note": "somebody's"}}));
    config_maps.patch(&config_map, &PatchParams::default(), &note).await?;
    eventually("the key is gone", async || {
        let data = config_maps.get(&config_map).await?.data.unwrap_or_default();
        Ok((!data.contains_key("note") && data.contains_key("challenges.json")).then_some(()))
    })
    .await?;

    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), &scene.name);
    let tls = Patch::Merge(json!({"spec": {"tls": [{"hosts": [scene.host("www")], "secretName": "www"}]}}));
    ingresses.patch("akacert-www", &PatchParams::default(), &tls).await?;
    eventually("no TLS", async || {
        let tls = ingresses.get("akacert-www").await?.spec.and_then(|spec| spec.tls);
        Ok(tls.is_none_or(|tls| tls.is_empty()).then_some(()))
    })
    .await?;

    // By the label the operator finds it: it has to ask the API server about what it does not see any more.
    let label = Patch::Merge(json!({"metadata": {"labels": {MANAGED_BY_LABEL: Value::Null}}}));
    ingresses.patch("akacert-www", &PatchParams::default(), &label).await?;
    eventually("the label is back", async || {
        let found = ingresses.get("akacert-www").await?;
        Ok(found.labels().contains_key(MANAGED_BY_LABEL).then_some(()))
    })
    .await?;
    scene.lead_back("www").await?;
    scene.until_ready("www").await.map(drop)
}
