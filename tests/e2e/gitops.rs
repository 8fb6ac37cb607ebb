//! Manifests that are applied again or in any order, as GitOps tools do, and `kubectl wait`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{EDGERC, NAMESPACE, TestBed, manifest};

use crate::chart::{config_maps, uninstalled};
use crate::scene::{Scene, eventually};

crate::together![
    a_manifest_that_is_applied_again_changes_nothing,
    a_manifest_that_is_applied_again_on_the_server_changes_nothing,
    kubectl_waits_until_the_certificate_serves,
    whatever_is_applied_first_everything_converges,
];

crate::alone![crds_operator_and_certificate_in_one_file_converge,];

/// How many warnings and errors one scene may cause while it waits for something: a few, not one per second.
const FEW: usize = 5;

async fn a_manifest_that_is_applied_again_changes_nothing(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "applied-again").await?;
    // A user's spelling of values that the schema or CPS would spell in another way.
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

async fn a_manifest_that_is_applied_again_on_the_server_changes_nothing(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "applied-on-the-server").await?;
    let names = json!([scene.host("b"), scene.host("a")]);
    let changes = json!({"contractId": "ctr_1-TESTBED", "dnsNames": names});
    let file = write(bed, "on-the-server.json", &scene.manifest("www", changes))?;
    let apply = ["apply", "--server-side", "-f", &file];
    bed.kubectl(&apply).await?;
    scene.until_ready("www").await?;
    let before = scene.state("www").await?;
    bed.kubectl(&apply).await?;
    let diff = bed.kubectl(&["diff", "--server-side", "-f", &file]).await?;
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
    nothing_started_again(bed).await?;
    let troubles = troubles(bed, "disorder")?;
    ensure!(troubles.len() <= FEW, "{}", troubles.join("\n"));
    Ok(())
}

async fn crds_operator_and_certificate_in_one_file_converge(bed: &mut TestBed) -> Result<()> {
    uninstalled(bed).await?;
    let outcome = all_in_one(bed).await;
    // The other tests expect the usual installation.
    uninstalled(bed).await?;
    bed.install().await?;
    outcome
}

async fn all_in_one(bed: &TestBed) -> Result<()> {
    // Only a name for what is applied by hand below.
    let scene = Scene { bed, name: "in-one".to_owned() };
    let object = |kind: &str, metadata: Value, more: (&str, Value)| json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, more.0: more.1});
    let installed = bed.kubectl(&["kustomize", &manifest("operator").to_string_lossy()]).await?;
    let file = bed.work().join("in-one.yaml");
    let documents = [
        object("Namespace", json!({"name": NAMESPACE}), ("spec", json!({}))).to_string(),
        config_maps(bed)?.map(|config_map| config_map.to_string()).join("\n---\n"),
        installed,
        object("Namespace", json!({"name": "in-one", "labels": {"test": "in-one"}}), ("spec", json!({})))
            .to_string(),
        scene.manifest("www", json!({})).to_string(),
        scene.account_manifest(&json!({"credentials": {"secretRef": {"name": "in-one"}}})).to_string(),
        object(
            "Secret",
            json!({"name": "in-one", "namespace": NAMESPACE}),
            ("stringData", json!({"edgerc": EDGERC})),
        )
        .to_string(),
    ];
    std::fs::write(&file, documents.join("\n---\n"))?;
    let file = file.to_string_lossy();
    // kubectl's cache still has kinds that no longer exist.
    std::fs::remove_dir_all(bed.work().join(".kube/cache"))?;
    let before = bed.pod_logs("akacert-operator")?.len();
    let mut refused = 0;
    eventually("kubectl takes all of it", async || {
        let applied = bed.kubectl(&["apply", "--server-side", "-f", &file]).await;
        refused += usize::from(applied.is_err());
        Ok(applied.ok())
    })
    .await?;
    ensure!(refused > 0, "the API server took objects of kinds that it did not know yet");
    scene.until_ready("www").await?;
    bed.rolled_out().await?;
    nothing_started_again(bed).await?;
    let log = bed.pod_logs("akacert-operator")?;
    let troubles: Vec<&str> =
        log.get(before..).unwrap_or_default().lines().filter(|line| is_trouble(line)).collect();
    ensure!(troubles.len() <= FEW, "{}", troubles.join("\n"));
    Ok(())
}

async fn nothing_started_again(bed: &TestBed) -> Result<()> {
    let counts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
    let restarts = bed.kubectl(&["-n", NAMESPACE, "get", "pods", "-o", counts]).await?;
    ensure!(restarts.split(' ').all(|count| count == "0"), "something was started again: {restarts}");
    Ok(())
}

/// The warnings and errors that the operator has logged about a scene.
fn troubles(bed: &TestBed, scene: &str) -> Result<Vec<String>> {
    let log = bed.pod_logs("akacert-operator")?;
    let ours = log.lines().filter(|line| is_trouble(line) && line.contains(scene));
    Ok(ours.map(str::to_owned).collect())
}

fn is_trouble(line: &str) -> bool {
    line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#)
}

/// Writes a file for kubectl, and returns its path.
pub fn write(bed: &TestBed, name: &str, manifest: &Value) -> Result<String> {
    let file = bed.work().join(name);
    std::fs::write(&file, manifest.to_string())?;
    Ok(file.display().to_string())
}
