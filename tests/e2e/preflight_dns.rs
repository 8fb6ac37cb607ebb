//! Like `preflight`, for CAA and TXT records, their zones and name servers. Also the wait after an authority has
//! refused nevertheless.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{DYN_TSIG, HOST, TestBed};
use tokio::time::Instant;

use crate::preflight::{failed, in_the_zone, mended, unacknowledged, unreachable};
use crate::scene::{Scene, eventually, says};

crate::together![
    caa_records_for_another_authority_are_named_wherever_they_are,
    a_cname_in_the_way_of_a_record_is_named,
    a_name_without_a_dns_zone_is_named,
    a_name_without_a_zone_in_edge_dns_is_named,
    a_name_server_needs_the_operators_flag,
    a_tsig_key_has_to_be_there_and_right,
    after_a_refusal_the_next_acknowledgement_waits_for_long,
];

/// Puts the key of the zone into a Secret in the scene's namespace.
async fn put_key(scene: &Scene<'_>, secret: &str) -> Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tsig", "namespace": scene.name},
        "stringData": {"secret": secret}});
    scene.bed.apply(&secret.to_string()).await.map(drop)
}

fn rfc2136() -> Value {
    rfc2136_at(&format!("{HOST}:53"))
}

fn rfc2136_at(server: &str) -> Value {
    let way = json!({"server": server, "keyName": DYN_TSIG.name, "keySecretRef": {"name": "tsig"}});
    json!({"http01": null, "dns01": {"rfc2136": way}})
}

async fn caa_records_for_another_authority_are_named_wherever_they_are(bed: &TestBed) -> Result<()> {
    // By DNS-01: the test bed's authority ignores CAA records, and CPS validates what it finds by itself.
    let scene = in_the_zone(bed, "caa").await?;
    put_key(&scene, DYN_TSIG.secret).await?;
    let name = "www.caa.dyn.test";
    bed.dns_update(&[&format!("add {name} 1 CAA 0 issue \"other.example\"")]).await?;
    scene.apply("www", json!({"commonName": name, "validation": rfc2136()})).await?;
    failed(
        &scene,
        "www.caa.dyn.test: CAA records at www.caa.dyn.test allow none of letsencrypt.org: add `0 issue \
         \"letsencrypt.org\"` there",
    )
    .await?;
    let above = "add caa.dyn.test 1 CAA 0 issue";
    bed.dns_update(&[&format!("delete {name} CAA"), &format!("{above} \"other.example\"")]).await?;
    failed(&scene, "www.caa.dyn.test: CAA records at caa.dyn.test allow none of letsencrypt.org").await?;
    bed.dns_update(&[&format!("{above} \"letsencrypt.org; validationmethods=http-01\"")]).await?;
    failed(&scene, "CAA records at caa.dyn.test do not allow validation by dns-01").await?;
    bed.dns_update(&[&format!("{above} \"letsencrypt.org\"")]).await?;
    mended(&scene).await
}

async fn a_cname_in_the_way_of_a_record_is_named(bed: &TestBed) -> Result<()> {
    let scene = in_the_zone(bed, "cname").await?;
    put_key(&scene, DYN_TSIG.secret).await?;
    bed.dns_update(&["add _acme-challenge.cname.dyn.test 1 CNAME elsewhere.example.com."]).await?;
    scene.apply("www", json!({"commonName": "cname.dyn.test", "validation": rfc2136()})).await?;
    failed(
        &scene,
        "cname.dyn.test: _acme-challenge.cname.dyn.test is a CNAME, beside which there cannot be a TXT record: remove the CNAME",
    )
    .await?;
    bed.dns_update(&["delete _acme-challenge.cname.dyn.test CNAME"]).await?;
    mended(&scene).await
}

async fn a_name_without_a_dns_zone_is_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "no-zone").await?;
    scene.apply("www", json!({"validation": {"http01": null, "dns01": {"manual": {}}}})).await?;
    failed(&scene, "www.no-zone.example.com: there is no DNS zone for the name").await?;
    let by_http = json!({"dns01": null, "http01": {"ingress": {"className": "traefik"}}});
    scene.apply("www", json!({"validation": by_http})).await?;
    mended(&scene).await
}

