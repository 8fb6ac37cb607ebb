//! Existing enrollments: exported, observed, adopted, left alone.

use akacert_api::condition_set;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Call, EDGERC, TestBed};
use tokio::process::Command;

use crate::scene::{Scene, eventually, says};

crate::together![
    an_enrollment_of_another_resource_is_not_taken_over,
    the_enrollment_that_a_resource_has_taken_over_cannot_be_exchanged,
];

crate::alone![
    a_contract_is_exported_observed_and_taken_over_without_a_write,
    an_enrollment_with_our_common_name_is_taken_over_where_policy_says_so,
];

/// How many enrollments exist before the operator knows of them.
const COUNT: usize = 5;

/// Creates deployed enrollments `www1.NAME.example.com` and so on, each with two names.
async fn seed(bed: &TestBed, name: &str, count: usize) -> Result<()> {
    let seed = json!({"contract": "1-TESTBED", "count": count, "name": format!("www{{n}}.{name}.example.com"), "names": 2});
    bed.control("POST", "/seed", Some(seed)).await.map(drop)
}

/// The output of `akacert export`.
async fn export(bed: &TestBed, namespace: &str) -> Result<String> {
    let edgerc = bed.work().join(format!("{namespace}.edgerc"));
    tokio::fs::write(&edgerc, EDGERC).await?;
    let output = Command::new(testbed::own("akacert")?)
        .args(["export", "--contract=ctr_1-TESTBED", "--ingress-class=traefik"])
        .arg(format!("--edgerc={}", edgerc.display()))
        .args([format!("--namespace={namespace}"), format!("--account={namespace}")])
        .arg(format!("--endpoint=https://{}", testbed::CPS_HOST))
        .arg(format!("--endpoint-ca-file={}", bed.work().join("ca.pem").display()))
        .output()
        .await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The calls after the first `since` that were not reads.
async fn writes(bed: &TestBed, since: usize) -> Result<Vec<Call>> {
    Ok(bed.calls().await?.split_off(since).into_iter().filter(|call| call.method != "GET").collect())
}

async fn a_contract_is_exported_observed_and_taken_over_without_a_write(bed: &mut TestBed) -> Result<()> {
    let scene = Scene::new(bed, "fleet").await?;
    seed(bed, "fleet", COUNT).await?;
    let calls = bed.calls().await?.len();
    let manifests = export(bed, "fleet").await?;
    // The contract also has what other tests have left.
    let ours: Vec<&str> =
        manifests.split("---\n").filter(|manifest| manifest.contains(".fleet.example.com")).collect();
    ensure!(ours.len() == COUNT, "{manifests}");
    bed.apply(&format!("---\n{}", ours.join("---\n"))).await?;
    let labels: Vec<String> = (1..=COUNT).map(|number| format!("www{number}.fleet.example.com")).collect();
    for label in &labels {
        scene.until_ready(label).await?;
    }
    for label in &labels {
        scene.patch(label, json!({"managementPolicy": "Manage"})).await?;
    }
    for label in &labels {
        let applied = |status: &akacert_api::status::CertificateStatus| {
            let applied = status.observed_generation == 2 && status.enrollment_generation == Some(2);
            (applied && condition_set::is_true(&status.conditions, "Ready")).then_some(())
        };
        scene.until_status(label, "managed", applied).await?;
    }
    let writes = writes(bed, calls).await?;
    ensure!(writes.is_empty(), "{writes:?}");
    Ok(())
}

async fn an_enrollment_with_our_common_name_is_taken_over_where_policy_says_so(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "adopt").await?;
    seed(bed, "adopt", 1).await?;
    let calls = bed.calls().await?.len();
    let names = json!([format!("san1.{}", scene.host("www1"))]);
    scene.apply("www1", json!({"dnsNames": names})).await?;
    scene.until("www1", "Stalled", "True", "CommonNameTaken").await?;
    scene.patch("www1", json!({"adoptionPolicy": "AdoptOnly"})).await?;
    let status = scene.until_ready("www1").await?;
    let found = scene.enrollments("www1").await?[0].enrollment_id().context("no ID")?;
    ensure!(status.enrollment_id == i64::try_from(found.0).ok(), "{:?} {found}", status.enrollment_id);
    let writes = writes(bed, calls).await?;
    // For a create, the operator can use a list that another certificate has read within ten seconds. CPS then
    // refuses the name, once.
    let refused = |call: &Call| call.method == "POST" && call.status == 409;
    ensure!(writes.len() <= 1 && writes.iter().all(refused), "{writes:?}");
    Ok(())
}

async fn an_enrollment_of_another_resource_is_not_taken_over(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "rivals").await?;
    scene.apply("www", json!({})).await?;
    let id = scene.until_ready("www").await?.enrollment_id;
    let mut second = scene.manifest("www", json!({"enrollmentId": id, "deletionPolicy": "Delete"}));
    second["metadata"]["name"] = json!("second");
    bed.apply(&second.to_string()).await?;
    let message = scene.until("second", "Stalled", "True", "Conflict").await?;
    says(&message, "belongs to AkamaiCertificate rivals/www")?;
    bed.kubectl(&["-n", "rivals", "delete", "akcert", "second", "--timeout=30s"]).await?;
    ensure!(scene.enrollments("www").await?.len() == 1, "the enrollment of the other was removed");
    Ok(())
}

async fn the_enrollment_that_a_resource_has_taken_over_cannot_be_exchanged(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "exchange").await?;
    scene.apply("www", json!({"enrollmentId": 7})).await?;
    eventually("it is looked for", async || {
        let status = scene.certificates().get("www").await?.status.unwrap_or_default();
        Ok(condition_set::find(&status.conditions, "Stalled").map(drop))
    })
    .await?;
    for changed in [json!(8), Value::Null] {
        says(
            &scene.refusal("www", json!({"enrollmentId": changed})).await?,
            "enrollmentId cannot be changed",
        )?;
    }
    Ok(())
}
