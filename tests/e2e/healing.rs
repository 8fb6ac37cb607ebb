//! The operator restores what somebody deletes: everything while a change waits for it, and standing objects at rest.
//! The tests print how long it takes.

use std::time::Duration;

use akacert_api::names::{CERTIFICATE_UID_LABEL, MANAGED_BY_LABEL};
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use serde_json::{Value, json};
use testbed::{Call, DYN_TSIG, GATEWAYS, HOST, NAMESPACE, PUBLIC_GATEWAY, TestBed};
use tokio::time::Instant;

use crate::scene::{Scene, eventually, eventually_within, uid};

crate::together![
    tokens_and_what_leads_to_them_come_back_while_a_change_waits,
    a_dns_endpoint_comes_back_while_a_change_waits,
    a_record_in_a_zone_of_dns_updates_comes_back_while_a_change_waits,
    a_record_in_edge_dns_comes_back_while_a_change_waits,
    a_redirect_by_ingress_comes_back_at_rest_without_cps,
    a_redirect_by_gateway_comes_back_at_rest_without_cps,
];

/// The operator watches objects of the cluster.
const SECONDS: Duration = Duration::from_secs(5);
/// The operator checks TXT records at intervals.
const A_MINUTE: Duration = Duration::from_secs(60);

/// The published kinds, with group and version.
const KINDS: [(&str, &str, &str); 6] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Service"),
    ("discovery.k8s.io", "v1", "EndpointSlice"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute"),
    ("externaldns.k8s.io", "v1alpha1", "DNSEndpoint"),
];

fn objects(bed: &TestBed, namespace: &str, kind: &str) -> Result<Api<DynamicObject>> {
    let (group, version, kind) = KINDS.into_iter().find(|known| known.2 == kind).context("no such kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Ok(Api::namespaced_with(bed.client(), namespace, &resource))
}

/// The kinds of the objects that `kubectl get -l` finds for the certificate `www`.
async fn found(scene: &Scene<'_>) -> Result<Vec<String>> {
    let uid = uid(&scene.certificates().get("www").await?);
    let selector = format!("{MANAGED_BY_LABEL}=akacert,{CERTIFICATE_UID_LABEL}={uid}");
    let kinds = "configmaps,services,endpointslices,ingresses,httproutes,dnsendpoints";
    let kinds_found = "jsonpath={.items[*].kind}";
    let shown = scene.bed.kubectl(&["get", kinds, "-A", "-l", &selector, "-o", kinds_found]).await?;
    let mut kinds: Vec<String> = shown.split_whitespace().map(str::to_owned).collect();
    kinds.sort();
    Ok(kinds)
}

async fn until_found(scene: &Scene<'_>, kinds: &[&str]) -> Result<()> {
    eventually(&format!("{kinds:?} and nothing else"), async || {
        Ok((found(scene).await? == kinds).then_some(()))
    })
    .await
}

/// Deletes the published object of a kind for the certificate `www`, and waits until it is back, within seconds.
async fn heals(scene: &Scene<'_>, kind: &str) -> Result<()> {
    let namespace = if kind == "ConfigMap" { NAMESPACE } else { &scene.name };
    let uid = uid(&scene.certificates().get("www").await?);
    let selector = match kind {
        // The certificates of a namespace share these.
        "Service" | "EndpointSlice" => format!("{MANAGED_BY_LABEL}=akacert"),
        _ => format!("{MANAGED_BY_LABEL}=akacert,{CERTIFICATE_UID_LABEL}={uid}"),
    };
    let api = objects(scene.bed, namespace, kind)?;
    let listed = api.list(&ListParams::default().labels(&selector)).await?.items;
    ensure!(listed.len() == 1, "{} objects of kind {kind}", listed.len());
    let (name, before) = (listed[0].name_any(), listed[0].uid());
    api.delete(&name, &DeleteParams::default()).await?;
    let deleted = Instant::now();
    eventually_within(&format!("{kind} {name} is back"), SECONDS, async || {
        Ok(api.get_opt(&name).await?.filter(|found| found.uid() != before).map(drop))
    })
    .await?;
    println!("healed: {kind} {:.2} s", deleted.elapsed().as_secs_f64());
    Ok(())
}

fn gateway() -> Value {
    json!({"parentRefs": [{"name": PUBLIC_GATEWAY, "namespace": GATEWAYS, "sectionName": "http"}]})
}

async fn tokens_and_what_leads_to_them_come_back_while_a_change_waits(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "heal-tokens").await?;
    let api = scene.host("api");
    let by_gateway = json!({"names": [api], "http01": {"gateway": gateway()}});
    scene.apply_held("www", json!({"dnsNames": [api], "validation": {"domains": [by_gateway]}})).await?;
    until_found(&scene, &["ConfigMap", "HTTPRoute", "Ingress"]).await?;
    for kind in ["ConfigMap", "Ingress", "HTTPRoute", "EndpointSlice", "Service"] {
        heals(&scene, kind).await?;
    }
    scene.lead_back("www").await?;
    scene.until_ready("www").await?;
    until_found(&scene, &[]).await
}

