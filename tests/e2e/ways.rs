//! Every way to prove a name, from `kubectl apply` to Ready and through a renewal. The authority's own requests are
//! the evidence. `standing` has standing redirects.

use std::collections::BTreeSet;

use akacert_api::condition_set;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use testbed::{AUTHORITY, CPS, DCV_HOST, DYN_TSIG, GATEWAYS, PUBLIC_GATEWAY, TestBed};

use crate::renewing::{renew, serial, stayed_ready, until_forecast, until_renewed, version};
use crate::scene::{Scene, eventually};

crate::together![
    an_ingress_leads_the_authority_to_each_token,
    a_gateway_leads_the_authority_to_each_token,
    names_that_are_served_elsewhere_wait_for_their_redirect,
    names_at_the_edge_are_left_to_cps,
    records_in_edge_dns_go_to_the_closest_zone,
    records_by_dns_updates_are_written_and_removed,
    records_made_by_hand_are_shown_and_awaited,
    twenty_names_go_four_ways_in_one_certificate,
];

crate::alone![external_dns_makes_the_records, twelve_certificates_share_a_zone_of_edge_dns];

/// What the authority has requested since a given moment.
pub struct Evidence<'a> {
    bed: &'a TestBed,
    fetches: usize,
    queries: usize,
}

impl<'a> Evidence<'a> {
    /// Starts at this moment.
    pub fn from_now(bed: &'a TestBed) -> Result<Self> {
        Ok(Self { bed, fetches: bed.access_log()?.len(), queries: bed.dns_queries()?.len() })
    }

    /// Checks that the authority fetched a token of a host through the ingress controller, which answered with this
    /// status.
    pub fn fetched(&self, host: &str, status: u16) -> Result<()> {
        let log = self.bed.access_log()?;
        let found = log.iter().skip(self.fetches).any(|access| {
            access.request_host == host
                && access.downstream_status == status
                && access.user_agent.contains("LetsEncrypt-Pebble-VA")
        });
        ensure!(found, "the authority fetched no token of {host} that was answered with {status}");
        Ok(())
    }

    /// Checks that the authority queried the name server.
    pub fn asked(&self, name: &str, record_type: &str) -> Result<()> {
        let log = self.bed.dns_queries()?;
        let found = log
            .iter()
            .skip(self.queries)
            .any(|query| query.server == AUTHORITY && query.name == name && query.record_type == record_type);
        ensure!(found, "the authority did not ask for {record_type} of {name}");
        Ok(())
    }
}

/// A scene whose account allows the names below some domains.
pub async fn scene<'a>(bed: &'a TestBed, name: &str, domains: &[&str]) -> Result<Scene<'a>> {
    let scene = Scene::without_account(bed, name).await?;
    let allowed: Vec<_> = domains.iter().flat_map(|d| [format!("*.{d}"), (*d).to_owned()]).collect();
    scene.account(json!({"allowedDomains": allowed})).await?;
    Ok(scene)
}

/// Brings the certificate `www` to Ready and through a renewal while it stays Ready, and checks the authority's
/// requests each time.
async fn issued_and_renewed(
    scene: &Scene<'_>,
    changes: Value,
    asked: impl Fn(&Evidence<'_>) -> Result<()>,
) -> Result<()> {
    let evidence = Evidence::from_now(scene.bed)?;
    scene.apply("www", changes).await?;
    let status = scene.until_ready("www").await?;
    asked(&evidence).context("at first")?;
    let before = serial(&status).context("nothing in production")?.to_owned();
    nothing_left(scene).await?;
    renewed(scene, &before, asked).await
}

async fn renewed(scene: &Scene<'_>, before: &str, asked: impl Fn(&Evidence<'_>) -> Result<()>) -> Result<()> {
    until_forecast(scene).await?;
    let (from, evidence) = (version(scene).await?, Evidence::from_now(scene.bed)?);
    renew(scene).await?;
    stayed_ready(&until_renewed(scene, before, &from).await?)?;
    asked(&evidence).context("at the renewal")?;
    nothing_left(scene).await
}

