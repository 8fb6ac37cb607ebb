//! The end of a certificate: deleted under either policy, with and without credentials, in any state; and suspended.

use std::future::ready;

use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::names::INTENT_ANNOTATION;
use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;
use testbed::{EDGERC, NAMESPACE, TestBed};

use crate::scene::{Scene, eventually, uid};

crate::together![
    retain_leaves_the_enrollment_in_cps_and_needs_no_credentials,
    a_certificate_whose_account_never_existed_can_be_deleted,
    delete_cancels_the_pending_change_and_removes_the_enrollment,
    delete_removes_a_deployed_enrollment_before_the_resource_goes,
    delete_of_a_live_certificate_stalls_and_is_released_by_retain,
    delete_of_a_live_certificate_goes_on_once_it_is_live_no_more,
    delete_without_credentials_stalls_and_is_released_by_retain,
    delete_with_credentials_that_akamai_refuses_stalls_and_is_released_by_retain,
    delete_without_credentials_goes_on_once_they_are_back,
    deleting_right_after_applying_leaves_nothing_behind,
    deleting_removes_what_was_published,
    a_namespace_with_a_certificate_in_validation_can_be_deleted,
    a_namespace_takes_the_enrollments_along_that_its_certificates_delete,
    suspend_stops_the_calls_to_cps_and_resuming_goes_on,
];

crate::alone![a_resource_that_vanishes_during_the_create_takes_its_enrollment_along,];

async fn delete(scene: &Scene<'_>, label: &str) -> Result<()> {
    scene.certificates().delete(label, &DeleteParams::default()).await?;
    Ok(())
}

async fn until_deleted(scene: &Scene<'_>, label: &str) -> Result<()> {
    scene.until_gone(&scene.certificates(), label).await
}

/// Waits until CPS no longer has an enrollment with the common name.
async fn until_removed(scene: &Scene<'_>, label: &str) -> Result<()> {
    eventually("CPS has it no more", async || Ok(scene.enrollments(label).await?.is_empty().then_some(())))
        .await
}

/// The reason why a certificate is Ready or not.
fn reason(certificate: &AkamaiCertificate) -> Option<String> {
    let status = certificate.status.as_ref()?;
    condition_set::find(&status.conditions, "Ready").map(|ready| ready.reason.clone())
}

async fn enrollment(scene: &Scene<'_>, label: &str) -> Result<i64> {
    let status = scene.certificates().get(label).await?.status;
    status.and_then(|status| status.enrollment_id).context("no enrollment is recorded")
}

async fn set_live(scene: &Scene<'_>, enrollment: i64, live: bool) -> Result<()> {
    scene.bed.control("PUT", &format!("/enrollments/{enrollment}/live"), Some(json!(live))).await.map(drop)
}

async fn retain_leaves_the_enrollment_in_cps_and_needs_no_credentials(bed: &TestBed) -> Result<()> {
    let scene = Scene::with_own_secret(bed, "retain").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    scene.take_secret().await?;
    delete(&scene, "www").await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.len() == 1, "it is gone from CPS");
    Ok(())
}

async fn a_certificate_whose_account_never_existed_can_be_deleted(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "accountless").await?;
    for (label, policy) in [("retain", "Retain"), ("delete", "Delete")] {
        scene.apply(label, json!({"deletionPolicy": policy})).await?;
        scene.until(label, "Ready", "False", "AccountNotFound").await?;
        delete(&scene, label).await?;
        until_deleted(&scene, label).await?;
    }
    Ok(())
}

async fn delete_cancels_the_pending_change_and_removes_the_enrollment(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "cancelled").await?;
    scene.apply_held("www", json!({"deletionPolicy": "Delete"})).await?;
    ensure!(!scene.enrollments("www").await?[0].pending_changes.is_empty());
    delete(&scene, "www").await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.is_empty(), "CPS still has it");
    Ok(())
}

