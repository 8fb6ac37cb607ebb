//! What GitOps tools make of our objects: Argo CD's health (Lua), Flux's (CEL), `kubectl wait`, and manifests that are
//! applied again or in any order. The objects are the API server's own.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use mlua::{Lua, LuaSerdeExt};
use serde_json::{Value, json};
use testbed::{EDGERC, NAMESPACE, TestBed};

use crate::scene::Scene;

crate::together![
    argo_cd_and_flux_see_each_state_of_a_certificate,
    argo_cd_and_flux_see_each_state_of_an_account,
    a_manifest_that_is_applied_again_changes_nothing,
    kubectl_waits_until_the_certificate_serves,
    whatever_is_applied_first_everything_converges,
];

async fn argo_cd_and_flux_see_each_state_of_a_certificate(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "health").await?;
    let file = write(bed, "new.json", &scene.manifest("new", json!({})))?;
    let new = read(&bed.kubectl(&["apply", "--dry-run=server", "-o", "json", "-f", &file]).await?)?;
    scene.apply("ready", json!({})).await?;
    scene.until_ready("ready").await?;
    scene.apply_held("held", json!({})).await?;
    scene.apply("stalled", json!({"contractId": "1-NOPE"})).await?;
    scene.until("stalled", "Stalled", "True", "ContractUnknown").await?;
    scene.apply("suspended", json!({"suspend": true})).await?;
    scene.until("suspended", "Ready", "False", "Suspended").await?;
    let names = json!({"spec": {"dnsNames": [scene.host("other")]}}).to_string();
    let edit = ["-n", "health", "patch", "akcert", "ready", "--type=merge", "-p", &names, "--dry-run=server"];
    let edited = read(&bed.kubectl(&[&edit[..], &["-o", "json"]].concat()).await?)?;

    for (object, argo_cd, flux) in [
        (new, "Progressing", "inProgress"),
        (certificate(bed, "ready").await?, "Healthy", "current"),
        (certificate(bed, "held").await?, "Progressing", "inProgress"),
        (certificate(bed, "stalled").await?, "Degraded", "failed"),
        (certificate(bed, "suspended").await?, "Suspended", "current"),
        (edited, "Progressing", "inProgress"),
    ] {
        let said = format!("{}", object["status"]);
        let (status, message) = argo_cd_health(&object)?;
        ensure!(status == argo_cd, "Argo CD: {status} instead of {argo_cd}: {said}");
        ensure!(!message.is_empty(), "Argo CD shows no message: {said}");
        let verdict = flux_health(&object)?;
        ensure!(verdict == flux, "Flux: {verdict} instead of {flux}: {said}");
    }
    scene.lead_back("held").await?;
    scene.until_ready("held").await.map(drop)
}

async fn argo_cd_and_flux_see_each_state_of_an_account(bed: &TestBed) -> Result<()> {
    let scene = Scene::with_own_secret(bed, "account-health").await?;
    let account =
        async || read(&bed.kubectl(&["get", "clusterakamaiaccount", "account-health", "-o", "json"]).await?);
    scene.until_account("True", "CredentialsAccepted").await?;
    let ready = account().await?;
    scene.take_secret().await?;
    let stalled = account().await?;
    for (object, argo_cd, flux) in [(ready, "Healthy", "current"), (stalled, "Degraded", "failed")] {
        ensure!(argo_cd_health(&object)?.0 == argo_cd, "{}", object["status"]);
        ensure!(flux_health(&object)? == flux, "{}", object["status"]);
    }
    Ok(())
}

async fn a_manifest_that_is_applied_again_changes_nothing(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "applied-again").await?;
    // As a user writes it: what the schema or CPS would spell in another way.
    let changes = json!({
        "contractId": "ctr_1-TESTBED", "dnsNames": [scene.host("b"), scene.host("a")],
        "network": {"quicEnabled": false, "preferredCiphers": "ak-akamai-2020q1"},
    });
    scene.apply("www", changes.clone()).await?;
    scene.until_ready("www").await?;
    let before = scene.state("www").await?;
    let answer = bed.apply(&scene.manifest("www", changes.clone()).to_string()).await?;
    ensure!(answer.contains("unchanged"), "{answer}");
    let file = write(bed, "again.json", &scene.manifest("www", changes))?;
    let diff = bed.kubectl(&["diff", "-f", &file]).await?;
    ensure!(diff.is_empty(), "{diff}");
    let after = scene.state("www").await?;
    ensure!(after == before, "{before} has become {after}");
    Ok(())
}

