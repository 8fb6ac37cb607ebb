//! Mistakes that the operator finds before an authority does. Each test makes a real mistake, checks its message,
//! checks that nothing is acknowledged meanwhile, and waits for Ready after the repair. `preflight_dns` has CAA and
//! TXT records.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{DYN_ZONE, EDGE, GATEWAYS, HOST, HOST_IPV6, PRIVATE_GATEWAY, PUBLIC_GATEWAY, TestBed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::scene::{Scene, eventually, says};

crate::together![
    an_aaaa_record_that_leads_nowhere_beside_a_right_a_record_is_named,
    a_closed_port_is_named_with_its_address,
    an_address_that_the_operator_does_not_connect_to_is_named,
    a_name_without_addresses_is_named,
    redirects_in_a_circle_are_named,
    another_client_that_answers_for_the_tokens_is_named,
    a_listener_that_refuses_the_namespace_is_named,
    a_standing_redirect_that_a_listener_refuses_is_named,
    a_standing_redirect_that_nobody_serves_is_named,
    a_name_that_is_not_at_the_edge_is_named,
    without_the_self_check_there_is_no_preflight,
];

/// Waits until the preflight has failed with a sentence, and checks that nothing was acknowledged.
pub async fn failed(scene: &Scene<'_>, sentence: &str) -> Result<()> {
    eventually(sentence, async || {
        let message = scene.until("www", "PreflightPassed", "False", "PreflightFailed").await?;
        Ok(message.contains(sentence).then_some(()))
    })
    .await?;
    says(&scene.until("www", "ChallengesReachable", "False", "PreflightFailed").await?, sentence)?;
    unacknowledged(scene).await
}

/// Waits until the challenges are unreachable for a reason, with a sentence, and checks that nothing was
/// acknowledged.
pub async fn unreachable(scene: &Scene<'_>, reason: &str, sentence: &str) -> Result<()> {
    eventually(sentence, async || {
        let message = scene.until("www", "ChallengesReachable", "False", reason).await?;
        Ok(message.contains(sentence).then_some(()))
    })
    .await?;
    unacknowledged(scene).await
}

pub async fn unacknowledged(scene: &Scene<'_>) -> Result<()> {
    ensure!(scene.acknowledgements("www").await? == 0, "it was acknowledged all the same");
    Ok(())
}

/// Waits for Ready, whether the operator acknowledged or CPS noticed the repair first. `PreflightPassed` must not report
/// the mistake any more.
pub async fn mended(scene: &Scene<'_>) -> Result<()> {
    let status = scene.until_ready("www").await?;
    let preflight = status.conditions.iter().find(|condition| condition.type_ == "PreflightPassed");
    ensure!(preflight.is_none_or(|preflight| preflight.status == "True"), "{preflight:?}");
    Ok(())
}

/// A scene with an account for names in the zone that everybody with its key may change.
pub async fn in_the_zone<'a>(bed: &'a TestBed, name: &str) -> Result<Scene<'a>> {
    let scene = Scene::without_account(bed, name).await?;
    let allowed = [format!("*.{DYN_ZONE}"), format!("*.{name}.example.com")];
    scene.account(json!({"allowedDomains": allowed})).await?;
    Ok(scene)
}

fn gateway(name: &str) -> Value {
    json!({"parentRefs": [{"name": name, "namespace": GATEWAYS, "sectionName": "http"}]})
}

async fn an_aaaa_record_that_leads_nowhere_beside_a_right_a_record_is_named(bed: &TestBed) -> Result<()> {
    if !testbed::has_ipv6() {
        println!("not run: the kernel has no IPv6");
        return Ok(());
    }
    let scene = Scene::new(bed, "wrong-aaaa").await?;
    testbed::set_ipv6_addresses(&scene.host("www"), &[HOST_IPV6]).await?;
    scene.apply("www", json!({})).await?;
    failed(
        &scene,
        "www.wrong-aaaa.example.com: the AAAA record leads to fd77::1, which cannot be reached on port 80, otherwise than \
         the host's other addresses: correct or remove that record",
    )
    .await?;
    testbed::clear_ipv6_addresses(&scene.host("www")).await?;
    mended(&scene).await
}

