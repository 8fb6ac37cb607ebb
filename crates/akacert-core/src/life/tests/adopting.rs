//! Existing enrollments: adopted, only observed, or left alone.

use super::*;
use crate::life::answer::Answer;
use crate::life::fixtures::IN_PRODUCTION;
use crate::life::memory::Reading;
use akacert_api::policy::{AdoptionPolicy, ManagementPolicy, RecreatePolicy};

const NAMES: [&str; 2] = ["www.example.com", "api.example.com"];

/// A resource that names an enrollment, which was read with these names.
fn named(found: &[&str]) -> Scene {
    let mut scene = Scene::new();
    scene.certificate.spec.enrollment_id = Some(10002);
    scene.enrollment(found);
    scene
}

#[test]
fn a_named_enrollment_is_read_and_recorded_and_nothing_is_created() {
    let mut scene = named(&NAMES);
    scene.memory.enrollment.reading = None;
    assert_step(&scene.next(), "ReadEnrollment");
    let Step::RecordEnrollment(id) = named(&NAMES).step() else { panic!() };
    assert_eq!(id, EnrollmentId(10002));
}

#[test]
fn an_adopted_enrollment_as_spec_says_is_ready_without_a_write() {
    let mut scene = named(&NAMES);
    scene.annotate("akacert.io/enrollment-id", "10002");
    scene.certificate.metadata.finalizers = Some(vec!["akacert.io/certificate".into()]);
    assert_step(&scene.next(), "ReadDeployments");
    scene.deployments(IN_PRODUCTION.clone());
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    // From now on, the list of this contract shows its renewals.
    assert_eq!(decision.status.contract_id.as_deref(), Some("1-1TJZH5"));
}

#[test]
fn an_enrollment_with_another_common_name_or_with_foreign_names_is_not_adopted() {
    assert_says(&named(&["other.example.com"]).next(), "Stalled", "True", Reason::Conflict);
    assert_says(
        &named(&["www.example.com", "www.example.org"]).next(),
        "Stalled",
        "True",
        Reason::ForeignNames,
    );
}

#[test]
fn an_enrollment_of_another_kind_is_not_adopted() {
    let mut scene = named(&NAMES);
    let found = scene.memory.enrollment.reading.as_mut().unwrap().value.as_mut().unwrap();
    found.validation_type = akamai_cps_types::ValidationType::Ov;
    assert_says(&scene.next(), "Stalled", "True", Reason::NotAdoptable);
}

#[test]
fn a_named_enrollment_that_cps_does_not_have_is_waited_for_whatever_the_policy_for_what_is_gone() {
    let mut scene = named(&NAMES);
    scene.certificate.spec.recreate_policy = Some(RecreatePolicy::Recreate);
    scene.memory.enrollment.reading = Some(Reading { at: scene.now, value: None });
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::NotAdoptable);
}

#[test]
fn where_the_list_shows_what_cps_does_not_have_a_newer_list_decides() {
    let mut scene = Scene::new();
    scene.certificate.spec.adoption_policy = Some(AdoptionPolicy::AdoptOrCreate);
    scene.certificate.spec.recreate_policy = Some(RecreatePolicy::Recreate);
    scene.listed(vec![enrollment(10002, &NAMES)]);
    scene.memory.enrollment.reading = Some(Reading { at: scene.now, value: None });
    assert_step(&scene.next(), "Wait");
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(3600)).unwrap();
    let Next::Do(step) = scene.next().next else { panic!("waits on") };
    assert_eq!(step.name(), "ListEnrollments");
    scene.answer(&step, Answer::Enrollments { begun: scene.now, found: vec![] });
    assert_step(&scene.next(), "RecordIntent");
}

#[test]
fn an_enrollment_of_another_resource_is_not_adopted() {
    let mut scene = named(&NAMES);
    scene.rival = Some("web/www".into());
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::Conflict);
    let message = &condition_set::find(&decision.status.conditions, "Stalled").unwrap().message;
    assert!(message.contains("AkamaiCertificate web/www"), "{message}");
}

#[test]
fn what_an_enrollment_with_our_common_name_means_is_up_to_the_policy() {
    use AdoptionPolicy::{AdoptOnly, AdoptOrCreate, CreateOnly};
    let one = || vec![enrollment(10002, &NAMES)];
    let two = || vec![enrollment(10002, &NAMES), enrollment(10003, &NAMES)];
    let cases = [
        (CreateOnly, one(), Err(Reason::CommonNameTaken)),
        (AdoptOnly, one(), Ok("ReadEnrollment")),
        (AdoptOrCreate, one(), Ok("ReadEnrollment")),
        (AdoptOnly, two(), Err(Reason::NotAdoptable)),
        (AdoptOnly, vec![], Err(Reason::NotAdoptable)),
        (AdoptOrCreate, vec![], Ok("RecordIntent")),
    ];
    for (policy, listed, expected) in cases {
        let mut scene = Scene::new();
        scene.certificate.spec.adoption_policy = Some(policy);
        let count = listed.len();
        scene.listed(listed);
        let decision = scene.next();
        match expected {
            Ok(step) => assert_eq!(step_of(&decision), step, "{policy:?} {count}"),
            Err(reason) => {
                assert_eq!(says(&decision.status, "Stalled").1, reason.as_str(), "{policy:?} {count}")
            }
        }
    }
}

#[test]
fn whoever_observes_reports_differences_and_writes_nothing() {
    let mut scene = named(&["www.example.com"]);
    scene.certificate.spec.management_policy = Some(ManagementPolicy::Observe);
    scene.annotate("akacert.io/enrollment-id", "10002");
    scene.certificate.metadata.finalizers = Some(vec!["akacert.io/certificate".into()]);
    scene.deployments(IN_PRODUCTION.clone());
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    assert_says(&decision, "Drifted", "True", Reason::Drifted);
}

#[test]
fn whoever_observes_does_not_answer_for_others() {
    let mut scene = named(&NAMES);
    scene.certificate.spec.management_policy = Some(ManagementPolicy::Observe);
    scene.annotate("akacert.io/enrollment-id", "10002");
    scene.certificate.metadata.finalizers = Some(vec!["akacert.io/certificate".into()]);
    scene.pending(&NAMES, 20003, "new-certificate");
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "False", Reason::WaitingForValidation);
}

#[test]
fn whoever_observes_creates_nothing_and_deletes_nothing() {
    let mut scene = Scene::new();
    scene.certificate.spec.management_policy = Some(ManagementPolicy::Observe);
    scene.listed(vec![]);
    assert_says(&scene.next(), "Stalled", "True", Reason::NotAdoptable);
    scene.certificate.spec.deletion_policy = Some(akacert_api::policy::DeletionPolicy::Delete);
    assert!(!scene.certificate.spec.deletes_enrollment());
}
