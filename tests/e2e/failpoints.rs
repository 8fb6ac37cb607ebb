//! Kills the operator before and after each of its side effects, one place per run, until a whole run survives.
//! Whatever a killed operator leaves must be harmless: there is always exactly one enrollment, and it is Ready in the
//! end.

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use testbed::{NAMESPACE, SimulatorOptions, TestBed};

use crate::scene::{Scene, eventually};

crate::alone![
    killed_anywhere_on_the_way_to_ready_there_is_one_enrollment_and_it_becomes_ready,
    killed_anywhere_while_deleting_the_enrollment_is_removed_and_the_resource_goes,
];

const FLAGS: [&str; 1] = ["--interval-scale=0.001"];

/// More places than exist. An earlier run has to pass all of them without a death.
const MOST: u64 = 200;

async fn killed_anywhere_on_the_way_to_ready_there_is_one_enrollment_and_it_becomes_ready(
    bed: &mut TestBed,
) -> Result<()> {
    bed.restart_simulator(&SimulatorOptions { speed: 100_000.0, ..SimulatorOptions::default() }).await?;
    bed.no_operator_deployment().await?;
    let deaths = issue_under_fire(bed).await;
    bed.operator_deployment().await?;
    let deaths = deaths?;
    println!(
        "\nthe operator was killed at {deaths} places on the way to Ready: one enrollment each time, Ready each time"
    );
    ensure!(deaths > 30, "only {deaths} places: are the failpoints compiled in?");
    Ok(())
}

async fn issue_under_fire(bed: &TestBed) -> Result<u64> {
    // One account for all runs, because each start of an operator checks every account.
    let scene = Scene::new(bed, "fire").await?;
    for number in 1..MOST {
        let label = format!("www{number}");
        scene.apply(&label, json!({})).await?;
        let died = dies(bed, number, async || is_settled(&scene, &label).await).await?;
        let survivor = bed.operator_process(&FLAGS, &[]).await?;
        scene.until_ready(&label).await.with_context(|| format!("killed at failpoint {number}"))?;
        eventually("nothing is published", async || Ok(is_settled(&scene, &label).await?.then_some(())))
            .await?;
        survivor.stop().await?;
        let enrollments = scene.enrollments(&label).await?;
        ensure!(
            enrollments.len() == 1,
            "{} enrollments after a death at failpoint {number}",
            enrollments.len()
        );
        ensure!(scene.authority_fetched(&scene.host(&label))?, "nobody fetched the token");
        if !died {
            return Ok(number - 1);
        }
    }
    anyhow::bail!("no run survived {MOST} failpoints")
}

async fn killed_anywhere_while_deleting_the_enrollment_is_removed_and_the_resource_goes(
    bed: &mut TestBed,
) -> Result<()> {
    bed.no_operator_deployment().await?;
    let deaths = delete_under_fire(bed).await;
    bed.operator_deployment().await?;
    bed.restart_simulator(&SimulatorOptions::default()).await?;
    let deaths = deaths?;
    println!(
        "\nthe operator was killed at {deaths} places while deleting: the enrollment was removed each time"
    );
    ensure!(deaths >= 4, "only {deaths} places: are the failpoints compiled in?");
    Ok(())
}

async fn delete_under_fire(bed: &TestBed) -> Result<u64> {
    let scene = Scene::new(bed, "end").await?;
    for number in 1..MOST {
        let label = format!("www{number}");
        let issuing = bed.operator_process(&FLAGS, &[]).await?;
        scene.apply(&label, json!({"deletionPolicy": "Delete"})).await?;
        scene.until_ready(&label).await?;
        eventually("nothing is published", async || Ok(is_settled(&scene, &label).await?.then_some(())))
            .await?;
        issuing.stop().await?;
        scene.certificates().delete(&label, &DeleteParams::default()).await?;
        let gone = async || Ok(scene.certificates().get_opt(&label).await?.is_none());
        let died = dies(bed, number, gone).await?;
        let survivor = bed.operator_process(&FLAGS, &[]).await?;
        scene.until_gone(&scene.certificates(), &label).await?;
        survivor.stop().await?;
        let left = scene.enrollments(&label).await?.len();
        ensure!(left == 0, "{left} enrollments are left after a death at failpoint {number}");
        if !died {
            return Ok(number - 1);
        }
    }
    anyhow::bail!("no run survived {MOST} failpoints")
}

/// Runs an operator that dies at a failpoint. Returns whether it reached the failpoint before it was done.
async fn dies(bed: &TestBed, failpoint: u64, done: impl AsyncFn() -> Result<bool>) -> Result<bool> {
    let mut victim = bed.operator_process(&FLAGS, &[("AKACERT_FAILPOINT", &failpoint.to_string())]).await?;
    eventually("the operator dies or is done", async || {
        Ok((victim.has_ended()? || done().await?).then_some(()))
    })
    .await?;
    // The last failpoint comes after the side effect that completes the run. The operator finishes its current step,
    // and may die of it.
    victim.terminated_after_abort().await
}

/// Whether the certificate is Ready and nothing is published any more.
async fn is_settled(scene: &Scene<'_>, label: &str) -> Result<bool> {
    let certificate = scene.certificates().get(label).await?;
    let ready = certificate
        .status
        .iter()
        .any(|status| akacert_api::condition_set::is_true(&status.conditions, "Ready"));
    let config_maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(scene.bed.client(), NAMESPACE);
    let published =
        config_maps.get_opt(&format!("akacert-{}", certificate.uid().unwrap_or_default())).await?;
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(scene.bed.client(), &scene.name);
    Ok(ready && published.is_none() && services.get_opt("akacert-solver").await?.is_none())
}
