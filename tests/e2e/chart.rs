//! The chart on a cluster: it takes over what kustomize installed, is upgraded, uninstalled and installed again, and no
//! certificate notices. Not here: what it renders (`tests/chart.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{NAMESPACE, TestBed, manifest};

use crate::handbook::run;
use crate::scene::{Scene, eventually};

crate::together![every_object_that_can_be_rendered_is_taken_by_the_api_server];

crate::alone![the_chart_takes_over_is_upgraded_and_installed_again_and_no_certificate_notices,];

async fn the_chart_takes_over_is_upgraded_and_installed_again_and_no_certificate_notices(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "chart").await?;
    let before = ready(&scene, "www").await?;

    let earlier = earlier_chart(bed)?;
    install(bed, &earlier, &[]).await.context("in place of what kustomize installed")?;
    ensure!(!knows_next_renewal(bed).await?, "the CRD of the earlier chart is today's");
    unchanged(&scene, "www", &before).await?;
    let taken_over = ready(&scene, "taken-over").await?;

    let old = pods(bed).await?;
    let annotations = "operator.podAnnotations.step=next,solver.podAnnotations.step=next";
    install(bed, &current_chart(), &["--set", annotations]).await.context("the upgrade")?;
    until_gone(bed, &old).await?;
    ensure!(knows_next_renewal(bed).await?, "the upgrade left the earlier CRD");
    unchanged(&scene, "www", &before).await?;
    unchanged(&scene, "taken-over", &taken_over).await?;
    scene.until_status("www", "the field of the new CRD", |status| status.next_renewal_time.clone()).await?;

    let old = pods(bed).await?;
    bed.helm(&["uninstall", "akacert", "--namespace", NAMESPACE, "--wait", "--timeout=60s"]).await?;
    until_gone(bed, &old).await?;
    unchanged(&scene, "www", &before).await?;

    // From now on for one namespace, with rights in no other.
    let install = format!("{} --set watchNamespaces={{chart}}", handbook_install()?);
    run(bed, &install).await.context("again")?;
    unchanged(&scene, "www", &before).await?;
    let elsewhere = Scene::new(bed, "not-watched").await?;
    elsewhere.apply("www", json!({})).await?;
    ready(&scene, "installed-again").await?;
    let ignored = elsewhere.certificates().get("www").await?.status;
    let looked_at = ignored.is_some_and(|status| status.observed_generation != -1);
    ensure!(!looked_at, "the operator looked at a certificate in another namespace");
    let log = bed.pod_logs("akacert-operator")?;
    let current = log.rsplit("in sync with the cluster").next().unwrap_or_default();
    ensure!(!current.contains("forbidden"), "a right is missing: {current}");

    // The other tests have the installation that they are written for.
    let old = pods(bed).await?;
    bed.helm(&["uninstall", "akacert", "--namespace", NAMESPACE, "--wait", "--timeout=60s"]).await?;
    bed.deploy().await?;
    until_gone(bed, &old).await
}

async fn every_object_that_can_be_rendered_is_taken_by_the_api_server(bed: &TestBed) -> Result<()> {
    bed.install_monitoring_crds().await?;
    let (chart, values) = (current_chart(), bed.work().join("every-option.json"));
    let every_option = json!({
        "networkPolicy": {"enabled": true}, "podMonitor": {"enabled": true},
        "prometheusRule": {"enabled": true}, "dashboard": {"enabled": true},
        "commonLabels": {"team": "edge"}, "imagePullSecrets": [{"name": "registry"}],
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": NAMESPACE}}],
    });
    std::fs::write(&values, every_option.to_string())?;
    let (chart, values) = (chart.to_string_lossy(), values.to_string_lossy());
    let template = ["template", "akacert", &*chart, "--namespace", NAMESPACE, "--values", &*values];
    for more in ["watchNamespaces=[]", r#"watchNamespaces=["default", "kube-system"]"#] {
        let rendered = bed.helm(&[&template[..], &["--set-json", more]].concat()).await?;
        taken(bed, &rendered).await.context(more)?;
    }
    for overlay in ["overlays/cluster-wide", "overlays/development"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(overlay);
        let rendered = bed.kubectl(&["kustomize", &directory.to_string_lossy()]).await?;
        taken(bed, &rendered).await.context(overlay)?;
    }
    Ok(())
}

