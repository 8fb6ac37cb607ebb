//! From nothing to a recorded enrollment.

use super::*;

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
    let Step::RecordIntent(intent) = scene.step() else { panic!() };
    assert_eq!((intent.contract_id.as_str(), intent.common_name.as_str()), ("1-1TJZH5", "www.example.com"));
    assert_eq!(intent.existing, vec![]);
}

#[test]
fn with_the_intent_recorded_and_nothing_in_the_list_the_enrollment_is_created() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![]);
    let Step::CreateEnrollment { contract, body } = scene.step() else { panic!() };
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
    let message = &condition_set::find(&decision.status.conditions, "Stalled").unwrap().message;
    assert!(message.contains("enrollment 777"), "{message}");
}

#[test]
fn after_a_crash_the_intended_enrollment_is_taken_up() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![enrollment(10002, &["www.example.com", "api.example.com"])]);
    let Step::RecordEnrollment(id) = scene.step() else { panic!() };
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
    scene.memory.create.attempt = Some(Attempt::AnswerLost(scene.now));
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
    let long_ago = scene.now.checked_sub(std::time::Duration::from_secs(600)).unwrap();
    scene.memory.create.attempt = Some(Attempt::AnswerLost(long_ago));
    assert_step(&scene.next(), "CreateEnrollment");
}

#[test]
fn a_duplicate_that_the_list_does_not_show_is_elsewhere() {
    let mut scene = Scene::new();
    scene.intend();
    scene.listed(vec![]);
    scene.memory.create.attempt = Some(Attempt::NameTaken(scene.now));
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::CommonNameElsewhere);
}

#[test]
fn a_create_is_sent_only_after_a_list_that_could_show_the_one_before() {
    let second = std::time::Duration::from_secs(1);
    // Nothing was sent and the list is old; an answer was lost; CPS refused a duplicate.
    for (lost, refused, patience) in [(false, false, 600), (true, false, 600), (false, true, 1800)] {
        let mut scene = Scene::new();
        scene.intend();
        scene.listed(vec![]);
        let lost = lost.then_some(Attempt::AnswerLost(scene.now));
        scene.memory.create.attempt = lost.or(refused.then_some(Attempt::NameTaken(scene.now)));
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
    let mut account = crate::life::fixtures::account();
    account.defaults.admin_contact = None;
    scene.view = View::Ready(account.into());
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::ContactsMissing);
    assert!(
        condition_set::find(&decision.status.conditions, "Stalled").unwrap().message.contains("adminContact")
    );
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
    let validation = scene.certificate.spec.validation.as_mut().unwrap();
    let ingress = validation.http01.as_mut().unwrap().ingress.as_mut().unwrap();
    ingress.annotations = Some([("example.com/snippet".to_owned(), "return 200;".to_owned())].into());
    let decision = scene.next();
    assert!(matches!(decision.next, Next::Pause(Pause::UntilEvent)));
    assert_says(&decision, "Stalled", "True", Reason::AnnotationNotAllowed);
    assert_says(&decision, "EnrollmentCreated", "False", Reason::AnnotationNotAllowed);
}

#[test]
fn an_intended_enrollment_is_taken_up_although_the_names_in_spec_have_changed_since() {
    let mut scene = Scene::new();
    scene.intend();
    scene.certificate.spec.dns_names = Some(vec!["new.example.com".into()]);
    scene.listed(vec![enrollment(10002, &["www.example.com", "api.example.com"])]);
    let Step::RecordEnrollment(id) = scene.step() else { panic!() };
    assert_eq!(id, EnrollmentId(10002));
}
