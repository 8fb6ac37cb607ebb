//! Faults on the way: of CPS, the network, the authority and DNS. There is always one enrollment, and it is Ready in
//! the end.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Call, HOST, NAMESPACE, TestBed};

use crate::scene::{ACKNOWLEDGE, Scene, eventually};

crate::alone![
    a_create_whose_answer_is_lost_is_found_again_and_not_repeated,
    a_create_whose_connection_is_cut_before_it_is_carried_out_is_made_once_it_is_certain_that_it_was_not,
    a_create_that_meets_a_server_error_leaves_one_enrollment,
    a_create_that_is_told_to_come_back_later_is_reported_and_made_then,
    the_text_with_which_cps_reports_the_limit_of_an_account_is_waited_out,
    a_burst_that_the_firewall_blocks_pauses_the_account,
    server_errors_on_reads_are_outlasted,
    an_acknowledgement_whose_answer_is_lost_does_no_harm,
    a_failed_authorization_is_followed_by_another_order,
    an_operator_deleted_while_it_waits_for_validation_goes_on_with_the_same_enrollment,
    answers_that_are_written_in_another_way_than_documented_are_understood,
];

// Faults that concern one enrollment, or one name.
crate::together![
    tokens_that_rotate_are_published_beside_the_old_ones,
    challenges_that_expire_are_replaced,
    a_name_that_leads_elsewhere_holds_back_the_acknowledgement_until_it_is_corrected,
    without_the_self_check_the_challenges_are_acknowledged_once_published,
    cps_may_validate_by_itself_while_the_self_check_fails,
];

const CREATE: &str = "/cps/v2/enrollments";

/// A scene whose account is Ready, so that a fault hits a certificate and not the check of the account.
async fn scene<'a>(bed: &'a TestBed, name: &str) -> Result<Scene<'a>> {
    let scene = Scene::new(bed, name).await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    bed.control("DELETE", "/calls", None).await?;
    Ok(scene)
}

async fn fault(bed: &TestBed, fault: Value) -> Result<()> {
    bed.control("POST", "/faults", Some(fault)).await.map(drop)
}

/// Adds a fault for the next create.
async fn fault_on_create(bed: &TestBed, kind: &str, changes: Value) -> Result<()> {
    let mut wanted = json!({"kind": kind, "method": "POST", "path": "/enrollments?"});
    if let (Value::Object(wanted), Value::Object(changes)) = (&mut wanted, changes) {
        wanted.extend(changes);
    }
    fault(bed, wanted).await
}

async fn all_faults_were_met(bed: &TestBed) -> Result<()> {
    let left = bed.control("GET", "/faults", None).await?;
    ensure!(left == json!([]), "nobody met {left}");
    Ok(())
}

/// The statuses of the answers to all creates.
async fn creates(bed: &TestBed) -> Result<Vec<u16>> {
    let is_create = |call: &Call| call.method == "POST" && call.pattern == CREATE;
    Ok(bed.calls().await?.into_iter().filter(is_create).map(|call| call.status).collect())
}

/// Checks that the certificate is Ready, and that CPS has only its recorded enrollment.
async fn ready_with_one_enrollment(scene: &Scene<'_>, label: &str) -> Result<()> {
    let status = scene.until_ready(label).await?;
    let ids: Vec<_> =
        scene.enrollments(label).await?.iter().filter_map(|found| found.enrollment_id()).collect();
    ensure!(ids.len() == 1 && i64::try_from(ids[0].0).ok() == status.enrollment_id, "{ids:?}");
    Ok(())
}

async fn a_create_whose_answer_is_lost_is_found_again_and_not_repeated(bed: &mut TestBed) -> Result<()> {
    let scene = scene(bed, "lost-answer").await?;
    fault_on_create(bed, "lost-answer", json!({})).await?;
    scene.apply("www", json!({})).await?;
    ready_with_one_enrollment(&scene, "www").await?;
    all_faults_were_met(bed).await?;
    ensure!(creates(bed).await? == [202], "{:?}", creates(bed).await?);
    Ok(())
}

async fn a_create_whose_connection_is_cut_before_it_is_carried_out_is_made_once_it_is_certain_that_it_was_not(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = scene(bed, "reset").await?;
    fault_on_create(bed, "connection-reset", json!({})).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Ready", "False", "UncertainCreate").await?;
    ready_with_one_enrollment(&scene, "www").await?;
    all_faults_were_met(bed).await?;
    ensure!(creates(bed).await? == [202], "{:?}", creates(bed).await?);
    Ok(())
}

