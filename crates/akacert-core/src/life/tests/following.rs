//! The pending change, and what is deployed.

use super::*;

#[test]
fn a_change_without_inputs_is_waited_for() {
    let mut scene = Scene::created();
    scene.change("pre-verification-safety-checks", "running", &[]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesPublished", "False", Reason::WaitingForChallenges);
    assert_eq!(decision.status.change.unwrap().status, "pre-verification-safety-checks");
}

#[test]
fn an_unknown_status_means_still_working() {
    let mut scene = Scene::created();
    scene.change("polishing-the-certificate", "running", &[]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Reconciling", "True", Reason::WaitingForChallenges);
}

#[test]
fn both_spellings_of_domain_validation_are_understood() {
    for status in ["coodinate-domain-validation", "coordinate-domain-validation"] {
        let mut scene = Scene::created();
        scene.change(status, "running", &[]);
        assert_says(&scene.next(), "DomainsValidated", "False", Reason::WaitingForValidation);
    }
}

#[test]
fn validated_is_not_taken_for_deployed() {
    let mut scene = Scene::created();
    scene.change("deploy-cert-to-staging", "running", &[]);
    let decision = scene.next();
    assert_says(&decision, "DomainsValidated", "True", Reason::DomainsValidated);
    assert_says(&decision, "Deployed", "False", Reason::WaitingForDeployment);
    assert_says(&decision, "Ready", "False", Reason::WaitingForDeployment);
}

#[test]
fn a_completed_change_is_followed_by_reading_the_deployments() {
    let mut scene = Scene::created();
    scene.change("complete", "completed", &[]);
    assert_step(&scene.next(), "ReadDeployments");
}

#[test]
fn a_change_that_cps_does_not_know_any_more_is_looked_up_in_production_and_then_in_the_enrollment() {
    let mut scene = Scene::created();
    scene.change("check-for-cert", "running", &[]);
    scene.memory.change.as_mut().unwrap().change = None;
    assert_step(&scene.next(), "ReadDeployments");
    scene.deployments(Default::default());
    assert_step(&scene.next(), "ReadEnrollment");
    scene.enrollment(&["www.example.com", "api.example.com"]);
    assert_says(&scene.next(), "Ready", "False", Reason::WaitingForDeployment);
}

#[test]
fn nothing_in_production_is_not_ready() {
    let mut scene = Scene::created();
    scene.change("complete", "completed", &[]);
    scene.deployments(Default::default());
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "False", Reason::WaitingForDeployment);
}

#[test]
fn warnings_are_shown_and_nothing_is_acknowledged_for_the_user() {
    let mut scene = Scene::created();
    scene.change(
        "wait-review-pre-verification-safety-checks",
        "awaiting-input",
        &["pre-verification-warnings-acknowledgement"],
    );
    assert_step(&scene.next(), "ReadWarnings");
    scene.of_change().stop.warnings =
        Some(crate::life::memory::Reading { at: scene.now, value: warnings("DNS name x not CNAMEd") });
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::WarningsNeedApproval);
    assert!(
        condition_set::find(&decision.status.conditions, "Stalled")
            .unwrap()
            .message
            .contains("DNS name x not CNAMEd")
    );
}

#[test]
fn a_failed_change_needs_a_human() {
    let mut scene = Scene::created();
    scene.change("check-for-cert", "error", &[]);
    assert_says(&scene.next(), "Stalled", "True", Reason::ChangeFailed);
}

#[test]
fn an_immutable_field_that_the_user_changed_is_refused() {
    let mut scene = Scene::created();
    scene.change("check-for-cert", "running", &[]);
    scene.enrollment(&["www.example.com", "api.example.com"]);
    scene.certificate.spec.network =
        serde_json::from_value(serde_json::json!({"secureNetwork": "EnhancedTLS"})).unwrap();
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::Immutable);
}