/// Checks that what the operator published for a change is gone: objects and TXT records, except standing objects.
async fn nothing_left(scene: &Scene<'_>) -> Result<()> {
    let kinds = "ingresses,httproutes,services,endpointslices,dnsendpoints.externaldns.k8s.io";
    let labels =
        "app.kubernetes.io/managed-by=akacert,akacert.io/component notin (http01-redirect,http01-snippets)";
    let arguments = ["-n", &scene.name, "get", kinds, "-l", labels, "-o", "name"];
    eventually("nothing is published", async || {
        let left = scene.bed.kubectl(&arguments).await?;
        Ok((left.trim().is_empty() && scene.published("www").await?.is_empty()).then_some(()))
    })
    .await
}

/// Checks that a name no longer has a TXT record.
async fn no_record(bed: &TestBed, name: &str) -> Result<()> {
    values_left(bed, name, &[]).await
}

/// Checks that a name has only the TXT values of others.
async fn values_left(bed: &TestBed, name: &str, others: &[&str]) -> Result<()> {
    eventually(&format!("{name} has no values but {others:?}"), async || {
        Ok((bed.txt_values(name).await? == others).then_some(()))
    })
    .await
}

pub fn public_gateway() -> Value {
    json!({"parentRefs": [{"name": PUBLIC_GATEWAY, "namespace": GATEWAYS, "sectionName": "http"}]})
}

fn rfc2136() -> Value {
    json!({"server": "10.77.0.1:53", "keyName": DYN_TSIG.name, "keySecretRef": {"name": "tsig"}})
}

async fn tsig_secret(scene: &Scene<'_>) -> Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tsig", "namespace": scene.name},
        "stringData": {"secret": DYN_TSIG.secret}});
    scene.bed.apply(&secret.to_string()).await.map(drop)
}

fn by_dns(common_name: &str, way: Value) -> Value {
    json!({"commonName": common_name, "validation": {"http01": null, "dns01": way}})
}

async fn an_ingress_leads_the_authority_to_each_token(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "by-ingress").await?;
    let host = scene.host("www");
    issued_and_renewed(&scene, json!({}), |evidence| evidence.fetched(&host, 200)).await
}

async fn a_gateway_leads_the_authority_to_each_token(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "by-gateway").await?;
    let hosts = [scene.host("www"), scene.host("api")];
    let changes = json!({"dnsNames": [hosts[1]],
        "validation": {"http01": {"ingress": null, "gateway": public_gateway()}}});
    issued_and_renewed(&scene, changes, |evidence| {
        hosts.iter().try_for_each(|host| evidence.fetched(host, 200))
    })
    .await
}

async fn records_in_edge_dns_go_to_the_closest_zone(bed: &TestBed) -> Result<()> {
    let scene = scene(bed, "by-edge-dns", &["by-edge-dns.edge.test", "by-edge-dns.child.edge.test"]).await?;
    let names = ["www.by-edge-dns.edge.test", "www.by-edge-dns.child.edge.test"];
    let mut changes = by_dns(names[0], json!({"edgeDns": {}}));
    changes["dnsNames"] = json!([names[1]]);
    let records = names.map(|name| format!("_acme-challenge.{name}"));
    issued_and_renewed(&scene, changes, |evidence| {
        records.iter().try_for_each(|record| evidence.asked(record, "TXT"))
    })
    .await?;
    for record in &records {
        no_record(bed, record).await?;
    }
    // Each was written to the zone that has it, not to the one that delegates it.
    let written: BTreeSet<String> = bed.control("GET", "/calls", None).await?["calls"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|call| call["method"] != "GET")
        .filter_map(|call| call["path"].as_str())
        .filter(|path| path.contains("www.by-edge-dns."))
        .filter_map(|path| path.split("/zones/").nth(1)?.split("/types").next().map(str::to_owned))
        .collect();
    let expected = [
        "child.edge.test/names/_acme-challenge.www.by-edge-dns.child.edge.test",
        "edge.test/names/_acme-challenge.www.by-edge-dns.edge.test",
    ];
    ensure!(written.iter().map(String::as_str).eq(expected), "{written:?}");
    Ok(())
}

async fn records_by_dns_updates_are_written_and_removed(bed: &TestBed) -> Result<()> {
    let scene = scene(bed, "by-update", &["by-update.dyn.test"]).await?;
    tsig_secret(&scene).await?;
    let changes = by_dns("www.by-update.dyn.test", json!({"rfc2136": rfc2136()}));
    let record = "_acme-challenge.www.by-update.dyn.test";
    issued_and_renewed(&scene, changes, |evidence| evidence.asked(record, "TXT")).await?;
    no_record(bed, record).await
}

