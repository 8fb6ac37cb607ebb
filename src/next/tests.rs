//! The decision, as a specification: what is seen, what is done next, what is reported.

use akamai_cps::types::EnrollmentId;
use kube::ResourceExt;

use super::fixtures::{Scene, domain, enrollment, in_production, play};
use super::snapshot::{Acknowledged, Failure, Probe};
use super::{Decision, Step};
use crate::accounts::View;
use crate::api::reason::Reason;
use crate::api::status::CertificateStatus;
use crate::publish::{self, SolverEndpoint};
use crate::status;

const VALIDATING: (&str, &str, &[&str]) =
    ("coodinate-domain-validation", "awaiting-input", &["lets-encrypt-challenges"]);

fn says(status: &CertificateStatus, type_: &str) -> (String, String) {
    status::find(&status.conditions, type_)
        .map(|condition| (condition.status.clone(), condition.reason.clone()))
        .unwrap_or_default()
}

#[track_caller]
fn assert_says(decision: &Decision, type_: &str, status: &str, reason: Reason) {
    assert_eq!(says(&decision.status, type_), (status.to_owned(), reason.as_str().to_owned()), "{type_}");
}

#[track_caller]
fn assert_step(decision: &Decision, name: &str) {
    assert_eq!(decision.step.name(), name, "{:?}", decision.step);
}

/// Plays the writes of the publisher until everything is published.
fn publish_all(scene: &mut Scene) {
    for _ in 0..20 {
        let Step::Publish(write) = scene.next().step else { return };
        play(&mut scene.published, &write);
    }
    panic!("publishing does not end");
}

/// CPS asks for the challenges of both names; the solver is ready; everything is published.
fn published() -> Scene {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![
        domain("www.example.com", "aaa", "RESPONSE_ERROR"),
        domain("api.example.com", "bbb", "RESPONSE_ERROR"),
    ]);
    scene.published.solver = vec![SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 }];
    publish_all(&mut scene);
    scene
}

/// As `published`, and every token was fetched.
fn reachable() -> Scene {
    let mut scene = published();
    let Step::Probe { hash, .. } = scene.next().step else { panic!("no self-check") };
    scene.memory.probe = Some(Probe { at: scene.now, tokens: hash, failures: Default::default(), failed: 0 });
    scene
}

#[test]
fn a_new_certificate_lists_the_contract_before_anything_is_written() {
    let decision = Scene::new().next();
    assert_step(&decision, "ListEnrollments");
    assert_says(&decision, "Ready", "False", Reason::Creating);
    assert_says(&decision, "Reconciling", "True", Reason::Creating);
    assert_says(&decision, "AccountReady", "True", Reason::AccountReady);
}

#[test]
fn the_intent_is_recorded_before_the_create() {
    let mut scene = Scene::new();
    scene.listed(vec![]);
    let Step::RecordIntent(intent) = scene.next().step else { panic!() };
    assert_eq!((intent.contract_id.as_str(), intent.common_name.as_str()), ("1-1TJZH5", "www.example.com"));
    assert_eq!(intent.existing, vec![]);
}

#[test]
fn with_the_intent_recorded_and_nothing_in_the_list_the_enrollment_is_created() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![]);
    let Step::CreateEnrollment { contract, body } = scene.next().step else { panic!() };
    assert_eq!(contract, "1-1TJZH5");
    assert_eq!(body.csr.cn, "www.example.com");
}

#[test]
fn a_foreign_enrollment_with_the_common_name_is_not_touched() {
    let mut scene = Scene::new();
    scene.listed(vec![enrollment(777, &["www.example.com"])]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::CommonNameTaken);
    let message = &status::find(&decision.status.conditions, "Stalled").unwrap().message;
    assert!(message.contains("enrollment 777"), "{message}");
}

#[test]
fn after_a_crash_the_intended_enrollment_is_taken_up() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![enrollment(10002, &["www.example.com", "api.example.com"])]);
    let Step::RecordEnrollment(id) = scene.next().step else { panic!() };
    assert_eq!(id, EnrollmentId(10002));
}

#[test]
fn an_enrollment_that_differs_from_the_intent_is_foreign() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![enrollment(10002, &["www.example.com", "other.example.com"])]);
    assert_says(&scene.next(), "Stalled", "True", Reason::CommonNameTaken);
}

#[test]
fn after_a_lost_answer_nothing_is_created_while_the_enrollment_may_still_show() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![]);
    scene.memory.uncertain_create = Some(scene.now);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "EnrollmentCreated", "False", Reason::UncertainCreate);
    assert_says(&decision, "Ready", "False", Reason::UncertainCreate);
}