async fn a_name_without_a_zone_in_edge_dns_is_named(bed: &TestBed) -> Result<()> {
    let scene = in_the_zone(bed, "not-edge-dns").await?;
    put_key(&scene, DYN_TSIG.secret).await?;
    let name = "not-edge-dns.dyn.test";
    let by_edge_dns = json!({"http01": null, "dns01": {"edgeDns": {}}});
    scene.apply("www", json!({"commonName": name, "validation": by_edge_dns})).await?;
    unreachable(
        &scene,
        "DnsUpdateFailed",
        "the account has no zone in Edge DNS for _acme-challenge.not-edge-dns.dyn.test: create the zone, or name its account \
         in dns01.edgeDns.accountRef",
    )
    .await?;
    scene.apply("www", json!({"commonName": name, "validation": rfc2136()})).await?;
    mended(&scene).await
}

async fn a_name_server_needs_the_operators_flag(bed: &TestBed) -> Result<()> {
    let scene = in_the_zone(bed, "server").await?;
    put_key(&scene, DYN_TSIG.secret).await?;
    let name = "server.dyn.test";
    let elsewhere = rfc2136_at("10.77.0.2:53");
    scene.apply("www", json!({"commonName": name, "validation": elsewhere})).await?;
    let message = scene.until("www", "Stalled", "True", "ServerNotAllowed").await?;
    says(
        &message,
        "the operator does not send DNS updates to 10.77.0.2:53: correct dns01.rfc2136.server, or have the operator started \
         with --allow-dns-server 10.77.0.2:53",
    )?;
    unacknowledged(&scene).await?;
    scene.apply("www", json!({"commonName": name, "validation": rfc2136()})).await?;
    mended(&scene).await
}

async fn a_tsig_key_has_to_be_there_and_right(bed: &TestBed) -> Result<()> {
    let scene = in_the_zone(bed, "tsig").await?;
    scene.apply("www", json!({"commonName": "tsig.dyn.test", "validation": rfc2136()})).await?;
    let missing = "Secret tsig/tsig does not exist: create it with the TSIG key";
    unreachable(&scene, "DnsUpdateFailed", missing).await?;
    put_key(&scene, "no base64!").await?;
    unreachable(&scene, "DnsUpdateFailed", "Secret tsig/tsig has a key `secret` that is no base64").await?;
    put_key(&scene, "c29tZXRoaW5nIGVsc2U=").await?;
    unreachable(
        &scene,
        "DnsUpdateFailed",
        "the TXT record _acme-challenge.tsig.dyn.test: the name server has another secret for the TSIG key `dyn-key`: \
         correct the Secret",
    )
    .await?;
    put_key(&scene, DYN_TSIG.secret).await?;
    mended(&scene).await
}

async fn after_a_refusal_the_next_acknowledgement_waits_for_long(bed: &TestBed) -> Result<()> {
    let scene = in_the_zone(bed, "refusal").await?;
    // This is acknowledged without a check and without a record. CPS accepts it, and the authority finds no record.
    let name = "*.refusal.dyn.test";
    let validation = json!({"http01": null, "dns01": {"manual": {}}, "selfCheck": "Off"});
    scene.apply("www", json!({"commonName": name, "validation": validation})).await?;
    let message = scene.until("www", "DomainsValidated", "False", "AuthorizationFailed").await?;
    let seen = Instant::now();
    says(
        &message,
        "The certificate authority refused *.refusal.dyn.test: No TXT records found for DNS challenge. ",
    )?;
    says(&message, "The challenges are acknowledged again not before ")?;
    ensure!(refusals(&scene).await? == 1 && scene.acknowledgements("www").await? == 1);
    eventually("the second refusal", async || Ok((refusals(&scene).await? == 2).then_some(()))).await?;
    // In the test bed an hour lasts 18 s, give or take ten per cent. Most of it was left when it was reported.
    ensure!(seen.elapsed() > Duration::from_secs(10), "after {:?} already", seen.elapsed());
    ensure!(scene.acknowledgements("www").await? == 2, "it was acknowledged once more");

    let status = scene.certificates().get("www").await?.status.context("no status")?;
    let mut shown = status.domains.iter().flat_map(|domain| &domain.challenges);
    let value = shown.find_map(|challenge| challenge.value.clone()).context("no value is shown")?;
    bed.dns_update(&[&format!("add _acme-challenge.refusal.dyn.test 1 TXT \"{value}\"")]).await?;
    let status = scene.until_ready("www").await?;
    ensure!(status.failures.is_none(), "{:?}", status.failures);
    Ok(())
}

async fn refusals(scene: &Scene<'_>) -> Result<i64> {
    let status = scene.certificates().get("www").await?.status.context("no status")?;
    Ok(status.failures.map(|failures| failures.count).unwrap_or_default())
}
