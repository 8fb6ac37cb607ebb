//! The verdicts of Argo CD's health scripts (Lua) and Flux's expressions (CEL) on our objects in each state. The
//! objects come from the API server.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use mlua::{Lua, LuaSerdeExt};
use serde_json::{Value, json};
use testbed::{EDGERC, TestBed};

use crate::gitops::write;
use crate::scene::Scene;

crate::together![
    argo_cd_and_flux_see_each_state_of_a_certificate,
    argo_cd_and_flux_see_each_state_of_a_cluster_wide_account,
    argo_cd_and_flux_see_each_state_of_an_account_of_a_namespace,
    argo_cds_own_kustomization_takes_the_health_scripts,
    flux_takes_the_kustomization_with_its_health_checks,
];

async fn argo_cd_and_flux_see_each_state_of_a_certificate(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "health").await?;
    let new = dry_run(bed, &scene.manifest("new", json!({}))).await?;
    scene.apply("ready", json!({})).await?;
    scene.until_ready("ready").await?;
    scene.apply_held("held", json!({})).await?;
    scene.apply("stalled", json!({"contractId": "1-NOPE"})).await?;
    scene.until("stalled", "Stalled", "True", "ContractUnknown").await?;
    scene.apply("suspended", json!({"suspend": true})).await?;
    scene.until("suspended", "Ready", "False", "Suspended").await?;
    let names = json!({"spec": {"dnsNames": [scene.host("other")]}});
    let edited = patched(bed, "ready", &names, &[]).await?;
    // What the operator writes four days before the certificate expires.
    let condition = |kind: &str, status: &str| {
        json!({"type": kind, "status": status, "reason": "ExpiringSoon", "message": "The certificate expires",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let conditions = [condition("Ready", "False"), condition("Reconciling", "True")];
    let conditions = json!({"status": {"conditions": conditions}});
    let expiring = patched(bed, "ready", &conditions, &["--subresource=status"]).await?;
    renewing(&scene, "renewing").await?;
    let live = ending(&scene, "ending").await?;

    for (state, object, argo_cd, flux) in [
        ("new", new, "Progressing", "inProgress"),
        ("ready", certificate(bed, "ready").await?, "Healthy", "current"),
        ("held", certificate(bed, "held").await?, "Progressing", "inProgress"),
        ("stalled", certificate(bed, "stalled").await?, "Degraded", "failed"),
        ("suspended", certificate(bed, "suspended").await?, "Suspended", "current"),
        ("edited", edited, "Progressing", "inProgress"),
        ("expiring", expiring, "Progressing", "inProgress"),
        ("renewing behind Ready", certificate(bed, "renewing").await?, "Healthy", "current"),
        ("being deleted", certificate(bed, "ending").await?, "Degraded", "failed"),
    ] {
        judged(&object, argo_cd, flux).context(state)?;
    }
    for held in ["held", "renewing"] {
        scene.lead_back(held).await?;
        scene
            .until_status(held, "the end of its change", |status| status.change.is_none().then_some(()))
            .await?;
    }
    bed.control("PUT", &format!("/enrollments/{live}/live"), Some(json!(false))).await?;
    scene.until_gone(&scene.certificates(), "ending").await
}

/// Brings a certificate to Ready, with a renewal that waits for its tokens.
async fn renewing(scene: &Scene<'_>, label: &str) -> Result<()> {
    scene.apply(label, json!({})).await?;
    let status = scene.until_ready(label).await?;
    scene.lead_away(label).await?;
    let id = status.enrollment_id.context("no enrollment")?;
    scene.bed.control("POST", &format!("/enrollments/{id}/renew"), None).await?;
    scene.until_unreachable(label).await?;
    scene.until_ready(label).await.map(drop)
}

/// Brings a certificate into deletion while CPS keeps its enrollment, because it is live. Returns its ID.
async fn ending(scene: &Scene<'_>, label: &str) -> Result<i64> {
    scene.apply(label, json!({"deletionPolicy": "Delete"})).await?;
    let id = scene.until_ready(label).await?.enrollment_id.context("no enrollment")?;
    scene.bed.control("PUT", &format!("/enrollments/{id}/live"), Some(json!(true))).await?;
    scene.bed.kubectl(&["-n", &scene.name, "delete", "akcert", label, "--wait=false"]).await?;
    scene
        .until_status(label, "that it stalls", |status| {
            akacert_api::condition_set::is_true(&status.conditions, "Stalled").then_some(())
        })
        .await?;
    Ok(id)
}

async fn argo_cd_and_flux_see_each_state_of_a_cluster_wide_account(bed: &TestBed) -> Result<()> {
    let scene = Scene::with_own_secret(bed, "account-health").await?;
    let account = async |name: &str| get(bed, &["get", "clusterakamaiaccount", name]).await;
    scene.until_account("True", "CredentialsAccepted").await?;
    let ready = account("account-health").await?;
    let mut new = ready.clone();
    new["metadata"] = json!({"name": "account-new"});
    new["status"] = Value::Null;
    let new = dry_run(bed, &new).await?;
    scene.take_secret().await?;
    let stalled = account("account-health").await?;
    scene.put_secret(EDGERC).await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    scene.apply("user", json!({"suspend": true})).await?;
    bed.kubectl(&["delete", "clusterakamaiaccount", "account-health", "--wait=false"]).await?;
    scene.until_account("True", "AccountInUse").await?;
    for (state, object, argo_cd, flux) in [
        ("new", new, "Progressing", "inProgress"),
        ("ready", ready, "Healthy", "current"),
        ("stalled", stalled, "Degraded", "failed"),
        ("deleted while in use", account("account-health").await?, "Healthy", "current"),
    ] {
        judged(&object, argo_cd, flux).context(state)?;
    }
    bed.kubectl(&["-n", "account-health", "delete", "akcert", "user", "--timeout=30s"]).await?;
    scene.until_gone(&scene.accounts(), "account-health").await
}

async fn argo_cd_and_flux_see_each_state_of_an_account_of_a_namespace(bed: &TestBed) -> Result<()> {
    Scene::without_account(bed, "own-health").await?;
    let account = json!({"apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiAccount",
        "metadata": {"name": "own", "namespace": "own-health"},
        "spec": {"credentials": {"secretRef": {"name": "own"}, "edgerc": {"key": "edgerc"}}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own", "namespace": "own-health"},
        "stringData": {"edgerc": EDGERC}});
    let new = dry_run(bed, &account).await?;
    bed.apply(&account.to_string()).await?;
    let until = async |condition: &str| {
        let condition = format!("--for=condition={condition}");
        bed.kubectl(&["-n", "own-health", "wait", &condition, "akamaiaccount/own", "--timeout=60s"]).await?;
        get(bed, &["-n", "own-health", "get", "akamaiaccount", "own"]).await
    };
    let stalled = until("Stalled").await?;
    bed.apply(&secret.to_string()).await?;
    let ready = until("Ready").await?;
    for (state, object, argo_cd, flux) in [
        ("new", new, "Progressing", "inProgress"),
        ("stalled", stalled, "Degraded", "failed"),
        ("ready", ready.clone(), "Healthy", "current"),
    ] {
        judged(&object, argo_cd, flux).context(state)?;
    }

    bed.apply(&account.to_string()).await?;
    let again = get(bed, &["-n", "own-health", "get", "akamaiaccount", "own"]).await?;
    ensure!(again == ready, "applied again it has become {again}");
    Ok(())
}

/// Checks the verdicts of Argo CD and Flux on an object.
fn judged(object: &Value, argo_cd: &str, flux: &str) -> Result<()> {
    let said = format!("{}", object["status"]);
    let (status, message) = argo_cd_health(object)?;
    ensure!(status == argo_cd, "Argo CD: {status} instead of {argo_cd}: {said}");
    ensure!(!message.is_empty(), "Argo CD shows no message: {said}");
    let verdict = flux_health(object)?;
    ensure!(verdict == flux, "Flux: {verdict} instead of {flux}: {said}");
    Ok(())
}

async fn argo_cds_own_kustomization_takes_the_health_scripts(bed: &TestBed) -> Result<()> {
    let directory = bed.work().join("argocd");
    std::fs::create_dir_all(&directory)?;
    let ours = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"},
        "data": {"url": "https://argocd.example.com"}});
    std::fs::write(directory.join("argocd-cm.yaml"), ours.to_string())?;
    let component = std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/argocd"))?;
    // The path has to be relative.
    let up = "../".repeat(std::fs::canonicalize(&directory)?.components().count() - 1);
    let component = format!("{up}{}", component.strip_prefix("/")?.display());
    let kustomization =
        json!({"resources": ["argocd-cm.yaml"], "components": [component], "namespace": "default"});
    std::fs::write(directory.join("kustomization.yaml"), kustomization.to_string())?;
    let arguments = ["apply", "-k", &directory.to_string_lossy(), "--dry-run=server", "-o", "json"];
    let merged = read(&bed.kubectl(&arguments).await?)?;
    ensure!(merged["data"]["url"] == "https://argocd.example.com", "{merged}");
    for kind in ["AkamaiCertificate", "AkamaiAccount", "ClusterAkamaiAccount"] {
        let key = format!("resource.customizations.health.akacert.io_{kind}");
        ensure!(merged["data"][&key].is_string(), "no script for {kind}: {merged}");
    }
    Ok(())
}

/// The object as the API server would store it.
async fn dry_run(bed: &TestBed, object: &Value) -> Result<Value> {
    let file = write(bed, &format!("{}.json", rand::random::<u64>()), object)?;
    get(bed, &["apply", "--dry-run=server", "-f", &file]).await
}

/// A certificate of the scene `health` as the API server would store it after a change.
async fn patched(bed: &TestBed, name: &str, change: &Value, more: &[&str]) -> Result<Value> {
    let change = change.to_string();
    let patch = ["-n", "health", "patch", "akcert", name, "--type=merge", "--dry-run=server", "-p", &change];
    get(bed, &[&patch[..], more].concat()).await
}

async fn certificate(bed: &TestBed, name: &str) -> Result<Value> {
    get(bed, &["-n", "health", "get", "akcert", name]).await
}

async fn flux_takes_the_kustomization_with_its_health_checks(bed: &TestBed) -> Result<()> {
    bed.install_flux_crd().await?;
    bed.kubectl(&["create", "namespace", "flux-system"]).await?;
    let mut kustomization = deployed("flux/kustomization.yaml")?;
    taken_by_flux(bed, &kustomization).await?;
    // The check itself works: Flux's CRD rejects a field that Flux does not know.
    let checks = &mut kustomization["spec"]["healthCheckExprs"];
    checks[0]["currently"] = checks[0]["current"].take();
    ensure!(taken_by_flux(bed, &kustomization).await.is_err(), "Flux took a field that it does not know");
    Ok(())
}

/// Checks a Kustomization against Flux's own CRD on the API server.
async fn taken_by_flux(bed: &TestBed, kustomization: &Value) -> Result<String> {
    let file = write(bed, "flux.json", kustomization)?;
    bed.kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", &file]).await
}

/// The answer of kubectl, as JSON.
async fn get(bed: &TestBed, arguments: &[&str]) -> Result<Value> {
    read(&bed.kubectl(&[arguments, &["-o", "json"]].concat()).await?)
}

fn read(json: &str) -> Result<Value> {
    serde_json::from_str(json).context("no JSON")
}

/// A manifest of `deploy/`.
fn deployed(path: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path);
    serde_saphyr::from_str(&std::fs::read_to_string(path)?).context("no YAML")
}

/// Status and message from the Lua script for the object's kind, as Argo CD runs it.
fn argo_cd_health(object: &Value) -> Result<(String, String)> {
    let kind = object["kind"].as_str().context("no kind")?;
    let key = format!("resource.customizations.health.akacert.io_{kind}");
    let script = deployed("argocd/argocd-cm.yaml")?["data"][&key].as_str().context("no script")?.to_owned();
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

/// The verdict of the expressions for the object's kind, in the order in which Flux evaluates them.
fn flux_health(object: &Value) -> Result<&'static str> {
    let kustomization = deployed("flux/kustomization.yaml")?;
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