/// Somebody creates the record that the status shows.
async fn made_by_hand(scene: &Scene<'_>, record: &str) -> Result<()> {
    let value = scene
        .until_status("www", "a value to publish", |status| {
            let waits =
                condition_set::find(&status.conditions, "ChallengesReachable")?.reason == "RecordMissing";
            let challenges = status.domains.iter().flat_map(|domain| &domain.challenges);
            let mut shown = challenges.filter(|challenge| challenge.path.trim_end_matches('.') == record);
            let value = shown.find_map(|challenge| challenge.value.clone());
            value.filter(|_| waits)
        })
        .await?;
    scene.bed.dns_update(&[&format!("add {record} 1 TXT \"{value}\"")]).await
}

async fn records_made_by_hand_are_shown_and_awaited(bed: &TestBed) -> Result<()> {
    let scene = scene(bed, "by-hand-dns", &["by-hand-dns.dyn.test"]).await?;
    let record = "_acme-challenge.www.by-hand-dns.dyn.test";
    let evidence = Evidence::from_now(bed)?;
    scene.apply("www", by_dns("www.by-hand-dns.dyn.test", json!({"manual": {}}))).await?;
    made_by_hand(&scene, record).await?;
    let status = scene.until_ready("www").await?;
    evidence.asked(record, "TXT")?;
    let before = serial(&status).context("nothing in production")?.to_owned();
    bed.dns_update(&[&format!("delete {record} TXT")]).await?;
    let (from, evidence) = (version(&scene).await?, Evidence::from_now(bed)?);
    renew(&scene).await?;
    made_by_hand(&scene, record).await?;
    stayed_ready(&until_renewed(&scene, &before, &from).await?)?;
    evidence.asked(record, "TXT")?;
    // It is not ours to remove.
    ensure!(bed.txt_values(record).await?.len() == 1, "somebody's record was removed");
    Ok(())
}

async fn external_dns_makes_the_records(bed: &mut TestBed) -> Result<()> {
    let bed = &*bed;
    let external_dns = bed.external_dns().await?;
    let scene = scene(bed, "by-endpoint", &["by-endpoint.ext.dyn.test"]).await?;
    let record = "_acme-challenge.www.by-endpoint.ext.dyn.test";
    let changes = by_dns("www.by-endpoint.ext.dyn.test", json!({"dnsEndpoint": {}}));
    issued_and_renewed(&scene, changes, |evidence| evidence.asked(record, "TXT")).await?;
    eventually("external-dns removes the record", async || {
        Ok(bed.txt_values(record).await?.is_empty().then_some(()))
    })
    .await?;
    external_dns.stop().await
}

/// What the owner of the web server sets up: their own redirect, here by a Gateway.
fn their_redirect(scene: &Scene<'_>, host: &str) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
    "metadata": {"name": "theirs", "namespace": scene.name},
    "spec": {"parentRefs": public_gateway()["parentRefs"], "hostnames": [host], "rules": [{
        "matches": [{"path": {"type": "PathPrefix", "value": "/.well-known/acme-challenge"}}],
        "filters": [{"type": "RequestRedirect", "requestRedirect":
            {"scheme": "http", "hostname": DCV_HOST, "statusCode": 302}}]
    }]}})
}

async fn names_that_are_served_elsewhere_wait_for_their_redirect(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "served-elsewhere").await?;
    let host = scene.host("www");
    let evidence = Evidence::from_now(bed)?;
    scene.apply("www", json!({"validation": {"http01": {"ingress": null, "external": {}}}})).await?;
    let (path, to) = scene
        .until_status("www", "a redirect to set up", |status| {
            let found = condition_set::find(&status.conditions, "ChallengesReachable")?;
            let challenges = status.domains.iter().flat_map(|domain| &domain.challenges);
            let mut shown = challenges.filter_map(|c| Some((c.path.clone(), c.redirect_to.clone()?)));
            shown.next().filter(|_| found.reason == "SelfCheckFailed")
        })
        .await?;
    let token = path.rsplit('/').next().context("no token")?;
    ensure!(path == format!("http://{host}/.well-known/acme-challenge/{token}"), "{path}");
    ensure!(to == format!("http://{DCV_HOST}/.well-known/acme-challenge/{token}"), "{to}");

    let config_maps: Api<ConfigMap> = Api::namespaced(bed.client(), &scene.name);
    let snippets = config_maps.list(&ListParams::default().labels("akacert.io/component")).await?.items;
    ensure!(snippets.len() == 1, "{snippets:?}");
    let data = snippets[0].data.clone().unwrap_or_default();
    ensure!(data.keys().map(String::as_str).eq(["apache.conf", "nginx.conf", "property-manager.json"]));
    ensure!(data.values().all(|text| text.contains(DCV_HOST) && text.contains(&host)), "{data:?}");
    ensure!(!data.values().any(|text| text.contains(token)), "a snippet has a token");

    bed.apply(&their_redirect(&scene, &host).to_string()).await?;
    let status = scene.until_ready("www").await?;
    evidence.fetched(&host, 302)?;
    let before = serial(&status).context("nothing in production")?.to_owned();
    renewed(&scene, &before, |evidence| evidence.fetched(&host, 302)).await?;
    let name = snippets[0].metadata.name.clone().unwrap_or_default();
    config_maps.get(&name).await.context("the snippets stand for the life of the certificate").map(drop)
}

