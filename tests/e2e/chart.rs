//! The chart on a cluster. It is installed where nothing was, takes over what kustomize installed, and is upgraded,
//! uninstalled and installed again. No certificate is affected.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testbed::{Call, EDGERC, NAMESPACE, TestBed, manifest};

use crate::handbook::run;
use crate::scene::{DEADLINE, Scene, eventually, says};

crate::together![
    every_object_that_can_be_rendered_is_taken_by_the_api_server,
    helm_waits_until_a_certificate_serves,
    helm_reports_a_certificate_that_only_a_human_can_help,
];

crate::alone![
    a_first_installation_takes_the_sample_certificate_to_ready,
    the_chart_takes_over_is_upgraded_and_installed_again_and_no_certificate_notices,
];

async fn a_first_installation_takes_the_sample_certificate_to_ready(bed: &mut TestBed) -> Result<()> {
    uninstalled(bed).await?;
    let installed = first_installation(bed).await;
    // The other tests expect the usual installation.
    uninstalled(bed).await?;
    bed.install().await?;
    installed
}

/// Does what a new user does: the command of the handbook, a Secret, the samples.
async fn first_installation(bed: &TestBed) -> Result<()> {
    let values = bed.work().join("first.json");
    std::fs::write(&values, json!({"extraObjects": config_maps(bed)?}).to_string())?;
    run(bed, &format!("{} --values {}", handbook_install()?, values.display())).await?;
    let edgerc = bed.work().join("first.edgerc");
    std::fs::write(&edgerc, EDGERC)?;
    let edgerc = format!("--from-file=edgerc={}", edgerc.display());
    bed.kubectl(&["-n", NAMESPACE, "create", "secret", "generic", "akamai-production", &edgerc]).await?;
    let scene = Scene::without_account(bed, "shop").await?;
    bed.kubectl(&["label", "namespace", "shop", "akacert=allowed"]).await?;
    for sample in ["account.yaml", "certificate.yaml"] {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples").join(sample);
        bed.kubectl(&["apply", "-f", &sample.to_string_lossy()]).await?;
    }
    let status = scene.until_ready("www").await?;
    let id = status.enrollment_id.context("no enrollment")?;
    bed.deployed_certificate(u64::try_from(id)?).await?;

    // Other tests use the samples too.
    scene.patch("www", json!({"deletionPolicy": "Delete"})).await?;
    bed.kubectl(&["delete", "namespace", "shop", "--timeout=60s"]).await?;
    bed.kubectl(&["delete", "clusterakamaiaccount", "production", "--timeout=60s"]).await?;
    bed.helm(&["uninstall", "akacert", "--namespace", NAMESPACE, "--wait", "--timeout=60s"]).await?;
    let crds = bed.kubectl(&["get", "crd", "-o", "name"]).await?;
    ensure!(crds.contains("akamaicertificates.akacert.io"), "the uninstall took the CRDs along: {crds}");
    Ok(())
}

/// Removes what the test bed installs, with every certificate and account, as if the cluster had never had akacert.
pub async fn uninstalled(bed: &TestBed) -> Result<()> {
    let old = pods(bed).await?;
    for kind in ["akamaicertificates", "akamaiaccounts", "clusterakamaiaccounts"] {
        bed.kubectl(&["delete", kind, "--all", "--all-namespaces", "--timeout=60s"]).await?;
    }
    let installed = manifest("operator");
    let delete = ["delete", "--ignore-not-found", "--timeout=60s", "-k", &installed.to_string_lossy()];
    bed.kubectl(&delete).await?;
    until_gone(bed, &old).await?;
    let left = bed.kubectl(&["get", "crd,namespace,clusterrole,clusterrolebinding", "-o", "name"]).await?;
    ensure!(!left.contains("akacert"), "not all is gone: {left}");
    Ok(())
}

/// The ConfigMaps that the pods of the test bed mount.
pub fn config_maps(bed: &TestBed) -> Result<[Value; 2]> {
    let config_map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data});
    Ok([
        config_map("endpoint-ca", json!({"ca.pem": bed.ca()})),
        config_map("trusted-roots", json!({"roots.pem": std::fs::read_to_string(bed.trusted_roots())?})),
    ])
}

async fn helm_waits_until_a_certificate_serves(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "helm-waits").await?;
    scene.lead_away("www").await?;
    let chart = chart_with(&scene, json!({}))?;
    let arguments = ["install", "www", &chart, "--namespace", "helm-waits", "--wait", "--timeout=60s"];
    let mut helm = std::pin::pin!(bed.helm(&arguments));
    tokio::select! {
        early = &mut helm => bail!("it did not wait: {early:?}"),
        held = scene.until_unreachable("www") => drop(held?),
    }
    scene.lead_back("www").await?;
    helm.await?;
    let status = scene.certificates().get("www").await?.status.unwrap_or_default();
    ensure!(akacert_api::condition_set::is_true(&status.conditions, "Ready"), "{:?}", status.conditions);
    Ok(())
}