async fn delete_removes_a_deployed_enrollment_before_the_resource_goes(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "removal").await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("www").await?;
    let version = scene.certificates().get("www").await?.resource_version().unwrap_or_default();
    delete(&scene, "www").await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.is_empty(), "CPS still has it");
    // CPS took its time, and the resource said meanwhile what it waited for.
    let history = scene.certificates().watch(&WatchParams::default(), &version).await?;
    let reasons: Vec<String> = history
        .try_take_while(|event| ready(Ok(!matches!(event, WatchEvent::Deleted(_)))))
        .try_filter_map(async |event| {
            Ok(if let WatchEvent::Modified(seen) = event { reason(&seen) } else { None })
        })
        .try_collect()
        .await?;
    ensure!(reasons.last().is_some_and(|last| last == "DeletionPending"), "{reasons:?}");
    Ok(())
}

async fn delete_of_a_live_certificate_stalls_and_is_released_by_retain(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "live").await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("www").await?;
    set_live(&scene, enrollment(&scene, "www").await?, true).await?;
    delete(&scene, "www").await?;
    let message = scene.until("www", "Stalled", "True", "DeletionRefused").await?;
    ensure!(message.contains("detach it from its edge hostnames"), "{message}");
    ensure!(message.contains("set deletionPolicy: Retain"), "{message}");
    scene.patch("www", json!({"deletionPolicy": "Retain"})).await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.len() == 1, "it is gone from CPS");
    Ok(())
}

async fn delete_of_a_live_certificate_goes_on_once_it_is_live_no_more(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "detached").await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("www").await?;
    let id = enrollment(&scene, "www").await?;
    set_live(&scene, id, true).await?;
    delete(&scene, "www").await?;
    scene.until("www", "Stalled", "True", "DeletionRefused").await?;
    set_live(&scene, id, false).await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.is_empty(), "CPS still has it");
    Ok(())
}

async fn delete_without_credentials_stalls_and_is_released_by_retain(bed: &TestBed) -> Result<()> {
    let scene = Scene::with_own_secret(bed, "blocked").await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("www").await?;
    scene.take_secret().await?;
    delete(&scene, "www").await?;
    let message = scene.until("www", "Stalled", "True", "DeletionBlocked").await?;
    ensure!(message.contains("Secret akacert-system/blocked does not exist"), "{message}");
    ensure!(message.contains("set deletionPolicy: Retain"), "{message}");
    scene.patch("www", json!({"deletionPolicy": "Retain"})).await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.len() == 1, "it is gone from CPS");
    Ok(())
}

async fn delete_with_credentials_that_akamai_refuses_stalls_and_is_released_by_retain(
    bed: &TestBed,
) -> Result<()> {
    let scene = Scene::with_own_secret(bed, "rejected").await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("www").await?;
    scene.put_secret(&EDGERC.replace("client_token = ", "client_token = no-longer-")).await?;
    scene.until_account("False", "CredentialsRejected").await?;
    delete(&scene, "www").await?;
    let message = scene.until("www", "Stalled", "True", "DeletionBlocked").await?;
    ensure!(message.contains("set deletionPolicy: Retain"), "{message}");
    scene.patch("www", json!({"deletionPolicy": "Retain"})).await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.len() == 1, "it is gone from CPS");
    Ok(())
}

async fn delete_without_credentials_goes_on_once_they_are_back(bed: &TestBed) -> Result<()> {
    let scene = Scene::with_own_secret(bed, "mended").await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("www").await?;
    scene.take_secret().await?;
    delete(&scene, "www").await?;
    scene.until("www", "Stalled", "True", "DeletionBlocked").await?;
    scene.put_secret(EDGERC).await?;
    until_deleted(&scene, "www").await?;
    ensure!(scene.enrollments("www").await?.is_empty(), "CPS still has it");
    Ok(())
}

async fn deleting_right_after_applying_leaves_nothing_behind(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "at-once").await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    let labels: Vec<String> = (1..=10).map(|number| format!("www{number}")).collect();
    for label in &labels {
        scene.apply(label, json!({"deletionPolicy": "Delete"})).await?;
        delete(&scene, label).await?;
    }
    for label in &labels {
        until_deleted(&scene, label).await?;
        until_removed(&scene, label).await?;
    }
    Ok(())
}

