//! What CPS begins by itself while the certificate serves, and what it waits for.

use std::time::Duration;

use akamai_cps_types::Deployments;
use jiff::Timestamp;

use super::*;
use crate::life::memory::Reading;
use crate::life::step::Warnings;
use akacert_api::policy::{Approve, DeploymentPolicy, WarningsPolicy};

const NAMES: [&str; 2] = ["www.example.com", "api.example.com"];

/// The certificate is Ready, and CPS has begun a renewal.
fn renewing() -> Scene {
    let mut scene = Scene::ready();
    scene.pending(&NAMES, 20003, "renewal");
    scene
}

#[test]
fn at_rest_the_list_of_the_contract_is_read_at_its_moment() {
    let mut scene = Scene::ready();
    let decision = scene.next();
    let Next::Pause(Pause::Until(again)) = decision.next else { panic!() };
    assert_eq!(decision.status, scene.certificate.status.clone().unwrap());
    scene.now = again;
    assert_step(&scene.next(), "Watch");
    scene.enrollment(&NAMES);
    assert_step(&scene.next(), "Wait");
}

#[test]
fn once_a_renewal_is_due_the_list_is_read_more_often() {
    let mut scene = Scene::ready();
    let far = scene.next();
    scene.memory.enrollment.quiet.as_mut().unwrap().renewal_start = Some(scene.now);
    let near = scene.next();
    let (Next::Pause(Pause::Until(far)), Next::Pause(Pause::Until(near))) = (far.next, near.next) else {
        panic!()
    };
    let seconds = |until: Timestamp| until.duration_since(scene.now).as_secs();
    assert_eq!((seconds(far), seconds(near)), (1800, 300));
}

/// CPS says when it begins the next renewal.
fn tells_the_next_renewal(scene: &mut Scene, start: &str) {
    let mut found = crate::life::fixtures::enrollment(10002, &NAMES);
    found.auto_renewal_start_time = Some(start.parse().unwrap());
    scene.memory.enrollment.reading = Some(Reading { at: scene.now, value: Some(Box::new(found)) });
}

#[test]
fn the_moment_of_the_next_renewal_is_written_once_it_is_known() {
    let mut scene = Scene::ready();
    assert_eq!(scene.certificate.status.as_ref().unwrap().next_renewal_time, None);
    tells_the_next_renewal(&mut scene, "2027-12-11T00:00:00Z");
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_eq!(decision.status.next_renewal_time.as_ref().unwrap().0.to_string(), "2027-12-11T00:00:00Z");
    scene.certificate.status = Some(decision.status.clone());
    scene.memory.enrollment.reading = None;
    assert_eq!(scene.next().status, decision.status);
}

#[test]
fn another_certificate_in_production_has_another_renewal() {
    let mut scene = Scene::ready();
    tells_the_next_renewal(&mut scene, "2027-12-11T00:00:00Z");
    scene.certificate.status = Some(scene.next().status);
    scene.pending(&NAMES, 20003, "renewal");
    scene.change("complete", "completed", &[]);
    scene.deployments(crate::life::fixtures::in_production(&NAMES));
    scene.enrollment(&NAMES);
    scene.certificate.status.as_mut().unwrap().change = None;
    scene.certificate.metadata.generation = Some(2);
    scene.memory.generation.number = 2;
    assert_eq!(scene.next().status.next_renewal_time, None);
}

#[test]
fn a_renewal_that_nobody_saw_is_told_by_the_next_one() {
    let mut scene = Scene::ready();
    tells_the_next_renewal(&mut scene, "2027-12-11T00:00:00Z");
    scene.certificate.status = Some(scene.next().status);
    let fingerprint = |status: &CertificateStatus| {
        status.deployments.as_ref().unwrap().production.as_ref().unwrap().fingerprint.clone()
    };
    let before = fingerprint(scene.certificate.status.as_ref().unwrap());
    assert_step(&scene.next(), "Wait");
    scene.now = scene.now.checked_add(Duration::from_secs(1)).unwrap();
    tells_the_next_renewal(&mut scene, "2028-02-09T00:00:00Z");
    assert_step(&scene.next(), "ReadDeployments");
    scene.deployments(crate::life::fixtures::in_production(&NAMES));
    let status = scene.next().status;
    assert_ne!(fingerprint(&status), before);
    assert!(condition_set::is_true(&status.conditions, "Ready"));
}