/// The edge that answers for CPS serves CPS's tokens.
async fn names_at_the_edge_are_left_to_cps(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "at-the-edge").await?;
    let host = scene.host("www");
    let edge_hostname = format!("{host}.edgesuite.net");
    testbed::set_alias(&host, &edge_hostname).await?;
    testbed::set_address(&edge_hostname, CPS).await?;
    let changes = json!({"validation": {"http01": null, "edge": {}}});
    issued_and_renewed(&scene, changes, |evidence| evidence.asked(&host, "A")).await?;
    let through_us = bed.access_log()?.iter().any(|access| access.request_host == host);
    ensure!(!through_us, "the ingress controller was asked for a name at the edge");
    Ok(())
}

async fn twenty_names_go_four_ways_in_one_certificate(bed: &TestBed) -> Result<()> {
    let [ours, edge, dynamic] = ["mixed.example.com", "mixed.edge.test", "mixed.dyn.test"];
    let scene = scene(bed, "mixed", &[ours, edge, dynamic]).await?;
    tsig_secret(&scene).await?;
    let below = |domain: &str, labels: [&str; 5]| labels.map(|label| format!("{label}{domain}"));
    let served = below(ours, ["www.", "a.", "b.", "c.", "d."]);
    let redirected = below(ours, ["r1.", "r2.", "r3.", "r4.", "r5."]);
    // The wildcard and its base name share one record set.
    let in_edge_dns = below(edge, ["", "*.", "a.", "b.", "c."]);
    let updated = below(dynamic, ["a.", "b.", "c.", "d.", "e."]);
    let others = [&served[1..], &redirected, &in_edge_dns, &updated].concat();
    ensure!(others.len() == 19);
    let evidence = Evidence::from_now(bed)?;
    let changes = json!({"commonName": served[0], "dnsNames": others, "validation": {"domains": [
        {"names": redirected, "http01": {"redirect": {"gateway": public_gateway()}}},
        {"names": in_edge_dns, "dns01": {"edgeDns": {}}},
        {"names": updated, "dns01": {"rfc2136": rfc2136()}}
    ]}});
    scene.apply("www", changes).await?;
    let status = scene.until_ready("www").await?;
    let production = status.deployments.and_then(|found| found.production).context("not deployed")?;
    ensure!(production.dns_names.len() == 20, "{:?}", production.dns_names);
    served.iter().try_for_each(|host| evidence.fetched(host, 200))?;
    redirected.iter().try_for_each(|host| evidence.fetched(host, 302))?;
    for name in in_edge_dns.iter().chain(&updated) {
        let record = format!("_acme-challenge.{}", name.trim_start_matches("*."));
        evidence.asked(&record, "TXT")?;
        no_record(bed, &record).await?;
    }
    nothing_left(&scene).await
}

/// Somebody else creates a record between the operator's read and its write.
async fn created_meanwhile(bed: &TestBed, record: &str, value: &str) -> Result<()> {
    let path = format!("/config-dns/v2/zones/edge.test/names/{record}/");
    eventually("the operator looks for the record", async || {
        let calls = bed.control("GET", "/calls", None).await?;
        let looked = |call: &&Value| call["method"] == "GET" && text(call, "path").starts_with(&path);
        Ok(calls["calls"].as_array().and_then(|calls| calls.iter().find(looked).map(drop)))
    })
    .await?;
    seed(bed, record, value).await
}