async fn a_closed_port_is_named_with_its_address(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "closed-port").await?;
    testbed::set_address(&scene.host("www"), EDGE).await?;
    scene.apply("www", json!({})).await?;
    failed(
        &scene,
        "www.closed-port.example.com: the A record leads to 10.77.0.3, which cannot be reached on port 80: see that it leads \
         to where the name is served, and that no firewall is in between",
    )
    .await?;
    let status = scene.certificates().get("www").await?.status.context("no status")?;
    let domain = status.domains.first().context("no domain")?;
    let shown = serde_json::to_value(domain)?;
    ensure!(shown["preflight"] == "Failed" && shown["way"] == "http01.ingress", "{shown}");
    says(shown["error"].as_str().unwrap_or_default(), "the A record leads to 10.77.0.3")?;
    scene.lead_back("www").await?;
    mended(&scene).await
}

async fn an_address_that_the_operator_does_not_connect_to_is_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "private-address").await?;
    testbed::set_address(&scene.host("www"), "192.168.7.7").await?;
    testbed::set_address(&scene.host("api"), "169.254.169.254").await?;
    scene.apply("www", json!({"dnsNames": [scene.host("api")]})).await?;
    let private = "www.private-address.example.com: the name resolves to 192.168.7.7, a private or reserved address, to \
                   which the self-check does not connect: correct the record, or have the operator started with --probe-allow";
    failed(&scene, private).await?;
    failed(
        &scene,
        "api.private-address.example.com: the name resolves to 169.254.169.254, a link-local address",
    )
    .await?;
    scene.lead_back("api").await?;
    scene.lead_back("www").await?;
    mended(&scene).await
}

async fn a_name_without_addresses_is_named(bed: &TestBed) -> Result<()> {
    let scene = in_the_zone(bed, "no-address").await?;
    // The zone's wildcard does not apply to names below an existing name.
    let name = "no-address.ns1.dyn.test";
    scene.apply("www", json!({"commonName": name})).await?;
    failed(
        &scene,
        "no-address.ns1.dyn.test: the name has neither an A nor an AAAA record: create one that leads to the Ingress controller",
    )
    .await?;
    bed.dns_update(&[&format!("add {name} 1 A {HOST}")]).await?;
    mended(&scene).await
}

/// A route that somebody else owns: everything below a host and a path goes to another host.
fn redirecting(namespace: &str, from: &str, to: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": from, "namespace": namespace},
        "spec": {
            "parentRefs": gateway(PUBLIC_GATEWAY)["parentRefs"], "hostnames": [from],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/.well-known/acme-challenge"}}],
                "filters": [{"type": "RequestRedirect",
                    "requestRedirect": {"scheme": "http", "hostname": to, "statusCode": 302}}]
            }]
        }
    })
}

async fn redirects_in_a_circle_are_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "circle").await?;
    let (www, other) = (scene.host("www"), scene.host("other"));
    bed.apply(&redirecting("circle", &www, &other).to_string()).await?;
    bed.apply(&redirecting("circle", &other, &www).to_string()).await?;
    scene.apply("www", json!({"validation": {"http01": {"ingress": null, "external": {}}}})).await?;
    unreachable(
        &scene,
        "SelfCheckFailed",
        "www.circle.example.com: it redirects in a circle: exempt /.well-known/acme-challenge/ from redirects",
    )
    .await?;
    bed.apply(&redirecting("circle", &other, "dcv.akamai.com").to_string()).await?;
    mended(&scene).await
}

/// A server of another ACME client that has its own body for everything. Returns its port.
async fn another_client() -> Result<u16> {
    let listener = TcpListener::bind((HOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ntheirs";
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    Ok(port)
}

async fn another_client_that_answers_for_the_tokens_is_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "other-client").await?;
    let port = another_client().await?;
    let metadata = json!({"name": "theirs", "namespace": "other-client"});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": port}]}});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "theirs", "namespace": "other-client", "labels": {"kubernetes.io/service-name": "theirs"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [HOST], "conditions": {"ready": true}}]});
    // The owner gives the rule precedence, as one does with Traefik.
    let backend = json!({"service": {"name": "theirs", "port": {"number": port}}});
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "theirs", "namespace": "other-client",
            "annotations": {"traefik.ingress.kubernetes.io/router.priority": "10000"}},
        "spec": {"ingressClassName": "traefik", "rules": [{"host": scene.host("www"), "http": {"paths": [
            {"path": "/.well-known/acme-challenge", "pathType": "Prefix", "backend": backend}]}}]}});
    for manifest in [service, slice, ingress] {
        bed.apply(&manifest.to_string()).await?;
    }
    scene.apply("www", json!({})).await?;
    for sentence in [
        "www.other-client.example.com: 10.77.0.1 answered with something else than the token",
        "; Ingress theirs has a rule for www.other-client.example.com and /.well-known/acme-challenge, which may answer \
         instead: exempt /.well-known/acme-challenge/ from it",
    ] {
        unreachable(&scene, "SelfCheckFailed", sentence).await?;
    }
    bed.kubectl(&["-n", "other-client", "delete", "ingress", "theirs"]).await?;
    mended(&scene).await
}