#[test]
fn a_renewal_is_followed_while_ready_stays() {
    let mut scene = renewing();
    assert_step(&scene.next(), "ReadChange");
    scene.change("pre-verification-safety-checks", "running", &[]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    assert_says(&decision, "Renewing", "True", Reason::WaitingForChallenges);
    assert_eq!(says(&decision.status, "Reconciling"), Default::default());
    assert_eq!(decision.status.change.unwrap().change_type.as_deref(), Some("renewal"));
}

#[test]
fn a_renewal_that_needs_a_human_does_not_make_the_certificate_stalled() {
    let mut scene = renewing();
    scene.change(
        "wait-review-pre-verification-safety-checks",
        "awaiting-input",
        &["pre-verification-warnings-acknowledgement"],
    );
    scene.of_change().stop.warnings = Some(Reading { at: scene.now, value: warnings("something new") });
    let decision = scene.next();
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    assert_says(&decision, "Renewing", "True", Reason::WarningsNeedApproval);
    assert_eq!(says(&decision.status, "Stalled"), Default::default());
}

#[test]
fn a_renewal_that_is_late_says_so_and_one_that_is_too_late_is_not_ready() {
    let mut scene = renewing();
    // Valid from 2026-11-01 to 2027-12-31: 425 days.
    for (now, ready, reason) in [
        ("2027-10-30T00:00:00Z", "True", Reason::RenewalLate),
        ("2027-12-20T00:00:00Z", "False", Reason::ExpiringSoon),
    ] {
        scene.now = now.parse().unwrap();
        scene.pending(&NAMES, 20003, "renewal");
        scene.change("pre-verification-safety-checks", "running", &[]);
        let decision = scene.next();
        assert_eq!(says(&decision.status, "Ready").0, ready);
        let told = if ready == "True" { "Renewing" } else { "Ready" };
        assert_eq!(says(&decision.status, told).1, reason.as_str());
    }
}

#[test]
fn a_certificate_that_nobody_renews_is_not_ready_shortly_before_its_end() {
    let mut scene = Scene::ready();
    scene.now = "2027-12-20T00:00:00Z".parse().unwrap();
    scene.enrollment(&NAMES);
    scene.deployments(crate::life::fixtures::IN_PRODUCTION.clone());
    assert_says(&scene.next(), "Ready", "False", Reason::ExpiringSoon);
}

/// A first certificate whose change stopped at warnings.
fn warned(text: &str) -> Scene {
    let mut scene = Scene::created();
    scene.change(
        "wait-review-pre-verification-safety-checks",
        "awaiting-input",
        &["pre-verification-warnings-acknowledgement"],
    );
    scene.of_change().stop.warnings = Some(Reading { at: scene.now, value: warnings(text) });
    scene.enrollment(&NAMES);
    scene
}

#[test]
fn warnings_on_the_list_are_acknowledged() {
    let mut scene = warned("DNS name www.example.com not CNAMEd for auto validation.");
    scene.certificate.spec.warnings =
        Some(WarningsPolicy { acknowledge: vec!["DNS_NAME_NOT_CNAMED".into()] });
    assert!(matches!(
        scene.next().next,
        Next::Do(Step::AcknowledgeWarnings(_, _, Warnings::PreVerification))
    ));
    scene.of_change().warnings_told = Some(scene.now);
    assert_step(&scene.next(), "Wait");
}

#[test]
fn other_warnings_wait_for_an_approval_of_these_very_texts() {
    let mut scene = warned("something new");
    scene.certificate.spec.warnings =
        Some(WarningsPolicy { acknowledge: vec!["DNS_NAME_NOT_CNAMED".into()] });
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::WarningsNeedApproval);
    let change = decision.status.change.unwrap();
    assert_eq!(change.warnings[0].message, "something new");
    scene.annotate("akacert.io/approve-warnings", &change.warnings_hash.unwrap());
    assert_step(&scene.next(), "AcknowledgeWarnings");
    scene.of_change().stop.warnings = Some(Reading { at: scene.now, value: warnings("something else") });
    assert_says(&scene.next(), "Stalled", "True", Reason::WarningsNeedApproval);
}