async fn a_create_that_meets_a_server_error_leaves_one_enrollment(bed: &mut TestBed) -> Result<()> {
    let scene = scene(bed, "create-error").await?;
    fault_on_create(bed, "server-error", json!({"status": 502})).await?;
    scene.apply("www", json!({})).await?;
    ready_with_one_enrollment(&scene, "www").await?;
    ensure!(creates(bed).await? == [502, 202], "{:?}", creates(bed).await?);
    Ok(())
}

async fn a_create_that_is_told_to_come_back_later_is_reported_and_made_then(bed: &mut TestBed) -> Result<()> {
    let scene = scene(bed, "too-many").await?;
    fault_on_create(bed, "too-many-requests", json!({"seconds": 3})).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Ready", "False", "Throttled").await?;
    ready_with_one_enrollment(&scene, "www").await?;
    ensure!(creates(bed).await? == [429, 202], "{:?}", creates(bed).await?);
    Ok(())
}

async fn the_text_with_which_cps_reports_the_limit_of_an_account_is_waited_out(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = scene(bed, "limit-text").await?;
    fault_on_create(bed, "limit-text", json!({"seconds": 2})).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Ready", "False", "Throttled").await?;
    ready_with_one_enrollment(&scene, "www").await?;
    ensure!(creates(bed).await? == [503, 202], "{:?}", creates(bed).await?);
    Ok(())
}

async fn a_burst_that_the_firewall_blocks_pauses_the_account(bed: &mut TestBed) -> Result<()> {
    let scene = scene(bed, "burst").await?;
    fault_on_create(bed, "burst-block", json!({})).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Ready", "False", "Throttled").await?;
    // The pause is a minute, because the firewall does not say how long. A new operator has no pause.
    restart_operator(bed).await?;
    ready_with_one_enrollment(&scene, "www").await?;
    ensure!(creates(bed).await? == [400, 202], "{:?}", creates(bed).await?);
    Ok(())
}

async fn server_errors_on_reads_are_outlasted(bed: &mut TestBed) -> Result<()> {
    let scene = scene(bed, "read-errors").await?;
    let reads = ["/enrollments?", "/changes/", "/input/info/lets-encrypt-challenges", "/deployments"];
    for (path, status) in reads.into_iter().zip([500, 502, 503, 504]) {
        // More than the client repeats by itself.
        let error =
            json!({"kind": "server-error", "method": "GET", "path": path, "status": status, "count": 4});
        fault(bed, error).await?;
    }
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    // A list that another account made just before serves a create, so these faults may wait for the next list. They
    // are not for the list that the test itself makes.
    eventually("all faults are met", async || Ok(all_faults_were_met(bed).await.ok())).await?;
    ready_with_one_enrollment(&scene, "www").await
}

async fn an_acknowledgement_whose_answer_is_lost_does_no_harm(bed: &mut TestBed) -> Result<()> {
    let scene = scene(bed, "lost-ack").await?;
    fault(bed, json!({"kind": "lost-answer", "method": "POST", "path": ACKNOWLEDGE})).await?;
    scene.apply("www", json!({})).await?;
    ready_with_one_enrollment(&scene, "www").await
}

async fn tokens_that_rotate_are_published_beside_the_old_ones(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "rotate").await?;
    scene.apply_held("www", json!({})).await?;
    let old = scene.published("www").await?;
    ensure!(old.len() == 1, "{old:?}");
    control_enrollment(&scene, "www", "rotate-tokens").await?;
    eventually("the new token is published beside the old one", async || {
        let tokens = scene.published("www").await?;
        Ok((tokens.len() == 2 && tokens.contains(&old[0])).then_some(()))
    })
    .await?;
    scene.lead_back("www").await?;
    ready_with_one_enrollment(&scene, "www").await
}

async fn a_failed_authorization_is_followed_by_another_order(bed: &mut TestBed) -> Result<()> {
    let scene = scene(bed, "failed-authorization").await?;
    fault(bed, json!({"kind": "failed-authorization", "path": scene.host("www")})).await?;
    scene.apply("www", json!({})).await?;
    ready_with_one_enrollment(&scene, "www").await?;
    all_faults_were_met(bed).await
}

