//! From `kubectl apply` to Ready.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams};
use serde_json::json;
use testbed::{NAMESPACE, TestBed};

use crate::scene::{Scene, eventually, uid};

crate::together![
    a_certificate_with_three_names_becomes_ready_and_the_authority_fetched_each_token,
    what_was_published_is_removed_once_the_certificate_is_deployed,
    ready_shows_in_kubectl_get_and_kubectl_wait,
    each_step_is_told_by_one_event,
    nothing_is_written_to_spec_and_applying_again_changes_nothing,
];

async fn a_certificate_with_three_names_becomes_ready_and_the_authority_fetched_each_token(
    bed: &TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "three").await?;
    let hosts = ["www", "api", "cdn"].map(|label| scene.host(label));
    scene.apply("www", json!({"dnsNames": [hosts[1], hosts[2]]})).await?;
    let status = scene.until_ready("www").await?;
    for host in &hosts {
        ensure!(scene.authority_fetched(host)?, "nobody fetched the token of {host}");
    }
    let production =
        status.deployments.and_then(|deployments| deployments.production).context("no deployment")?;
    let mut expected = hosts.to_vec();
    expected.sort();
    ensure!(production.dns_names == expected, "{:?}", production.dns_names);
    ensure!(status.change.is_none() && status.domains.is_empty());
    Ok(())
}

async fn what_was_published_is_removed_once_the_certificate_is_deployed(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "removed").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    let uid = uid(&scene.certificates().get("www").await?);
    let config_maps: Api<ConfigMap> = Api::namespaced(bed.client(), NAMESPACE);
    scene.until_gone(&config_maps, &format!("akacert-{uid}")).await?;
    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), "removed");
    scene.until_gone(&ingresses, "akacert-www").await?;
    let services: Api<Service> = Api::namespaced(bed.client(), "removed");
    scene.until_gone(&services, "akacert-solver").await?;
    let slices: Api<EndpointSlice> = Api::namespaced(bed.client(), "removed");
    eventually("no EndpointSlice is left", async || {
        Ok(slices.list(&ListParams::default()).await?.items.is_empty().then_some(()))
    })
    .await
}

async fn ready_shows_in_kubectl_get_and_kubectl_wait(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "columns").await?;
    scene.apply("www", json!({})).await?;
    bed.kubectl(&["-n", "columns", "wait", "--for=condition=Ready", "akcert/www", "--timeout=60s"]).await?;
    let shown = bed.kubectl(&["-n", "columns", "get", "akcert"]).await?;
    let mut lines = shown.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default().join(" ");
    ensure!(header == "NAME READY REASON COMMON NAME ENROLLMENT EXPIRES AGE", "{shown}");
    let line = lines.next().unwrap_or_default();
    ensure!(line[..4] == ["www", "True", "Deployed", "www.columns.example.com"], "{shown}");
    ensure!(line[5].starts_with("20") && line[5].ends_with('Z'), "a time to come, not <invalid>: {shown}");
    Ok(())
}

async fn each_step_is_told_by_one_event(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "events").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    let expected = ["ChallengesPublished", "Deployed", "DomainsValidated", "EnrollmentCreated"];
    eventually("one event a step", async || {
        let steps = "jsonpath={.items[?(@.type=='Normal')].reason}";
        let arguments = ["-n", "events", "get", "events.events.k8s.io", "-o", steps];
        let reasons = bed.kubectl(&arguments).await?;
        let mut reasons: Vec<&str> = reasons.split_whitespace().collect();
        reasons.sort_unstable();
        Ok((reasons == expected).then_some(()))
    })
    .await
}

async fn nothing_is_written_to_spec_and_applying_again_changes_nothing(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "again").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    let before = scene.certificates().get("www").await?;
    ensure!(bed.apply(&scene.manifest("www", json!({})).to_string()).await?.contains("unchanged"));
    let after = scene.certificates().get("www").await?;
    ensure!(before.metadata.generation == Some(1) && after.metadata.generation == Some(1));
    ensure!(serde_json::to_value(&after.spec)? == scene.manifest("www", json!({}))["spec"]);
    Ok(())
}
