//! Redirects that stand for the life of a certificate: what they need at a renewal, what they leave alone, and how
//! one replaces another.

use anyhow::{Context, Result, ensure};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use testbed::{DCV_HOST, GATEWAYS, HOST, NAMESPACE, PRIVATE_GATEWAY, TestBed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::renewing::{enrollment, renew, serial, stayed_ready, until_forecast, until_renewed, version};
use crate::scene::{Scene, eventually, says};
use crate::ways::{Evidence, public_gateway};

crate::together![
    another_clients_exact_ingress_keeps_winning,
    another_clients_exact_route_keeps_winning,
    an_ingress_goes_only_after_the_route_in_its_place_serves,
];

crate::alone![
    a_gateway_redirects_at_a_renewal_without_operator_and_solver,
    the_solver_redirects_at_a_renewal_without_operator,
];

fn by_gateway() -> Value {
    json!({"validation": {"http01": {"ingress": null, "redirect": {"gateway": public_gateway()}}}})
}

fn by_ingress() -> Value {
    json!({"validation": {"http01": {"ingress": null, "redirect": {"ingress": {"className": "traefik"}}}}})
}

/// The Ingress controller's answer: the status, and the target or the body.
async fn answer(host: &str, path: &str) -> Result<(u16, String)> {
    let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let answer = client.get(format!("http://{HOST}{path}")).header("Host", host).send().await?;
    let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).map(str::to_owned);
    let status = answer.status().as_u16();
    Ok((
        status,
        match to {
            Some(to) => to,
            None => answer.text().await?,
        },
    ))
}

/// Whether any other challenge of the host is redirected to the same path at CPS.
async fn redirects(host: &str) -> Result<bool> {
    let path = "/.well-known/acme-challenge/any-other";
    Ok(answer(host, path).await? == (302, format!("http://{DCV_HOST}{path}")))
}

async fn until_redirected(host: &str) -> Result<()> {
    eventually("it is redirected", async || Ok(redirects(host).await?.then_some(()))).await
}

/// The standing objects of a namespace.
async fn standing(scene: &Scene<'_>, kind: &str) -> Result<Vec<String>> {
    let labels = "akacert.io/component=http01-redirect";
    let names = scene.bed.kubectl(&["-n", &scene.name, "get", kind, "-l", labels, "-o", "name"]).await?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// Brings a certificate to Ready with a redirect that the authority followed. Returns the serial number.
async fn issued(scene: &Scene<'_>, changes: Value) -> Result<String> {
    let evidence = Evidence::from_now(scene.bed)?;
    scene.apply("www", changes).await?;
    let status = scene.until_ready("www").await?;
    evidence.fetched(&scene.host("www"), 302)?;
    ensure!(redirects(&scene.host("www")).await?, "the redirect does not stand");
    until_forecast(scene).await?;
    Ok(serial(&status).context("nothing in production")?.to_owned())
}

async fn scale_solver(bed: &TestBed, replicas: u32) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    bed.kubectl(&["-n", NAMESPACE, "scale", "deployment/akacert-solver", &replicas]).await?;
    if replicas.ends_with("=0") {
        let pods = "app.kubernetes.io/component=solver";
        bed.kubectl(&["-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", pods, "--timeout=60s"]).await?;
        return Ok(());
    }
    bed.kubectl(&["-n", NAMESPACE, "rollout", "status", "deployment/akacert-solver", "--timeout=60s"])
        .await
        .map(drop)
}

/// Makes CPS begin a renewal, and waits until CPS has completed it by itself.
async fn cps_renews(scene: &Scene<'_>) -> Result<()> {
    let id = enrollment(scene).await?;
    let (before, evidence) =
        (scene.bed.deployed_certificate(id).await?.certificate, Evidence::from_now(scene.bed)?);
    renew(scene).await?;
    eventually("CPS deploys another certificate", async || {
        let now = scene.bed.deployed_certificate(id).await?.certificate;
        Ok((now != before).then_some(()))
    })
    .await?;
    evidence.fetched(&scene.host("www"), 302)
}

async fn a_gateway_redirects_at_a_renewal_without_operator_and_solver(bed: &mut TestBed) -> Result<()> {
    let bed = &*bed;
    let scene = Scene::new(bed, "nobody").await?;
    let before = issued(&scene, by_gateway()).await?;
    let from = version(&scene).await?;
    let renewed = async {
        bed.no_operator_deployment().await?;
        scale_solver(bed, 0).await?;
        cps_renews(&scene).await
    };
    let renewed = renewed.await;
    scale_solver(bed, 2).await?;
    bed.operator_deployment().await?;
    renewed?;
    stayed_ready(&until_renewed(&scene, &before, &from).await?)
}

