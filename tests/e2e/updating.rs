//! Changes of `spec`, and of the enrollment by somebody else.

use akacert_api::condition_set;
use akacert_api::status::{CertificateStatus, Risk};
use akamai_cps::types::{Enrollment, EnrollmentId};
use akamai_cps::{DeleteParams, UpdateParams};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Call, TestBed};

use crate::scene::{Scene, eventually};

crate::together![
    an_added_name_is_planned_as_a_reissue_and_comes_with_another_certificate,
    a_removed_name_is_gone_from_the_next_certificate,
    a_contact_is_saved_without_a_change,
    network_settings_are_deployed_with_the_same_certificate,
    a_plan_waits_for_its_approval_and_an_old_one_does_not_fit,
    changes_of_spec_wait_for_the_pending_change_and_become_one_update,
    a_pending_change_is_replaced_where_policy_says_so,
    what_somebody_else_has_changed_is_undone_while_ready_stays,
    what_somebody_else_has_changed_is_only_reported_where_policy_says_so,
    an_enrollment_that_is_gone_is_created_anew_only_by_policy,
    a_certificate_whose_status_was_wiped_finds_its_enrollment_again,
];

crate::alone![an_update_whose_answer_is_lost_is_not_repeated,];

const UPDATE: &str = "/cps/v2/enrollments/{enrollmentId}";

/// A scene with a certificate `www` that is Ready.
async fn ready<'a>(bed: &'a TestBed, name: &str, changes: Value) -> Result<(Scene<'a>, CertificateStatus)> {
    let scene = Scene::new(bed, name).await?;
    scene.apply("www", changes).await?;
    let status = scene.until_ready("www").await?;
    Ok((scene, status))
}

/// Waits until the certificate is Ready for the generation of its `spec`.
async fn until_applied(scene: &Scene<'_>) -> Result<CertificateStatus> {
    let generation = scene.certificates().get("www").await?.metadata.generation.unwrap_or_default();
    scene
        .until_status("www", "Ready for this generation", |status| {
            let ready = condition_set::is_true(&status.conditions, "Ready")
                && status.observed_generation == generation;
            (ready && status.enrollment_generation == Some(generation)).then(|| status.clone())
        })
        .await
}

/// The statuses of the answers to all updates of a certificate.
async fn updates(scene: &Scene<'_>) -> Result<Vec<u16>> {
    let id = enrollment(scene).await?.0;
    let is_update =
        |call: &Call| call.method == "PUT" && call.pattern == UPDATE && call.enrollment_id == Some(id.0);
    Ok(scene.bed.calls().await?.into_iter().filter(is_update).map(|call| call.status).collect())
}

async fn enrollment(scene: &Scene<'_>) -> Result<(EnrollmentId, Enrollment)> {
    let found = scene.enrollments("www").await?.into_iter().next().context("no enrollment")?;
    Ok((found.enrollment_id().context("no ID")?, found))
}

fn serial(status: &CertificateStatus) -> Result<String> {
    let deployments = status.deployments.as_ref().and_then(|deployments| deployments.production.as_ref());
    Ok(deployments.context("nothing in production")?.serial_number.clone())
}

/// Waits for a plan, and returns it.
async fn until_plan(scene: &Scene<'_>) -> Result<akacert_api::status::PlanStatus> {
    scene.until_status("www", "a plan", |status| status.plan.clone()).await
}

async fn an_added_name_is_planned_as_a_reissue_and_comes_with_another_certificate(
    bed: &TestBed,
) -> Result<()> {
    let (scene, before) = ready(bed, "added", json!({"updatePolicy": "RequireApproval"})).await?;
    scene.patch("www", json!({"dnsNames": ["api.added.example.com"]})).await?;
    let plan = until_plan(&scene).await?;
    ensure!(plan.risk == Risk::Reissue && plan.changes == ["dnsNames: + api.added.example.com"], "{plan:?}");
    scene.patch("www", json!({"updatePolicy": null})).await?;
    let after = until_applied(&scene).await?;
    ensure!(serial(&before)? != serial(&after)?, "the certificate is the same");
    ensure!(updates(&scene).await? == [202], "{:?}", updates(&scene).await?);
    ensure!(scene.authority_fetched("api.added.example.com")?, "nobody fetched the token of the new name");
    ensure!(after.plan.is_none() && after.change.is_none());
    Ok(())
}

async fn a_removed_name_is_gone_from_the_next_certificate(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "less", json!({"dnsNames": ["api.less.example.com"]})).await?;
    scene.patch("www", json!({"dnsNames": null})).await?;
    let after = until_applied(&scene).await?;
    ensure!(serial(&before)? != serial(&after)?, "the certificate is the same");
    let production =
        after.deployments.and_then(|deployments| deployments.production).context("no deployment")?;
    ensure!(production.dns_names == ["www.less.example.com"], "{:?}", production.dns_names);
    Ok(())
}