/// A dry run on the server, which changes nothing.
async fn taken(bed: &TestBed, manifests: &str) -> Result<()> {
    let file = bed.work().join("rendered.yaml");
    std::fs::write(&file, manifests)?;
    let arguments = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "--filename"];
    bed.kubectl(&[&arguments[..], &[&file.to_string_lossy()]].concat()).await.map(drop)
}

/// The first commit with a chart: its CRDs lack `status.nextRenewalTime`.
const EARLIER: &str = "4b031ac";

fn current_chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/akacert")
}

/// The chart as an earlier commit had it. The programs are today's.
fn earlier_chart(bed: &TestBed) -> Result<PathBuf> {
    let directory = bed.work().join("earlier");
    std::fs::create_dir_all(&directory)?;
    let unpacked = Command::new("bash")
        .args(["-o", "pipefail", "-c", "git archive \"$0\" charts/akacert | tar -x -C \"$1\"", EARLIER])
        .arg(&directory)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let said = String::from_utf8_lossy(&unpacked.stderr);
    ensure!(unpacked.status.success(), "the chart of commit {EARLIER} is not in this clone: {said}");
    Ok(directory.join("charts/akacert"))
}

async fn knows_next_renewal(bed: &TestBed) -> Result<bool> {
    let crd = bed.kubectl(&["get", "crd", "akamaicertificates.akacert.io", "-o", "json"]).await?;
    Ok(crd.contains("nextRenewalTime"))
}

/// `helm install --wait`, or the upgrade of what there is.
async fn install(bed: &TestBed, chart: &Path, more: &[&str]) -> Result<()> {
    let (chart, values) = (chart.to_string_lossy(), manifest("chart-values.yaml"));
    let mut arguments =
        vec!["upgrade", "akacert", &*chart, "--install", "--namespace", NAMESPACE, "--wait", "--timeout=90s"];
    // What kustomize installed has another field manager.
    arguments.extend(["--take-ownership", "--force-conflicts", "--values"]);
    let values = values.to_string_lossy();
    arguments.push(&values);
    arguments.extend(more);
    bed.helm(&arguments).await.map(drop)
}

/// The command of the handbook, with what the test bed needs.
fn handbook_install() -> Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/get-started.md");
    let page = std::fs::read_to_string(page)?;
    let command =
        page.lines().find(|line| line.starts_with("$ helm install akacert ")).context("no command")?;
    Ok(format!("{} --timeout=90s --values {}", &command[2..], manifest("chart-values.yaml").display()))
}

async fn ready(scene: &Scene<'_>, label: &str) -> Result<Value> {
    scene.apply(label, json!({})).await?;
    scene.until_ready(label).await?;
    // Its last write is behind it when nothing is published any more.
    eventually("nothing is published", async || Ok(scene.published(label).await?.is_empty().then_some(())))
        .await?;
    scene.state(label).await
}

async fn unchanged(scene: &Scene<'_>, label: &str, before: &Value) -> Result<()> {
    let now = scene.state(label).await?;
    ensure!(now == *before, "{label} was {before} and is {now}");
    let enrollments = scene.enrollments(label).await?.len();
    ensure!(enrollments == 1, "{enrollments} enrollments");
    Ok(())
}

async fn until_gone(bed: &TestBed, old: &[String]) -> Result<()> {
    eventually("the old pods are gone", async || {
        Ok(pods(bed).await?.iter().all(|pod| !old.contains(pod)).then_some(()))
    })
    .await
}

async fn pods(bed: &TestBed) -> Result<Vec<String>> {
    let answer = bed.kubectl(&["-n", NAMESPACE, "get", "pods", "-o", "name"]).await?;
    Ok(answer.lines().map(str::to_owned).collect())
}