async fn a_resource_that_vanishes_during_the_create_takes_its_enrollment_along(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "vanished").await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    let late = json!({"kind": "latency", "milliseconds": 2000, "method": "POST", "path": "/enrollments?"});
    bed.control("POST", "/faults", Some(late)).await?;
    bed.control("DELETE", "/calls", None).await?;
    scene.apply("www", json!({"deletionPolicy": "Delete"})).await?;
    eventually("the intent is recorded", async || {
        Ok(scene.certificates().get("www").await?.annotations().contains_key(INTENT_ANNOTATION).then_some(()))
    })
    .await?;
    // The API server does this to a resource that had no finalizer when its deletion began.
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    scene.certificates().patch("www", &PatchParams::default(), &patch).await?;
    delete(&scene, "www").await?;
    until_deleted(&scene, "www").await?;
    eventually("the create", async || {
        Ok(bed.calls().await?.iter().any(|call| call.method == "POST" && call.status == 202).then_some(()))
    })
    .await?;
    until_removed(&scene, "www").await
}

async fn deleting_removes_what_was_published(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "unpublished").await?;
    scene.apply_held("www", json!({})).await?;
    let config_map = format!("akacert-{}", uid(&scene.certificates().get("www").await?));
    let config_maps: Api<ConfigMap> = Api::namespaced(bed.client(), NAMESPACE);
    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), "unpublished");
    let services: Api<Service> = Api::namespaced(bed.client(), "unpublished");
    config_maps.get(&config_map).await?;
    ingresses.get("akacert-www").await?;
    services.get("akacert-solver").await?;
    delete(&scene, "www").await?;
    until_deleted(&scene, "www").await?;
    // The finalizer went last, so there is nothing to wait for.
    ensure!(config_maps.get_opt(&config_map).await?.is_none(), "the ConfigMap is left");
    ensure!(ingresses.get_opt("akacert-www").await?.is_none(), "the Ingress is left");
    ensure!(services.get_opt("akacert-solver").await?.is_none(), "the Service is left");
    Ok(())
}

async fn a_namespace_with_a_certificate_in_validation_can_be_deleted(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "ending").await?;
    scene.apply_held("www", json!({})).await?;
    let config_map = format!("akacert-{}", uid(&scene.certificates().get("www").await?));
    let namespaces: Api<Namespace> = Api::all(bed.client());
    namespaces.delete("ending", &DeleteParams::default()).await?;
    scene.until_gone(&namespaces, "ending").await?;
    let config_maps: Api<ConfigMap> = Api::namespaced(bed.client(), NAMESPACE);
    ensure!(config_maps.get_opt(&config_map).await?.is_none(), "the ConfigMap is left");
    ensure!(scene.enrollments("www").await?.len() == 1, "it is gone from CPS");
    Ok(())
}

async fn a_namespace_takes_the_enrollments_along_that_its_certificates_delete(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "ending-all").await?;
    scene.apply("done", json!({"deletionPolicy": "Delete"})).await?;
    scene.apply_held("held", json!({"deletionPolicy": "Delete"})).await?;
    scene.until_ready("done").await?;
    let namespaces: Api<Namespace> = Api::all(bed.client());
    namespaces.delete("ending-all", &DeleteParams::default()).await?;
    scene.until_gone(&namespaces, "ending-all").await?;
    for label in ["done", "held"] {
        ensure!(scene.enrollments(label).await?.is_empty(), "CPS still has {label}");
    }
    Ok(())
}

async fn suspend_stops_the_calls_to_cps_and_resuming_goes_on(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "suspend").await?;
    scene.apply_held("www", json!({})).await?;
    let id = u64::try_from(enrollment(&scene, "www").await?)?;
    let calls = async || -> Result<usize> {
        Ok(bed.calls().await?.iter().filter(|call| call.enrollment_id == Some(id)).count())
    };
    let before = calls().await?;
    eventually("another look at the change", async || Ok((calls().await? > before).then_some(()))).await?;

    scene.patch("www", json!({"suspend": true})).await?;
    scene.until("www", "Ready", "False", "Suspended").await?;
    let before = calls().await?;
    // While another certificate goes from start to end, the operator does not look at this one.
    scene.apply("other", json!({})).await?;
    scene.until_ready("other").await?;
    ensure!(calls().await? == before, "CPS was called for a suspended certificate");

    scene.lead_back("www").await?;
    scene.patch("www", json!({"suspend": null})).await?;
    scene.until_ready("www").await.map(drop)
}