async fn a_listener_that_refuses_the_namespace_is_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "listener").await?;
    let through = |name| json!({"http01": {"ingress": null, "gateway": gateway(name)}});
    scene.apply("www", json!({"validation": through(PRIVATE_GATEWAY)})).await?;
    unreachable(
        &scene,
        "RouteNotAccepted",
        "listener http of Gateway infra/private does not take routes of namespace listener: its owner has to allow the \
         namespace in the listener's allowedRoutes, or choose another Gateway in parentRefs",
    )
    .await?;
    scene.apply("www", json!({"validation": through("nobody")})).await?;
    unreachable(&scene, "RouteNotAccepted", "Gateway infra/nobody has not said anything of HTTPRoute")
        .await?;
    scene.apply("www", json!({"validation": through(PUBLIC_GATEWAY)})).await?;
    mended(&scene).await?;
    until_without_routes(&scene).await
}

/// Waits until no route of ours is left in the namespace.
async fn until_without_routes(scene: &Scene<'_>) -> Result<()> {
    let arguments = ["-n", &scene.name, "get", "httproutes", "-o", "name"];
    eventually("no route", async || Ok(scene.bed.kubectl(&arguments).await?.is_empty().then_some(()))).await
}

async fn a_standing_redirect_that_a_listener_refuses_is_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "refused-redirect").await?;
    let through =
        |name| json!({"validation": {"http01": {"ingress": null, "redirect": {"gateway": gateway(name)}}}});
    scene.apply("www", through(PRIVATE_GATEWAY)).await?;
    unreachable(
        &scene,
        "RouteNotAccepted",
        "listener http of Gateway infra/private does not take routes of namespace refused-redirect: its owner has to allow",
    )
    .await?;
    scene.apply("www", through(PUBLIC_GATEWAY)).await?;
    mended(&scene).await?;
    // The old route goes, whatever its Gateway said about it.
    let routes =
        ["-n", "refused-redirect", "get", "httproutes", "-o", "jsonpath={.items[*].spec.parentRefs[*].name}"];
    eventually("one route", async || Ok((bed.kubectl(&routes).await? == "public").then_some(()))).await
}

async fn a_standing_redirect_that_nobody_serves_is_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "no-redirect").await?;
    let by = |class| {
        let redirect = json!({"ingress": {"className": class}});
        json!({"validation": {"http01": {"ingress": null, "redirect": redirect}}})
    };
    scene.apply("www", by("nobody")).await?;
    failed(
        &scene,
        "www.no-redirect.example.com: the A record leads to 10.77.0.1, which does not redirect /.well-known/acme-challenge/* \
         to the same path at http://dcv.akamai.com: set up that redirect there, ahead of any other",
    )
    .await?;
    scene.apply("www", by("traefik")).await?;
    mended(&scene).await
}

async fn a_name_that_is_not_at_the_edge_is_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "not-at-edge").await?;
    scene.apply("www", json!({"validation": {"http01": null, "edge": {}}})).await?;
    failed(
        &scene,
        "www.not-at-edge.example.com: the name is no CNAME that leads to an edge hostname (.edgekey.net, .edgesuite.net, \
         .akamaized.net): create it, or choose another way of validation",
    )
    .await?;
    // The simulator answers at the edge as CPS does.
    let edge = "not-at-edge.example.com.edgekey.net";
    testbed::set_address(edge, testbed::CPS).await?;
    testbed::set_alias(&scene.host("www"), edge).await?;
    scene.until_ready("www").await.map(drop)
}

async fn without_the_self_check_there_is_no_preflight(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "no-preflight").await?;
    scene.lead_away("www").await?;
    scene.apply("www", json!({})).await?;
    failed(&scene, "www.no-preflight.example.com: the A record leads to 10.77.0.3").await?;
    scene.apply("www", json!({"validation": {"selfCheck": "Off"}})).await?;
    eventually("an acknowledgement", async || Ok((scene.acknowledgements("www").await? > 0).then_some(())))
        .await?;
    scene.until("www", "ChallengesReachable", "True", "SelfCheckOff").await?;
    scene.lead_back("www").await?;
    let status = scene.until_ready("www").await?;
    let left = status.conditions.iter().find(|condition| condition.type_ == "PreflightPassed");
    ensure!(left.is_none(), "{left:?}");
    Ok(())
}