/// A scene with an account for names in the zones of the test bed, and the key of one of the zones.
async fn in_the_zones<'a>(bed: &'a TestBed, name: &str) -> Result<Scene<'a>> {
    let scene = Scene::without_account(bed, name).await?;
    scene.account(json!({"allowedDomains": ["*.dyn.test", "*.edge.test"]})).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tsig", "namespace": name},
        "stringData": {"secret": DYN_TSIG.secret}});
    bed.apply(&secret.to_string()).await?;
    Ok(scene)
}

async fn a_dns_endpoint_comes_back_while_a_change_waits(bed: &TestBed) -> Result<()> {
    let scene = in_the_zones(bed, "heal-endpoint").await?;
    // No external-dns writes records there, so the validation waits.
    let validation = json!({"http01": null, "dns01": {"dnsEndpoint": {}}});
    scene.apply("www", json!({"commonName": "heal-endpoint.dyn.test", "validation": validation})).await?;
    scene.until("www", "ChallengesReachable", "False", "RecordMissing").await?;
    until_found(&scene, &["DNSEndpoint"]).await?;
    heals(&scene, "DNSEndpoint").await?;
    let listed = objects(bed, "heal-endpoint", "DNSEndpoint")?.list(&ListParams::default()).await?;
    let endpoint = &listed.items[0].data["spec"]["endpoints"][0];
    let value = endpoint["targets"][0].as_str().context("no value")?.trim_matches('"');
    write_by_hand(bed, "heal-endpoint.dyn.test", value).await?;
    scene.until_ready("www").await?;
    until_found(&scene, &[]).await
}

async fn write_by_hand(bed: &TestBed, name: &str, value: &str) -> Result<()> {
    bed.dns_update(&[&format!("add _acme-challenge.{name} 1 TXT \"{value}\"")]).await
}

async fn a_record_in_a_zone_of_dns_updates_comes_back_while_a_change_waits(bed: &TestBed) -> Result<()> {
    let scene = in_the_zones(bed, "heal-rfc2136").await?;
    let way =
        json!({"server": format!("{HOST}:53"), "keyName": DYN_TSIG.name, "keySecretRef": {"name": "tsig"}});
    held_by_another_record(&scene, "heal-rfc2136.dyn.test", json!({"rfc2136": way})).await?;
    record_heals(&scene, "dns01.rfc2136", "heal-rfc2136.dyn.test", async || {
        bed.dns_update(&["delete _acme-challenge.heal-rfc2136.dyn.test TXT"]).await
    })
    .await
}

async fn a_record_in_edge_dns_comes_back_while_a_change_waits(bed: &TestBed) -> Result<()> {
    let scene = in_the_zones(bed, "heal-edge-dns").await?;
    held_by_another_record(&scene, "heal.edge.test", json!({"edgeDns": {}})).await?;
    record_heals(&scene, "dns01.edgeDns", "heal.edge.test", async || {
        bed.control("DELETE", "/edge-dns/edge.test/_acme-challenge.heal.edge.test", None).await.map(drop)
    })
    .await
}

/// The second name of the certificate `www`, whose record somebody creates by hand.
fn by_hand(scene: &Scene<'_>) -> String {
    format!("{}-by-hand.dyn.test", scene.name)
}

/// Applies a certificate for a name, and for another one whose record nobody creates yet.
async fn held_by_another_record(scene: &Scene<'_>, name: &str, dns01: Value) -> Result<()> {
    let by_hand = by_hand(scene);
    let group = json!({"names": [by_hand], "dns01": {"manual": {}}});
    let validation = json!({"http01": null, "dns01": dns01, "domains": [group]});
    let changes = json!({"commonName": name, "dnsNames": [by_hand], "validation": validation});
    scene.apply("www", changes).await?;
    scene.until("www", "ChallengesReachable", "False", "RecordMissing").await.map(drop)
}