#[test]
fn a_text_that_is_not_there_yet_is_read_again_and_not_acknowledged() {
    let mut scene = warned("");
    scene.certificate.spec.warnings = Some(WarningsPolicy { acknowledge: vec!["All".into()] });
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "False", Reason::WaitingForWarnings);
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(1)).unwrap();
    scene.change(
        "wait-review-pre-verification-safety-checks",
        "awaiting-input",
        &["pre-verification-warnings-acknowledgement"],
    );
    assert_step(&scene.next(), "ReadWarnings");
}

/// A first certificate that is on staging.
fn staged() -> Scene {
    let mut scene = Scene::created();
    scene.change("wait-ack-change-management", "awaiting-input", &["change-management"]);
    let mut deployments = crate::life::fixtures::IN_PRODUCTION.clone();
    deployments.staging = deployments.production.take();
    scene.deployments(deployments);
    scene.enrollment(&NAMES);
    scene
}

#[test]
fn what_is_on_staging_waits_for_the_approval_of_its_change() {
    let mut scene = staged();
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::DeploymentNeedsApproval);
    assert!(decision.status.deployments.unwrap().staging.is_some());
    scene.annotate("akacert.io/approve-deployment", "20002");
    assert_says(&scene.next(), "Stalled", "True", Reason::DeploymentNeedsApproval);
    scene.annotate("akacert.io/approve-deployment", "20003");
    assert_step(&scene.next(), "ReadStaged");
    scene.of_change().stop.staged = Some(Reading { at: scene.now, value: "da39a3ee".into() });
    assert!(matches!(scene.step(), Step::AcknowledgeDeployment { hash, .. } if hash == "da39a3ee"));
}

#[test]
fn what_is_on_staging_goes_on_by_itself_once_it_was_verified_where_policy_says_so() {
    let mut scene = staged();
    scene.certificate.spec.deployment = Some(DeploymentPolicy { approve: Some(Approve::Auto), window: None });
    assert_step(&scene.next(), "ReadStaged");
    scene.deployments(Default::default());
    assert_says(&scene.next(), "Ready", "False", Reason::WaitingForDeployment);
}

#[test]
fn a_name_that_was_added_since_does_not_hold_up_what_waits_on_staging() {
    let mut scene = staged();
    scene.edit(|spec| spec.dns_names.get_or_insert_default().push("new.example.com".into()));
    scene.pending(&NAMES, 20003, "new-certificate");
    assert_says(&scene.next(), "Stalled", "True", Reason::DeploymentNeedsApproval);
    scene.annotate("akacert.io/approve-deployment", "20003");
    assert_step(&scene.next(), "ReadStaged");
}

#[test]
fn a_certificate_that_takes_a_name_out_of_production_never_goes_there_by_itself() {
    let mut scene = Scene::ready();
    scene.certificate.spec.deployment = Some(DeploymentPolicy { approve: Some(Approve::Auto), window: None });
    scene.change("wait-ack-change-management", "awaiting-input", &["change-management"]);
    let mut deployments = crate::life::fixtures::IN_PRODUCTION.clone();
    deployments.staging = crate::life::fixtures::in_production(&["www.example.com"]).production;
    scene.deployments(deployments);
    scene.pending(&["www.example.com"], 20003, "modify-san");
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Renewing", "True", Reason::DeploymentNeedsApproval);
}

#[test]
fn which_names_were_ordered_is_asked_before_the_certificate_on_staging_is_called_invalid() {
    let mut scene = staged();
    let on_staging = crate::life::fixtures::in_production(&["www.example.com"]).production;
    scene.deployments(Deployments { staging: on_staging, ..Deployments::default() });
    scene.memory.enrollment.reading = None;
    assert_step(&scene.next(), "ReadEnrollment");
    scene.pending(&["www.example.com"], 20003, "modify-san");
    assert_says(&scene.next(), "Stalled", "True", Reason::DeploymentNeedsApproval);
}

#[test]
fn a_certificate_is_not_ready_once_cps_shows_nothing_in_production_after_its_renewal() {
    let mut scene = renewing();
    scene.change("deploy-cert-to-production", "running", &[]);
    let decision = scene.next();
    assert_eq!(says(&decision.status, "Ready").0, "True");
    scene.certificate.status = Some(decision.status);
    scene.change("complete", "completed", &[]);
    scene.deployments(Deployments::default());
    assert_says(&scene.next(), "Ready", "False", Reason::WaitingForDeployment);
}
