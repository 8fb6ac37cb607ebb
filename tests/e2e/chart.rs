//! The chart on a cluster: it takes over what kustomize installed, is upgraded, uninstalled and installed again, and no
//! certificate notices. Not here: what it renders (`tests/chart.rs`).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::json;
use testbed::{NAMESPACE, TestBed, manifest};

use crate::scene::{Scene, eventually};

crate::alone![the_chart_takes_over_is_upgraded_and_installed_again_and_no_certificate_notices,];

async fn the_chart_takes_over_is_upgraded_and_installed_again_and_no_certificate_notices(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "chart").await?;
    let before = ready(&scene, "www").await?;

    install(bed, &[]).await.context("in place of what kustomize installed")?;
    unchanged(&scene, "www", &before).await?;
    ready(&scene, "taken-over").await?;

    let old = pods(bed).await?;
    install(bed, &["--set", "operator.podAnnotations.step=next,solver.podAnnotations.step=next"]).await?;
    until_gone(bed, &old).await?;
    unchanged(&scene, "www", &before).await?;

    let old = pods(bed).await?;
    bed.helm(&["uninstall", "akacert", "--namespace", NAMESPACE, "--wait", "--timeout=60s"]).await?;
    until_gone(bed, &old).await?;
    unchanged(&scene, "www", &before).await?;

    install(bed, &[]).await.context("after an uninstall")?;
    unchanged(&scene, "www", &before).await?;
    ready(&scene, "installed-again").await?;

    // The other tests have the installation that they are written for.
    let old = pods(bed).await?;
    bed.helm(&["uninstall", "akacert", "--namespace", NAMESPACE, "--wait", "--timeout=60s"]).await?;
    bed.deploy().await?;
    until_gone(bed, &old).await
}

/// `helm install --wait`, or the upgrade of what there is.
async fn install(bed: &TestBed, more: &[&str]) -> Result<()> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/akacert");
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

/// What nothing may touch: serial number and version of the resource.
type Mark = (Option<String>, Option<String>);

async fn ready(scene: &Scene<'_>, label: &str) -> Result<Mark> {
    scene.apply(label, json!({})).await?;
    scene.until_ready(label).await?;
    // Its last write is behind it when nothing is published any more.
    eventually("nothing is published", async || Ok(scene.published(label).await?.is_empty().then_some(())))
        .await?;
    mark(scene, label).await
}

async fn mark(scene: &Scene<'_>, label: &str) -> Result<Mark> {
    let certificate = scene.certificates().get(label).await?;
    let version = certificate.resource_version();
    let serial = certificate.status.and_then(|status| Some(status.deployments?.production?.serial_number));
    Ok((serial, version))
}

async fn unchanged(scene: &Scene<'_>, label: &str, before: &Mark) -> Result<()> {
    let now = mark(scene, label).await?;
    ensure!(now == *before, "{label} was {before:?} and is {now:?}");
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