/// Deletes the record, waits until it is back with the same values within a minute, and checks that it disappears
/// once nobody needs it.
async fn record_heals(
    scene: &Scene<'_>,
    way: &str,
    name: &str,
    delete: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let bed = scene.bed;
    let record = format!("_acme-challenge.{name}");
    let before = bed.txt_values(&record).await?;
    ensure!(before.len() == 1, "{before:?}");
    delete().await?;
    let deleted = Instant::now();
    ensure!(scene.acknowledgements("www").await? == 0, "it was acknowledged all the same");
    eventually_within("the record is back", A_MINUTE, async || {
        Ok((bed.txt_values(&record).await? == before).then_some(()))
    })
    .await?;
    println!(
        "healed: TXT record of {way} {:.2} s (with intervals of 1/200)",
        deleted.elapsed().as_secs_f64()
    );

    let by_hand = by_hand(scene);
    let status = scene.certificates().get("www").await?.status.context("no status")?;
    let shown = status.domains.iter().find(|domain| domain.name == by_hand).context("it is not shown")?;
    let value = shown.challenges.iter().find_map(|challenge| challenge.value.clone());
    write_by_hand(bed, &by_hand, &value.context("no value is shown")?).await?;
    scene.until_ready("www").await?;
    eventually("the record is gone", async || Ok(bed.txt_values(&record).await?.is_empty().then_some(())))
        .await?;
    until_found(scene, &[]).await
}

async fn a_redirect_by_ingress_comes_back_at_rest_without_cps(bed: &TestBed) -> Result<()> {
    let redirect = json!({"ingress": {"className": "traefik"}});
    let kinds = ["ConfigMap", "Ingress"];
    stands(bed, "heal-ingress", redirect, &kinds, &["EndpointSlice", "Service"]).await
}

async fn a_redirect_by_gateway_comes_back_at_rest_without_cps(bed: &TestBed) -> Result<()> {
    stands(bed, "heal-gateway", json!({"gateway": gateway()}), &["HTTPRoute"], &[]).await
}

/// Checks that a standing redirect's objects of these kinds, and of the shared kinds, come back at rest.
async fn stands(bed: &TestBed, name: &str, redirect: Value, kinds: &[&str], shared: &[&str]) -> Result<()> {
    let scene = Scene::new(bed, name).await?;
    scene.apply("www", json!({"validation": {"http01": {"ingress": null, "redirect": redirect}}})).await?;
    scene.until_ready("www").await?;
    // From then on, the operator reads only the contract's list.
    let at_rest = scene.until_status("www", "rest", |status| status.next_renewal_time.as_ref().map(drop));
    at_rest.await?;
    until_found(&scene, kinds).await?;
    let calls = calls_of(&scene).await?;
    for kind in kinds.iter().chain(shared) {
        heals(&scene, kind).await?;
    }
    eventually("the redirect", async || Ok((led_to(&scene.host("www")).await? == DCV).then_some(()))).await?;
    ensure!(calls_of(&scene).await? == calls, "CPS was called");
    scene.until("www", "Ready", "True", "Deployed").await.map(drop)
}

const DCV: &str = "http://dcv.akamai.com/.well-known/acme-challenge/token";

/// The target of the Ingress controller's redirect for a host's token.
async fn led_to(host: &str) -> Result<String> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let request = client.get(format!("http://{HOST}/.well-known/acme-challenge/token")).header("Host", host);
    let answer = request.send().await?;
    let location = answer.headers().get("location").and_then(|to| to.to_str().ok());
    Ok(location.unwrap_or_default().to_owned())
}

/// The number of CPS calls about the enrollment of the certificate `www`.
async fn calls_of(scene: &Scene<'_>) -> Result<usize> {
    let id = scene.certificates().get("www").await?.status.and_then(|status| status.enrollment_id);
    let id = u64::try_from(id.context("no enrollment")?)?;
    let concerns = |call: &&Call| call.enrollment_id == Some(id);
    Ok(scene.bed.calls().await?.iter().filter(concerns).count())
}
