//! Checks of certificates at rest from outside: what the next renewal would find, and which certificate visitors get.

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::{EDGE, HOST, TestBed};

use crate::scene::{Scene, eventually, says};

crate::alone![
    a_renewal_that_would_fail_is_foretold_and_one_at_akamai_never,
    what_is_served_is_compared_with_what_is_deployed,
];

/// Instead of once a day.
const OFTEN: &str = "--forecast-interval=2s";
const AS_BEFORE: &str = "--forecast-interval=2400h";

async fn ready<'a>(bed: &'a TestBed, name: &str, changes: serde_json::Value) -> Result<Scene<'a>> {
    let scene = Scene::new(bed, name).await?;
    scene.apply("www", changes).await?;
    scene.until_ready("www").await?;
    Ok(scene)
}

async fn a_renewal_that_would_fail_is_foretold_and_one_at_akamai_never(bed: &mut TestBed) -> Result<()> {
    bed.set_operator_flags(&[OFTEN]).await?;
    let scene = ready(bed, "foretold", json!({"dnsNames": ["api.foretold.example.com"]})).await?;
    scene.until("www", "RenewalReady", "True", "RenewalReady").await?;
    testbed::set_address(&scene.host("api"), "10.77.0.9").await?;
    let message = scene.until("www", "RenewalReady", "False", "RenewalWouldFail").await?;
    says(&message, "api.foretold.example.com: the A record leads to 10.77.0.9, ")?;
    ensure!(!message.contains("www.foretold"), "{message}");
    scene.until("www", "Ready", "True", "Deployed").await?;
    scene.lead_back("api").await?;
    scene.until("www", "RenewalReady", "True", "RenewalReady").await?;
    // Somebody removes the Ingress controller's class.
    let class = bed.kubectl(&["get", "ingressclass", "traefik", "-o", "yaml"]).await?;
    bed.kubectl(&["delete", "ingressclass", "traefik"]).await?;
    let message = scene.until("www", "RenewalReady", "False", "RenewalWouldFail").await;
    bed.apply(&class).await?;
    says(&message?, "there is no IngressClass `traefik`")?;
    scene.until("www", "RenewalReady", "True", "RenewalReady").await?;
    // CPS validates names that are CNAMEs to Akamai.
    for label in ["www", "api"] {
        testbed::set_alias(&scene.host(label), "foretold.example.com.edgekey.net").await?;
    }
    let message = scene.until("www", "RenewalReady", "True", "AutoValidated").await?;
    says(&message, "AutoDomainValidation")?;
    bed.set_operator_flags(&[AS_BEFORE]).await
}

async fn what_is_served_is_compared_with_what_is_deployed(bed: &mut TestBed) -> Result<()> {
    let at_edge = format!("--probe-edge={EDGE}:443");
    bed.set_operator_flags(&[OFTEN, at_edge.as_str()]).await?;
    let scene = ready(bed, "served", json!({"probe": {}})).await?;
    scene.until("www", "Served", "True", "Served").await?;

    // First nobody answers there, then somebody else does.
    for (edge, sentence) in [
        (format!("{EDGE}:444"), "www.served.example.com: no TLS handshake with 10.77.0.3:444"),
        (
            format!("{HOST}:6443"),
            "www.served.example.com: 10.77.0.1:6443 presents another certificate than the deployed one",
        ),
    ] {
        bed.set_operator_flags(&[&format!("--probe-edge={edge}")]).await?;
        eventually(sentence, async || {
            let message = scene.until("www", "Served", "False", "NotServed").await?;
            Ok(message.contains(sentence).then_some(()))
        })
        .await?;
        scene.until("www", "Ready", "True", "Deployed").await?;
    }

    scene.patch("www", json!({"probe": null})).await?;
    eventually("nobody wants to know how it is served", async || {
        let certificate = scene.certificates().get("www").await?;
        let conditions = certificate.status.map(|status| status.conditions).unwrap_or_default();
        Ok(conditions.iter().all(|condition| condition.type_ != "Served").then_some(()))
    })
    .await?;
    bed.remove_operator_flag(&format!("--probe-edge={HOST}:6443")).await?;
    bed.set_operator_flags(&[AS_BEFORE]).await
}