async fn helm_reports_a_certificate_that_only_a_human_can_help(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "helm-reports").await?;
    let chart = chart_with(&scene, json!({"contractId": "1-NOPE"}))?;
    // Longer than a test waits, so that the timeout is not what ends it.
    let arguments = ["install", "www", &chart, "--namespace", "helm-reports", "--wait", "--timeout=10m"];
    let failed =
        tokio::time::timeout(DEADLINE, bed.helm(&arguments)).await.context("Helm goes on waiting")?;
    let Err(failed) = failed else { bail!("Helm calls it installed") };
    says(
        &failed.to_string(),
        "AkamaiCertificate/helm-reports/www not ready. status: Failed, message: contract 1-NOPE",
    )
}

/// Creates a chart with one certificate and nothing else, and returns its directory.
fn chart_with(scene: &Scene<'_>, changes: Value) -> Result<String> {
    let directory = scene.bed.work().join(&scene.name);
    std::fs::create_dir_all(directory.join("templates"))?;
    std::fs::write(directory.join("Chart.yaml"), "{apiVersion: v2, name: certificates, version: 0.1.0}")?;
    let certificate = scene.manifest("www", changes).to_string();
    std::fs::write(directory.join("templates/certificate.yaml"), certificate)?;
    Ok(directory.to_string_lossy().into_owned())
}

async fn the_chart_takes_over_is_upgraded_and_installed_again_and_no_certificate_notices(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "chart").await?;
    let before = ready(&scene, "www").await?;
    let calls = bed.calls().await?.len();
    // In progress until after the upgrade. The earlier CRD lacks fields of the status.
    scene.apply_held("held", json!({})).await?;

    let earlier = earlier_chart(bed)?;
    install(bed, &earlier, &[]).await.context("in place of what kustomize installed")?;
    ensure!(!knows_next_renewal(bed).await?, "the CRD of the earlier chart is today's");
    unchanged(&scene, "www", &before).await?;
    let taken_over = ready(&scene, "taken-over").await?;
    let calls_taken_over = bed.calls().await?.len();

    let old = pods(bed).await?;
    let annotations = "operator.podAnnotations.step=next,solver.podAnnotations.step=next";
    install(bed, &current_chart(), &["--set", annotations]).await.context("the upgrade")?;
    until_gone(bed, &old).await?;
    ensure!(knows_next_renewal(bed).await?, "the upgrade left the earlier CRD");
    unchanged(&scene, "www", &before).await?;
    unchanged(&scene, "taken-over", &taken_over).await?;
    scene.until_status("www", "the field of the new CRD", |status| status.next_renewal_time.clone()).await?;
    scene.lead_back("held").await?;
    scene.until_ready("held").await?;
    let enrollments = scene.enrollments("held").await?.len();
    ensure!(enrollments == 1, "{enrollments} enrollments for what was in mid-issue");

    let old = pods(bed).await?;
    bed.helm(&["uninstall", "akacert", "--namespace", NAMESPACE, "--wait", "--timeout=60s"]).await?;
    until_gone(bed, &old).await?;
    unchanged(&scene, "www", &before).await?;

    // From now on the operator watches one namespace, and has rights in no other.
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
    nothing_written(&scene, "www", calls).await?;
    nothing_written(&scene, "taken-over", calls_taken_over).await?;

    // The other tests expect the usual installation.
    let old = pods(bed).await?;
    bed.helm(&["uninstall", "akacert", "--namespace", NAMESPACE, "--wait", "--timeout=60s"]).await?;
    bed.deploy().await?;
    until_gone(bed, &old).await
}