#[test]
fn after_a_lost_answer_that_left_no_trace_for_long_the_create_is_sent_again() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![]);
    scene.memory.uncertain_create = Some(scene.now.checked_sub(std::time::Duration::from_secs(600)).unwrap());
    assert_step(&scene.next(), "CreateEnrollment");
}

#[test]
fn a_duplicate_that_the_list_does_not_show_is_elsewhere() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![]);
    scene.memory.duplicate = Some(scene.now);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::CommonNameElsewhere);
}

#[test]
fn a_create_is_sent_only_after_a_list_that_could_show_the_one_before() {
    let second = std::time::Duration::from_secs(1);
    // Nothing was sent yet and the list is old; an answer was lost; CPS refused a duplicate.
    for (lost, refused, patience) in [(false, false, 600), (true, false, 600), (false, true, 1800)] {
        let mut scene = Scene::new();
        scene.intend();
        scene.listed(vec![]);
        scene.memory.uncertain_create = lost.then_some(scene.now);
        scene.memory.duplicate = refused.then_some(scene.now);
        scene.now = scene.now.checked_add(second * patience).unwrap();
        assert_step(&scene.next(), "ListEnrollments");
        scene.listed(vec![]);
        scene.now = scene.now.checked_add(second * 120).unwrap();
        assert_step(&scene.next(), "CreateEnrollment");
    }
}

#[test]
fn a_created_enrollment_is_recorded_before_anything_else() {
    let mut scene = Scene::created();
    scene.certificate.metadata.annotations.as_mut().unwrap().remove("akacert.io/enrollment-id");
    assert_step(&scene.next(), "RecordEnrollment");
}

#[test]
fn missing_contacts_are_named() {
    let mut scene = Scene::new();
    let mut account = super::fixtures::account();
    account.defaults.admin_contact = None;
    scene.view = View::Ready(account.into());
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::ContactsMissing);
    assert!(status::find(&decision.status.conditions, "Stalled").unwrap().message.contains("adminContact"));
}

#[test]
fn an_unknown_contract_is_stalled() {
    let mut scene = Scene::new();
    scene.certificate.spec.contract_id = Some("ctr_9-NOPE".into());
    assert_says(&scene.next(), "Stalled", "True", Reason::ContractUnknown);
}

#[test]
fn an_annotation_that_is_not_allowed_is_refused_before_anything_is_made_in_cps() {
    let mut scene = Scene::new();
    let ingress = &mut scene.certificate.spec.validation.http01.ingress;
    ingress.annotations = Some([("example.com/snippet".to_owned(), "return 200;".to_owned())].into());
    let decision = scene.next();
    assert!(matches!(decision.step, Step::Wait { again: None }));
    assert_says(&decision, "Stalled", "True", Reason::AnnotationNotAllowed);
    assert_says(&decision, "EnrollmentCreated", "False", Reason::AnnotationNotAllowed);
}

#[test]
fn without_its_account_a_certificate_waits() {
    let mut scene = Scene::new();
    scene.view = View::Missing { message: "ClusterAkamaiAccount production does not exist".into() };
    let decision = scene.next();
    assert!(matches!(decision.step, Step::Wait { again: None }));
    assert_says(&decision, "AccountReady", "False", Reason::AccountNotFound);
    assert_says(&decision, "Reconciling", "True", Reason::AccountNotFound);
}

#[test]
fn a_namespace_that_the_account_does_not_allow_is_stalled() {
    let mut scene = Scene::new();
    scene.view = View::NamespaceNotAllowed { message: "not selected".into() };
    assert_says(&scene.next(), "Stalled", "True", Reason::NamespaceNotAllowed);
}

#[test]
fn a_suspended_certificate_does_nothing() {
    let mut scene = Scene::created();
    scene.certificate.spec.suspend = Some(true);
    let decision = scene.next();
    assert!(matches!(decision.step, Step::Wait { again: None }));
    assert_says(&decision, "Ready", "False", Reason::Suspended);
}