async fn a_contact_is_saved_without_a_change(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "contact", json!({})).await?;
    let contact =
        json!({"firstName": "New", "lastName": "Tech", "email": "new@akamai.com", "phone": "617-555-0199"});
    // Approvals are required, but a change that needs none does not wait.
    scene.patch("www", json!({"techContact": contact, "updatePolicy": "RequireApproval"})).await?;
    let after = until_applied(&scene).await?;
    ensure!(serial(&before)? == serial(&after)?, "another certificate was ordered");
    ensure!(updates(&scene).await? == [200], "{:?}", updates(&scene).await?);
    let found = enrollment(&scene).await?.1.tech_contact.and_then(|contact| contact.email);
    ensure!(found.as_deref() == Some("new@akamai.com"), "{found:?}");
    Ok(())
}

async fn network_settings_are_deployed_with_the_same_certificate(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "network", json!({"updatePolicy": "RequireApproval"})).await?;
    scene.patch("www", json!({"network": {"quicEnabled": true}})).await?;
    let plan = until_plan(&scene).await?;
    ensure!(plan.risk == Risk::Redeploy, "{plan:?}");
    scene.patch("www", json!({"updatePolicy": "Auto"})).await?;
    let after = until_applied(&scene).await?;
    ensure!(serial(&before)? == serial(&after)?, "another certificate was ordered");
    ensure!(updates(&scene).await? == [202], "{:?}", updates(&scene).await?);
    Ok(())
}

async fn a_plan_waits_for_its_approval_and_an_old_one_does_not_fit(bed: &TestBed) -> Result<()> {
    let (scene, _) = ready(bed, "approve", json!({"updatePolicy": "RequireApproval"})).await?;
    scene.patch("www", json!({"dnsNames": ["api.approve.example.com"]})).await?;
    scene.until("www", "Stalled", "True", "PlanNeedsApproval").await?;
    let first = until_plan(&scene).await?;
    // The approval comes together with another change of `spec`.
    let both = json!({
        "metadata": {"annotations": {"akacert.io/approve-plan": first.hash}},
        "spec": {"dnsNames": ["cdn.approve.example.com"]},
    });
    bed.kubectl(&["-n", "approve", "patch", "akcert", "www", "--type=merge", "-p", &both.to_string()])
        .await?;
    let second = scene
        .until_status("www", "another plan", |status| {
            status.plan.clone().filter(|plan| plan.hash != first.hash)
        })
        .await?;
    scene.until("www", "Stalled", "True", "PlanNeedsApproval").await?;
    ensure!(updates(&scene).await?.is_empty(), "an old approval was taken");
    scene.annotate("www", "akacert.io/approve-plan", &second.hash).await?;
    until_applied(&scene).await?;
    ensure!(updates(&scene).await? == [202], "{:?}", updates(&scene).await?);
    Ok(())
}

async fn changes_of_spec_wait_for_the_pending_change_and_become_one_update(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "several").await?;
    scene.apply_held("www", json!({})).await?;
    scene.patch("www", json!({"dnsNames": ["a.several.example.com"]})).await?;
    scene.until("www", "Reconciling", "True", "UpdateWaits").await?;
    scene.patch("www", json!({"dnsNames": ["a.several.example.com", "b.several.example.com"]})).await?;
    scene.lead_back("www").await?;
    let after = until_applied(&scene).await?;
    ensure!(updates(&scene).await? == [202], "{:?}", updates(&scene).await?);
    let production =
        after.deployments.and_then(|deployments| deployments.production).context("no deployment")?;
    ensure!(production.dns_names.len() == 3, "{:?}", production.dns_names);
    Ok(())
}

async fn a_pending_change_is_replaced_where_policy_says_so(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "replace").await?;
    scene.apply_held("www", json!({"pendingChangePolicy": "Replace"})).await?;
    let old = scene.published("www").await?;
    scene.patch("www", json!({"dnsNames": ["a.replace.example.com"]})).await?;
    eventually("the tokens of the new change are published", async || {
        Ok(scene.published("www").await?.iter().any(|token| !old.contains(token)).then_some(()))
    })
    .await?;
    scene.lead_back("www").await?;
    until_applied(&scene).await?;
    ensure!(updates(&scene).await? == [202], "{:?}", updates(&scene).await?);
    Ok(())
}