async fn the_solver_redirects_at_a_renewal_without_operator(bed: &mut TestBed) -> Result<()> {
    let bed = &*bed;
    let scene = Scene::new(bed, "solver-only").await?;
    let before = issued(&scene, by_ingress()).await?;
    let from = version(&scene).await?;
    let renewed = async {
        bed.no_operator_deployment().await?;
        cps_renews(&scene).await
    };
    let renewed = renewed.await;
    bed.operator_deployment().await?;
    renewed?;
    stayed_ready(&until_renewed(&scene, &before, &from).await?)
}

/// As long as the tokens of Let's Encrypt.
const THEIR_PATH: &str = "/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
const THEIR_ANSWER: &str = "the other client's answer";

/// The solver of another ACME client: a Service without a selector, and a server behind it.
async fn other_client(scene: &Scene<'_>) -> Result<tokio::task::JoinHandle<()>> {
    let listener = TcpListener::bind((HOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let manifest = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "theirs", "namespace": scene.name},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": port}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "theirs", "namespace": scene.name, "labels": {"kubernetes.io/service-name": "theirs"}},
            "endpoints": [{"addresses": [HOST], "conditions": {"ready": true}}],
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}]}
    ]});
    scene.bed.apply(&manifest.to_string()).await?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{THEIR_ANSWER}",
        THEIR_ANSWER.len()
    );
    Ok(tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await;
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    }))
}

/// Checks that the other client answers its own token: before the redirect comes, while it comes, afterwards, and
/// while the certificate is renewed.
async fn keeps_winning(scene: &Scene<'_>, rule: Value, changes: Value) -> Result<()> {
    let (host, served) = (scene.host("www"), other_client(scene).await?);
    let theirs = async || anyhow::Ok(answer(&host, THEIR_PATH).await? == (200, THEIR_ANSWER.to_owned()));
    scene.bed.apply(&rule.to_string()).await?;
    eventually("their path is routed", async || Ok(theirs().await?.then_some(()))).await?;
    let before = issued(scene, changes).await?;
    ensure!(theirs().await?, "the redirect took their path");
    let (from, evidence) = (version(scene).await?, Evidence::from_now(scene.bed)?);
    renew(scene).await?;
    stayed_ready(&until_renewed(scene, &before, &from).await?)?;
    evidence.fetched(&host, 302)?;
    ensure!(theirs().await? && redirects(&host).await?, "the renewal changed who answers");
    served.abort();
    Ok(())
}

async fn another_clients_exact_ingress_keeps_winning(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "beside-ingress").await?;
    let backend = json!({"service": {"name": "theirs", "port": {"name": "http"}}});
    let rule = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "theirs", "namespace": scene.name},
        "spec": {"ingressClassName": "traefik", "rules": [{"host": scene.host("www"), "http": {"paths": [
            {"path": THEIR_PATH, "pathType": "Exact", "backend": backend}]}}]}});
    keeps_winning(&scene, rule, by_ingress()).await
}

async fn another_clients_exact_route_keeps_winning(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "beside-route").await?;
    let rule = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "theirs", "namespace": scene.name},
        "spec": {"parentRefs": public_gateway()["parentRefs"], "hostnames": [scene.host("www")], "rules": [{
            "matches": [{"path": {"type": "Exact", "value": THEIR_PATH}}],
            "backendRefs": [{"name": "theirs", "port": 80}]}]}});
    keeps_winning(&scene, rule, by_gateway()).await
}

async fn an_ingress_goes_only_after_the_route_in_its_place_serves(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "switched").await?;
    let host = scene.host("www");
    let before = issued(&scene, by_ingress()).await?;
    let private = json!({"parentRefs": [{"name": PRIVATE_GATEWAY, "namespace": GATEWAYS}]});
    let to = |gateway: Value| json!({"validation": {"http01": {"redirect": {"ingress": null, "gateway": gateway}}}});
    scene.patch("www", to(private)).await?;
    let message = scene.until("www", "RenewalReady", "False", "RenewalWouldFail").await?;
    says(&message, "What it replaces stays until then")?;
    says(&message, "infra/private")?;
    ensure!(standing(&scene, "ingresses").await?.len() == 1, "the Ingress went too early");
    ensure!(redirects(&host).await?, "nobody redirects any more");
    let status = scene.until_ready("www").await?;
    ensure!(serial(&status) == Some(before.as_str()), "another certificate for another way");

    scene.patch("www", to(public_gateway())).await?;
    let mut answered = 0;
    eventually("nothing but the new route stands", async || {
        ensure!(redirects(&host).await?, "in between, after {answered} answers, nobody redirected");
        answered += 1;
        let (ingresses, routes) =
            (standing(&scene, "ingresses").await?, standing(&scene, "httproutes").await?);
        Ok((ingresses.is_empty() && routes.len() == 1).then_some(()))
    })
    .await?;
    until_redirected(&host).await?;
    scene.until("www", "RenewalReady", "True", "RenewalReady").await?;
    let (from, evidence) = (version(&scene).await?, Evidence::from_now(bed)?);
    renew(&scene).await?;
    stayed_ready(&until_renewed(&scene, &before, &from).await?)?;
    evidence.fetched(&host, 302)
}