#[test]
fn a_suspended_certificate_stays_ready_as_long_as_what_is_deployed_serves_its_names() {
    let mut scene = Scene::created();
    scene.change("complete", "completed", &[]);
    scene.deployments(in_production(&["www.example.com", "api.example.com"]));
    scene.certificate.status = Some(scene.next().status);
    scene.certificate.spec.suspend = Some(true);
    scene.certificate.metadata.generation = Some(2);
    let decision = scene.next();
    assert!(matches!(decision.step, Step::Wait { again: Some(_) }));
    assert_says(&decision, "Ready", "True", Reason::Deployed);

    scene.certificate.spec.dns_names = Some(vec!["api.example.com".into(), "new.example.com".into()]);
    assert_says(&scene.next(), "Ready", "False", Reason::Suspended);

    scene.certificate.spec.dns_names = None;
    assert_says(&scene.next(), "Ready", "True", Reason::Deployed);
    scene.now = "2027-12-31T00:00:00Z".parse().unwrap();
    assert_says(&scene.next(), "Ready", "False", Reason::Suspended);
}

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
fn when_cps_asks_for_challenges_they_are_read() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    assert_step(&scene.next(), "ReadChallenges");
}

#[test]
fn an_empty_list_of_challenges_is_waited_out() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesPublished", "False", Reason::WaitingForChallenges);
}

#[test]
fn tokens_are_published_configmap_first_and_ingress_last() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![domain("www.example.com", "aaa", "RESPONSE_ERROR")]);
    scene.published.solver = vec![SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 }];
    let mut kinds = Vec::new();
    while let Step::Publish(write) = scene.next().step {
        kinds.push(write.to_string().split(' ').nth(1).unwrap().to_owned());
        play(&mut scene.published, &write);
    }
    assert_eq!(kinds, ["ConfigMap", "Service", "EndpointSlice", "Ingress"]);
}

#[test]
fn a_token_for_a_name_that_the_account_does_not_allow_is_not_published() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![domain("www.elsewhere.org", "aaa", "RESPONSE_ERROR")]);
    assert!(!matches!(scene.next().step, Step::Publish(_)));
}

#[test]
fn published_tokens_are_fetched_before_they_are_acknowledged() {
    let decision = published().next();
    assert_step(&decision, "Probe");
    assert_says(&decision, "ChallengesPublished", "True", Reason::ChallengesPublished);
}

#[test]
fn without_a_ready_solver_nothing_is_acknowledged() {
    let mut scene = published();
    scene.published.solver.clear();
    publish_all(&mut scene);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesReachable", "False", Reason::SolverNotReady);
}

#[test]
fn a_failed_self_check_delays_the_acknowledgement_and_not_the_following_of_cps() {
    let mut scene = published();
    let Step::Probe { hash, .. } = scene.next().step else { panic!() };
    let failures = [("www.example.com".to_owned(), "answers with another body".to_owned())].into();
    scene.memory.probe = Some(Probe { at: scene.now, tokens: hash, failures, failed: 1 });
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesReachable", "False", Reason::SelfCheckFailed);
    assert_eq!(decision.status.domains[0].error.as_deref(), Some("answers with another body"));
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(120)).unwrap();
    assert_step(&scene.next(), "ReadChange");
}

#[test]
fn before_the_acknowledgement_the_enrollment_is_read() {
    assert_step(&reachable().next(), "ReadEnrollment");
}

#[test]
fn reachable_tokens_of_our_enrollment_are_acknowledged() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    assert_step(&scene.next(), "Acknowledge");
}

#[test]
fn with_the_self_check_off_the_ingress_controller_has_a_minute_before_tokens_are_acknowledged() {
    let mut scene = published();
    scene.certificate.spec.validation.self_check = Some(crate::api::certificate::SelfCheck::Off);
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesReachable", "True", Reason::SelfCheckOff);
    assert_says(&decision, "DomainsValidated", "False", Reason::ChallengesPublished);

    scene.now = scene.now.checked_add(std::time::Duration::from_secs(70)).unwrap();
    let decision = scene.next();
    assert_step(&decision, "Acknowledge");
    assert_says(&decision, "ChallengesReachable", "True", Reason::SelfCheckOff);
}

#[test]
fn an_enrollment_with_a_name_that_the_account_does_not_allow_is_not_written_to() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com", "www.elsewhere.org"]);
    let decision = scene.next();
    assert!(!matches!(decision.step, Step::Acknowledge { .. }));
    assert_says(&decision, "DomainsValidated", "False", Reason::ForeignNames);
}

#[test]
fn an_enrollment_with_another_common_name_is_not_ours() {
    let mut scene = reachable();
    scene.enrollment(&["shop.example.com"]);
    assert_says(&scene.next(), "Stalled", "True", Reason::Conflict);
}

#[test]
fn an_acknowledgement_is_not_repeated_while_cps_works() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let Step::Acknowledge { change, tokens, .. } = scene.next().step else { panic!() };
    scene.memory.acknowledged = Some(Acknowledged { change, tokens, at: scene.now });
    scene.memory.enrollment = None;
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "DomainsValidated", "False", Reason::WaitingForValidation);
}