async fn an_update_whose_answer_is_lost_is_not_repeated(bed: &mut TestBed) -> Result<()> {
    let (scene, _) = ready(bed, "lost-update", json!({})).await?;
    let fault = json!({"kind": "lost-answer", "method": "PUT", "path": "/enrollments/"});
    bed.control("POST", "/faults", Some(fault)).await?;
    scene.patch("www", json!({"dnsNames": ["api.lost-update.example.com"]})).await?;
    until_applied(&scene).await?;
    ensure!(updates(&scene).await? == [202], "{:?}", updates(&scene).await?);
    Ok(())
}

/// Somebody removes a name in CPS.
async fn edit_elsewhere(scene: &Scene<'_>) -> Result<()> {
    let (id, mut body) = enrollment(scene).await?;
    body.csr.sans = Some(vec![scene.host("www")]);
    scene.bed.cps()?.update_enrollment(id, &body, &UpdateParams::default()).await?;
    Ok(())
}

async fn what_somebody_else_has_changed_is_undone_while_ready_stays(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "drift", json!({"dnsNames": ["api.drift.example.com"]})).await?;
    edit_elsewhere(&scene).await?;
    scene
        .until_status("www", "Drifted", |status| condition_set::find(&status.conditions, "Drifted").map(drop))
        .await?;
    let after = scene
        .until_status("www", "the name is back", |status| {
            let back = status.change.is_none() && !condition_set::is_true(&status.conditions, "Drifted");
            (back && condition_set::is_true(&status.conditions, "Ready")).then(|| status.clone())
        })
        .await?;
    ensure!(serial(&before)? != serial(&after)?, "the certificate is the same");
    ensure!(enrollment(&scene).await?.1.csr.names().len() == 2, "the name is not back");
    Ok(())
}

async fn what_somebody_else_has_changed_is_only_reported_where_policy_says_so(bed: &TestBed) -> Result<()> {
    let (scene, _) = ready(bed, "report", json!({"driftPolicy": "Report"})).await?;
    scene.patch("www", json!({"network": {"quicEnabled": false}})).await?;
    until_applied(&scene).await?;
    let (id, mut body) = enrollment(&scene).await?;
    body.network_configuration.quic_enabled = true;
    bed.cps()?.update_enrollment(id, &body, &UpdateParams::default()).await?;
    let message = scene.until("www", "Drifted", "True", "Drifted").await?;
    ensure!(message.contains("network.quicEnabled: true → false"), "{message}");
    scene.until("www", "Ready", "True", "Deployed").await?;
    ensure!(updates(&scene).await?.len() == 1, "it was undone: {:?}", updates(&scene).await?);
    Ok(())
}

async fn an_enrollment_that_is_gone_is_created_anew_only_by_policy(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "removed-elsewhere", json!({})).await?;
    let id = enrollment(&scene).await?.0;
    bed.cps()?.delete_enrollment(id, &DeleteParams::default()).await?;
    scene.until("www", "Stalled", "True", "EnrollmentGone").await?;
    scene.patch("www", json!({"recreatePolicy": "Recreate"})).await?;
    let after = scene
        .until_status("www", "another enrollment", |status| {
            let another = status.enrollment_id.is_some() && status.enrollment_id != before.enrollment_id;
            (another && condition_set::is_true(&status.conditions, "Ready")).then(|| status.clone())
        })
        .await?;
    ensure!(enrollment(&scene).await?.0.0 == u64::try_from(after.enrollment_id.unwrap_or_default())?);
    Ok(())
}

async fn a_certificate_whose_status_was_wiped_finds_its_enrollment_again(bed: &TestBed) -> Result<()> {
    let (scene, before) = ready(bed, "wiped", json!({})).await?;
    let calls = bed.calls().await?.len();
    let wipe = r#"{"status":null}"#;
    bed.kubectl(&[
        "-n",
        "wiped",
        "patch",
        "akcert",
        "www",
        "--subresource=status",
        "--type=merge",
        "-p",
        wipe,
    ])
    .await?;
    let after = scene
        .until_status("www", "Ready again", |status| {
            condition_set::is_true(&status.conditions, "Ready").then(|| status.clone())
        })
        .await?;
    ensure!(after.enrollment_id == before.enrollment_id && serial(&after)? == serial(&before)?);
    let id = enrollment(&scene).await?.0;
    let is_write = |call: &Call| call.method != "GET" && call.enrollment_id == Some(id.0);
    let writes: Vec<Call> = bed.calls().await?.split_off(calls).into_iter().filter(is_write).collect();
    ensure!(scene.enrollments("www").await?.len() == 1, "another enrollment was created");
    ensure!(writes.is_empty(), "{writes:?}");
    Ok(())
}