async fn every_object_that_can_be_rendered_is_taken_by_the_api_server(bed: &TestBed) -> Result<()> {
    bed.install_monitoring_crds().await?;
    // The namespaces of the overlays.
    for namespace in ["rendered", "edge"] {
        Scene::without_account(bed, namespace).await?;
    }
    let (chart, values) = (current_chart(), bed.work().join("every-option.json"));
    std::fs::write(&values, every_option().to_string())?;
    let (chart, values) = (chart.to_string_lossy(), values.to_string_lossy());
    let every = ["template", "edge", &*chart, "--namespace", "edge", "--values", &*values];
    let some = ["template", "akacert", &*chart, "--namespace", NAMESPACE];
    for (template, more) in [
        (&some[..], r#"operator={"podDisruptionBudget":{"enabled":false}}"#),
        (&some[..], r#"solver={"topologySpread":{"keys":[]}}"#),
        (&some[..], r#"rbac={"handoff":false}"#),
        (&every[..], "watchNamespaces=[]"),
        (&every[..], r#"watchNamespaces=["default", "kube-system"]"#),
        (&every[..], r#"fullnameOverride="akacert""#),
        (&every[..], r#"image={"digest":""}"#),
    ] {
        let rendered = bed.helm(&[template, &["--set-json", more]].concat()).await?;
        taken(bed, &rendered).await.context(more)?;
    }
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for overlay in ["base", "overlays/cluster-wide", "overlays/development", "overlays/namespaced"] {
        let rendered = bed.kubectl(&["kustomize", &deploy.join(overlay).to_string_lossy()]).await?;
        // The namespace of the overlay's example belongs to another test.
        taken(bed, &rendered.replace("namespace: shop", "namespace: rendered")).await.context(overlay)?;
    }
    Ok(())
}

/// Values with which the chart renders everything that it can.
fn every_option() -> Value {
    let pod = json!({
        "extraArgs": ["--log=debug"], "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.test:3128"}],
        "extraVolumes": [{"name": "mine", "configMap": {"name": "mine"}}],
        "extraVolumeMounts": [{"name": "mine", "mountPath": "/run/mine"}],
        "logLevel": "info", "logFormat": "json", "serviceAccount": {"annotations": {"a": "b"}},
        "podDisruptionBudget": {"maxUnavailable": "50%"}, "podAnnotations": {"a": "b"}, "podLabels": {"a": "b"},
        "topologySpread": {"whenUnsatisfiable": "DoNotSchedule"}, "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 5, "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]}},
    });
    let mut operator = pod.clone();
    for (key, value) in [
        ("leaseDuration", json!("30s")),
        ("allowEndpoints", json!(["https://cps.test"])),
        ("probeAllow", json!(["10.0.0.0/8"])),
        ("probeResolvers", json!(["10.0.0.10:53"])),
        ("allowIngressAnnotations", json!(["example.com/*"])),
        ("forecastInterval", json!("12h")),
    ] {
        operator[key] = value;
    }
    json!({
        "operator": operator, "solver": pod, "commonLabels": {"team": "edge"}, "crds": {"keep": false},
        "image": {"digest": format!("sha256:{}", "0".repeat(64)), "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}], "rbac": {"handoff": true},
        "networkPolicy": {"enabled": true, "from": [{"namespaceSelector": {}}]},
        "podMonitor": {"enabled": true, "interval": "1m", "labels": {"a": "b"}},
        "prometheusRule": {"enabled": true, "labels": {"a": "b"}},
        "dashboard": {"enabled": true, "annotations": {"folder": "edge"}},
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": "edge"}}],
    })
}

/// Runs a dry run on the server, which changes nothing.
async fn taken(bed: &TestBed, manifests: &str) -> Result<()> {
    let file = bed.work().join("rendered.yaml");
    std::fs::write(&file, manifests)?;
    let arguments = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "--filename"];
    bed.kubectl(&[&arguments[..], &[&file.to_string_lossy()]].concat()).await.map(drop)
}

/// The first commit with a chart. Its CRDs lack `status.nextRenewalTime`.
const EARLIER: &str = "4b031ac";

fn current_chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/akacert")
}

/// The chart of an earlier commit, with today's programs.
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

/// Runs `helm install --wait`, or an upgrade of the existing release.
async fn install(bed: &TestBed, chart: &Path, more: &[&str]) -> Result<()> {
    let (chart, values) = (chart.to_string_lossy(), manifest("chart-values.yaml"));
    let mut arguments =
        vec!["upgrade", "akacert", &*chart, "--install", "--namespace", NAMESPACE, "--wait", "--timeout=90s"];
    // Objects from kustomize have another field manager.
    arguments.extend(["--take-ownership", "--force-conflicts", "--values"]);
    let values = values.to_string_lossy();
    arguments.push(&values);
    arguments.extend(more);
    bed.helm(&arguments).await.map(drop)
}

/// The command of the handbook, with the options that the test bed needs.
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
    // Once nothing is published any more, its last write is over.
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

/// Checks that CPS got only reads about a certificate's enrollment after the first `since` calls.
async fn nothing_written(scene: &Scene<'_>, label: &str, since: usize) -> Result<()> {
    let id = scene.certificates().get(label).await?.status.and_then(|status| status.enrollment_id);
    let id = Some(u64::try_from(id.context("no enrollment")?)?);
    let mut calls: Vec<Call> = scene.bed.calls().await?.split_off(since);
    calls.retain(|call| call.enrollment_id == id && call.method != "GET");
    ensure!(calls.is_empty(), "{label}: {calls:?}");
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