#[test]
fn rotated_tokens_are_published_beside_the_old_ones_and_acknowledged_again() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let Step::Acknowledge { change, tokens, .. } = scene.next().step else { panic!() };
    scene.memory.acknowledged = Some(Acknowledged { change, tokens, at: scene.now });
    scene.challenges(vec![
        domain("www.example.com", "ccc", "RESPONSE_ERROR"),
        domain("api.example.com", "bbb", "RESPONSE_ERROR"),
    ]);
    publish_all(&mut scene);
    let paths: Vec<_> = publish::published_tokens(scene.published.config_map.as_ref().unwrap())
        .into_iter()
        .map(|token| token.path.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    let Step::Probe { hash, .. } = scene.next().step else { panic!() };
    scene.memory.probe = Some(Probe { at: scene.now, tokens: hash, failures: Default::default(), failed: 0 });
    assert_step(&scene.next(), "Acknowledge");
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
    scene.memory.warnings =
        Some(super::snapshot::Reading { at: scene.now, value: "DNS name x not CNAMEd".into() });
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::WarningsNeedApproval);
    assert!(
        status::find(&decision.status.conditions, "Stalled")
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

#[test]
fn a_name_that_the_user_added_later_is_not_hidden() {
    let mut scene = Scene::created();
    scene.change("check-for-cert", "running", &[]);
    scene.enrollment(&["www.example.com", "api.example.com"]);
    scene.certificate.spec.dns_names = Some(vec!["api.example.com".into(), "new.example.com".into()]);
    assert_says(&scene.next(), "Stalled", "True", Reason::UpdateUnsupported);
}

#[test]
fn a_step_that_failed_waits_for_its_time_and_says_why() {
    let mut scene = Scene::new();
    scene.memory.failure = Some(Failure {
        step: "ListEnrollments",
        reason: Reason::CpsUnavailable,
        message: "CPS does not answer".into(),
        stalled: false,
        count: 1,
        retry_at: scene.now.checked_add(std::time::Duration::from_secs(5)).unwrap(),
    });
    let decision = scene.next();
    assert!(matches!(decision.step, Step::Wait { again: Some(wait) } if wait.as_secs() == 5));
    assert_says(&decision, "Ready", "False", Reason::CpsUnavailable);
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(6)).unwrap();
    assert_step(&scene.next(), "ListEnrollments");
}

fn deleted(policy: &str) -> Scene {
    let mut scene = Scene::created();
    scene.certificate.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(scene.now));
    scene.certificate.spec.deletion_policy = Some(serde_json::from_value(policy.into()).unwrap());
    scene
}

#[test]
fn retain_needs_no_credentials() {
    let mut scene = deleted("Retain");
    scene.view = View::Missing { message: "gone".into() };
    assert_step(&scene.next(), "RemoveFinalizer");
}

#[test]
fn delete_without_credentials_is_blocked_visibly_and_released_by_retain() {
    let mut scene = deleted("Delete");
    scene.view = View::Missing { message: "gone".into() };
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::DeletionBlocked);
    scene.certificate.spec.deletion_policy = None;
    assert_step(&scene.next(), "RemoveFinalizer");
}

#[test]
fn delete_reads_the_enrollment_before_it_removes_it() {
    let mut scene = deleted("Delete");
    assert_step(&scene.next(), "ReadEnrollment");
    scene.enrollment(&["www.example.com", "api.example.com"]);
    assert_step(&scene.next(), "DeleteEnrollment");
}

#[test]
fn delete_does_not_remove_an_enrollment_that_is_not_ours() {
    let mut scene = deleted("Delete");
    scene.enrollment(&["shop.example.com"]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::Conflict);
}

#[test]
fn a_removed_enrollment_lets_the_resource_go() {
    let mut scene = deleted("Delete");
    scene.memory.enrollment = Some(super::snapshot::Reading { at: scene.now, value: None });
    assert_step(&scene.next(), "RemoveFinalizer");
}

#[test]
fn what_is_published_goes_before_the_finalizer() {
    let mut scene = published();
    scene.certificate.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(scene.now));
    let mut removed = Vec::new();
    while let Step::Publish(write) = scene.next().step {
        removed.push(write.to_string().split(' ').nth(1).unwrap().to_owned());
        play(&mut scene.published, &write);
    }
    assert_eq!(removed.first().map(String::as_str), Some("Ingress"), "{removed:?}");
    assert_step(&scene.next(), "RemoveFinalizer");
    assert_eq!(scene.certificate.name_any(), "www");
}