async fn challenges_that_expire_are_replaced(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "expire").await?;
    scene.apply_held("www", json!({})).await?;
    let old = scene.published("www").await?;
    control_enrollment(&scene, "www", "expire-challenges").await?;
    eventually("a new token is published", async || {
        Ok(scene.published("www").await?.iter().any(|token| !old.contains(token)).then_some(()))
    })
    .await?;
    scene.lead_back("www").await?;
    ready_with_one_enrollment(&scene, "www").await
}

async fn a_name_that_leads_elsewhere_holds_back_the_acknowledgement_until_it_is_corrected(
    bed: &TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "elsewhere").await?;
    testbed::set_address(&scene.host("www"), "10.77.0.9").await?;
    scene.apply("www", json!({})).await?;
    let message = scene.until_unreachable("www").await?;
    let what = "www.elsewhere.example.com: the A record leads to 10.77.0.9, which";
    ensure!(message.starts_with(what), "{message}");
    ensure!(message.contains("leads to where the name is served"), "it says what to do: {message}");
    ensure!(scene.acknowledgements("www").await? == 0, "it was acknowledged all the same");
    let arguments = ["-n", "elsewhere", "get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"];
    eventually("an event about it", async || {
        Ok(bed.kubectl(&arguments).await?.contains("PreflightFailed").then_some(()))
    })
    .await?;
    scene.lead_back("www").await?;
    ready_with_one_enrollment(&scene, "www").await
}

async fn without_the_self_check_the_challenges_are_acknowledged_once_published(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "unchecked").await?;
    scene.lead_away("www").await?;
    scene.apply("www", json!({"validation": {"selfCheck": "Off"}})).await?;
    eventually("an acknowledgement", async || Ok((scene.acknowledgements("www").await? > 0).then_some(())))
        .await?;
    scene.until("www", "ChallengesReachable", "True", "SelfCheckOff").await?;
    scene.lead_back("www").await?;
    ready_with_one_enrollment(&scene, "www").await
}

async fn cps_may_validate_by_itself_while_the_self_check_fails(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "by-itself").await?;
    // The authority uses the first address. The self-check requires all of them, and refuses the second.
    testbed::set_addresses(&scene.host("www"), &[HOST, "192.168.7.7"]).await?;
    scene.apply("www", json!({})).await?;
    ready_with_one_enrollment(&scene, "www").await?;
    ensure!(scene.acknowledgements("www").await? == 0, "it was acknowledged all the same");
    Ok(())
}

async fn an_operator_deleted_while_it_waits_for_validation_goes_on_with_the_same_enrollment(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = scene(bed, "deleted-operator").await?;
    scene.apply_held("www", json!({})).await?;
    let before = scene.certificates().get("www").await?.status.and_then(|status| status.enrollment_id);
    ensure!(before.is_some());
    restart_operator(bed).await?;
    scene.lead_back("www").await?;
    ready_with_one_enrollment(&scene, "www").await?;
    let after = scene.certificates().get("www").await?.status.and_then(|status| status.enrollment_id);
    ensure!(before == after, "{before:?} {after:?}");
    ensure!(creates(bed).await? == [202], "{:?}", creates(bed).await?);
    Ok(())
}

async fn answers_that_are_written_in_another_way_than_documented_are_understood(
    bed: &mut TestBed,
) -> Result<()> {
    let scene = scene(bed, "quirks").await?;
    let quirks = ["stringIds", "unknownFields", "lowercaseZ", "omitNulls"];
    for quirk in quirks {
        bed.control("PUT", "/quirks", Some(json!({quirk: true}))).await?;
        let label = quirk.to_lowercase();
        scene.apply(&label, json!({})).await?;
        ready_with_one_enrollment(&scene, &label).await.context(quirk)?;
    }
    Ok(())
}

/// Sends a control request about the enrollment of a certificate.
async fn control_enrollment(scene: &Scene<'_>, label: &str, what: &str) -> Result<()> {
    let enrollments = scene.enrollments(label).await?;
    let id = enrollments.first().and_then(|found| found.enrollment_id()).context("no enrollment")?;
    scene.bed.control("POST", &format!("/enrollments/{id}/{what}"), None).await.map(drop)
}

/// Deletes the operator's pod, and waits for the next one.
async fn restart_operator(bed: &TestBed) -> Result<()> {
    let operator = "app.kubernetes.io/component=operator";
    bed.kubectl(&["-n", NAMESPACE, "delete", "pod", "-l", operator, "--wait=true"]).await?;
    bed.rolled_out().await
}