async fn kubectl_waits_until_the_certificate_serves(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "patience").await?;
    scene.apply_held("www", json!({})).await?;
    let wait = ["-n", "patience", "wait", "--for=condition=Ready", "akcert/www"];
    let too_early = bed.kubectl(&[&wait[..], &["--timeout=1s"]].concat()).await;
    ensure!(too_early.is_err(), "it did not wait: {too_early:?}");
    scene.lead_back("www").await?;
    bed.kubectl(&[&wait[..], &["--timeout=60s"]].concat()).await?;
    let status = scene.certificates().get("www").await?.status.context("no status")?;
    let id = status.enrollment_id.context("no enrollment")?;
    bed.deployed_certificate(u64::try_from(id)?).await.map(drop)
}

async fn whatever_is_applied_first_everything_converges(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "disorder").await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Ready", "False", "AccountNotFound").await?;
    scene.account(json!({"credentials": {"secretRef": {"name": "disorder"}}})).await?;
    scene.until_account("False", "SecretNotFound").await?;
    scene.put_secret(EDGERC).await?;
    scene.until_ready("www").await?;
    let pods = [
        "-n",
        NAMESPACE,
        "get",
        "pods",
        "-o",
        "jsonpath={.items[*].status.containerStatuses[*].restartCount}",
    ];
    let restarts = bed.kubectl(&pods).await?;
    ensure!(restarts.split(' ').all(|count| count == "0"), "something was started again: {restarts}");
    Ok(())
}

/// A file for kubectl; answers its path.
fn write(bed: &TestBed, name: &str, manifest: &Value) -> Result<String> {
    let file = bed.work().join(name);
    std::fs::write(&file, manifest.to_string())?;
    Ok(file.display().to_string())
}

async fn certificate(bed: &TestBed, name: &str) -> Result<Value> {
    read(&bed.kubectl(&["-n", "health", "get", "akcert", name, "-o", "json"]).await?)
}

fn read(json: &str) -> Result<Value> {
    serde_json::from_str(json).context("no JSON")
}

/// A manifest of `deploy/`.
fn manifest(path: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path);
    serde_saphyr::from_str(&std::fs::read_to_string(path)?).context("no YAML")
}

/// Status and message by the Lua script for the object's kind, as Argo CD runs it.
fn argo_cd_health(object: &Value) -> Result<(String, String)> {
    let kind = object["kind"].as_str().context("no kind")?;
    let key = format!("resource.customizations.health.akacert.io_{kind}");
    let script = manifest("argocd/argocd-cm.yaml")?["data"][&key].as_str().context("no script")?.to_owned();
    let lua = Lua::new();
    let health = || -> mlua::Result<(String, String)> {
        lua.globals().set("obj", lua.to_value_with(object, lua_options())?)?;
        let health: mlua::Table = lua.load(script).eval()?;
        Ok((health.get("status")?, health.get("message")?))
    };
    health().map_err(|error| anyhow!("{kind}: {error}"))
}

/// An absent field is nil in Argo CD, and so is null here.
fn lua_options() -> mlua::serde::SerializeOptions {
    mlua::serde::SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false)
}

/// The verdict by the expressions for the object's kind, in the order in which Flux evaluates them.
fn flux_health(object: &Value) -> Result<&'static str> {
    let kustomization = manifest("flux/kustomization.yaml")?;
    let all = kustomization["spec"]["healthCheckExprs"].as_array().context("no expressions")?;
    let ours =
        all.iter().find(|entry| entry["kind"] == object["kind"]).context("no expressions for the kind")?;
    for verdict in ["inProgress", "failed", "current"] {
        let expression = ours[verdict].as_str().with_context(|| format!("no {verdict}"))?;
        let program = cel::Program::compile(expression).map_err(|error| anyhow!("{expression}: {error}"))?;
        let mut context = cel::Context::default();
        for field in ["metadata", "spec", "status"] {
            context
                .add_variable(field, object[field].clone())
                .map_err(|error| anyhow!("{field}: {error}"))?;
        }
        let value = program.execute(&context).map_err(|error| anyhow!("{expression}: {error}"))?;
        if value == cel::Value::Bool(true) {
            return Ok(verdict);
        }
    }
    Ok("inProgress")
}