async fn seed(bed: &TestBed, record: &str, value: &str) -> Result<()> {
    let set = json!({"ttl": 60, "rdata": [format!("\"{value}\"")]});
    bed.control("PUT", &format!("/edge-dns/edge.test/{record}"), Some(set)).await.map(drop)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

async fn twelve_certificates_share_a_zone_of_edge_dns(bed: &mut TestBed) -> Result<()> {
    let bed = &*bed;
    let scene = scene(bed, "twelve", &["twelve.edge.test"]).await?;
    let record = |number: usize| format!("_acme-challenge.n{number}.twelve.edge.test");
    // Somebody else proves two of the names as well. One has a value there before, and one gets it in between.
    seed(bed, &record(1), "before").await?;
    bed.control("DELETE", "/calls", None).await?;
    let slow = json!({"kind": "latency", "milliseconds": 1500, "method": "POST", "path": record(2)});
    bed.control("POST", "/faults", Some(slow)).await?;
    for (method, number) in [("PUT", 1), ("DELETE", 3)] {
        let busy = json!({"kind": "concurrent-zone-modification", "method": method, "path": record(number)});
        bed.control("POST", "/faults", Some(busy)).await?;
    }
    let evidence = Evidence::from_now(bed)?;
    let apply = async |number: usize| {
        let base = format!("n{number}.twelve.edge.test");
        let mut changes = by_dns(&base, json!({"edgeDns": {}}));
        // A third of them are wildcards too.
        if number % 3 == 1 {
            changes["dnsNames"] = json!([format!("*.{base}")]);
        }
        scene.apply(&format!("n{number}"), changes).await
    };
    apply(2).await?;
    created_meanwhile(bed, &record(2), "between").await?;
    for number in (1..=12).filter(|number| *number != 2) {
        apply(number).await?;
    }

    // The operator alone never collides with itself in a zone, so this is the other kind of refusal.
    eventually("the record that came in between is in the way", async || {
        let calls = bed.control("GET", "/calls", None).await?;
        let refused = |call: &&Value| call["method"] == "POST" && call["status"] == 409;
        let ours = |call: &&Value| text(call, "path").contains(&record(2));
        Ok(calls["calls"].as_array().and_then(|c| c.iter().filter(refused).find(ours).map(drop)))
    })
    .await?;

    let done = std::cell::Cell::new(false);
    let issued = async {
        for number in 1..=12 {
            scene.until_ready(&format!("n{number}")).await?;
            evidence.asked(&record(number), "TXT")?;
        }
        done.set(true);
        anyhow::Ok(())
    };
    tokio::try_join!(a_stranger_writes(bed, &done), issued)?;

    for number in 1..=12 {
        let kept: &[&str] = match number {
            1 => &["before"],
            2 => &["between"],
            _ => &[],
        };
        values_left(bed, &record(number), kept).await?;
    }
    each_kind_of_write_met_a_busy_zone(bed).await
}

/// Somebody else writes to the zone all the time, until it is done.
async fn a_stranger_writes(bed: &TestBed, done: &std::cell::Cell<bool>) -> Result<()> {
    let stranger = bed.edge_dns()?;
    let value = ["a-strangers-value".to_owned()];
    while !done.get() {
        for result in [
            stranger.add_txt("edge.test", "stranger.edge.test", &value, 60).await.map(drop),
            stranger.remove_txt("edge.test", "stranger.edge.test", &value).await.map(drop),
        ] {
            // The zone may be busy for as long as it tries.
            if let Err(error) = result {
                ensure!(error.is_transient(), "{error}");
            }
        }
    }
    Ok(())
}

async fn each_kind_of_write_met_a_busy_zone(bed: &TestBed) -> Result<()> {
    let calls = bed.calls().await?;
    let refused = ["POST", "PUT", "DELETE"].map(|method| {
        let pattern = "/config-dns/v2/zones/{zone}/names/{name}/types/TXT";
        calls.iter().filter(|c| c.method == method && c.status == 409 && c.pattern == pattern).count()
    });
    println!("12 certificates in one zone: 409 to {refused:?} of POST, PUT, DELETE");
    ensure!(refused.iter().all(|count| *count > 0), "a zone was never busy for one of them: {refused:?}");
    Ok(())
}
