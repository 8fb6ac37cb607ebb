//! What single steps make of the world's answers.

use akacert_api::reason::Reason;
use akacert_core::life::Step;
use akacert_core::life::answer::{Answer, FaultKind};
use akacert_core::life::fixtures::Scene;
use akacert_core::life::step::Warnings;
use akamai_cps::types::{ChangeId, EnrollmentId};
use serde_json::json;

use super::cps::{problem, taken};
use super::world::{CERTIFICATE, World};
use crate::cluster::api_server::Fault;

const ENROLLMENT: EnrollmentId = EnrollmentId(10002);
const CHANGE: ChangeId = ChangeId(20003);

/// In which way a step fails when CPS refuses it so.
async fn fault(step: Step, status: u16, kind: &'static str) -> FaultKind {
    let world = World::new(Scene::created(), move |_, _, _| problem(status, kind)).await;
    let answer = world.perform(&step).await.unwrap();
    let Answer::Failed(fault) = answer else { panic!("{answer:?}") };
    fault.kind
}

#[tokio::test]
async fn a_refusal_of_cps_is_told_by_what_has_to_be_done_about_it() {
    let acknowledge = || Step::AcknowledgeWarnings(ENROLLMENT, CHANGE, Warnings::PreVerification);
    let delete = || Step::DeleteEnrollment(ENROLLMENT);
    let cases = [
        (acknowledge(), 400, "invalid", FaultKind::Invalid),
        (acknowledge(), 401, "unauthorized", FaultKind::Other(Reason::AccountNotReady)),
        (acknowledge(), 403, "forbidden", FaultKind::Other(Reason::AccountNotReady)),
        (acknowledge(), 404, "not-found", FaultKind::NotFound),
        (acknowledge(), 409, "conflict", FaultKind::Conflict),
        (acknowledge(), 502, "bad-gateway", FaultKind::OutcomeUnknown),
        (delete(), 409, "certificate-live-on-network", FaultKind::LiveOnNetwork),
    ];
    for (step, status, kind, expected) in cases {
        let name = step.to_string();
        assert_eq!(fault(step, status, kind).await, expected, "{name}: {status} {kind}");
    }
}

#[tokio::test]
async fn a_change_that_cps_does_not_know_any_more_is_an_answer() {
    let world = World::new(Scene::created(), |_, _, _| problem(404, "not-found")).await;
    let answer = world.perform(&Step::ReadChange(ENROLLMENT, CHANGE)).await.unwrap();
    assert!(matches!(answer, Answer::Change(None)), "{answer:?}");
}

#[tokio::test]
async fn an_enrollment_missing_in_the_list_is_read_by_its_id_before_it_counts_as_gone() {
    let world = World::new(Scene::created(), |_, call, _| match call {
        "GET /cps/v2/enrollments" => (200, json!({"enrollments": []})),
        _ => problem(404, "not-found"),
    })
    .await;
    let after = jiff::Timestamp::now();
    let step = Step::Watch { contract: "1-1TJZH5".into(), enrollment: ENROLLMENT, after };
    let answer = world.perform(&step).await.unwrap();
    assert!(matches!(answer, Answer::Enrollment { found: None, .. }), "{answer:?}");
    assert_eq!(world.calls(), ["GET /cps/v2/enrollments", "GET /cps/v2/enrollments/10002"]);
}

#[tokio::test]
async fn certificates_that_need_a_list_at_once_share_one_call() {
    let world = World::new(Scene::new(), |_, _, _| (200, json!({"enrollments": []}))).await;
    let after = jiff::Timestamp::now();
    let list =
        |name: &str| Step::ListEnrollments { contract: "1-1TJZH5".into(), common_name: name.into(), after };
    let (www, api) = (list("www.example.com"), list("api.example.com"));
    let (first, second) = tokio::join!(world.perform(&www), world.perform(&api));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(world.calls(), ["GET /cps/v2/enrollments"]);
}

#[tokio::test]
async fn the_finalizers_of_others_stay_when_ours_goes() {
    let mut scene = Scene::created();
    scene.certificate.metadata.finalizers.as_mut().unwrap().push("example.com/other".into());
    let world = World::new(scene, |_, _, _| taken()).await;
    world.perform(&Step::RemoveFinalizer).await.unwrap();
    assert_eq!(world.certificate().metadata.finalizers.unwrap(), ["example.com/other"]);
}

#[tokio::test]
async fn a_record_on_a_resource_that_changed_meanwhile_is_not_written() {
    let world = World::new(Scene::new(), |_, _, _| taken()).await;
    world.api.before_the_next_write(|certificate| certificate["metadata"]["generation"] = json!(2));
    let answer = world.perform(&Step::RecordEnrollment(ENROLLMENT)).await.unwrap();
    assert!(matches!(answer, Answer::Overtaken), "{answer:?}");
    assert_eq!(world.api.get(CERTIFICATE).unwrap()["metadata"]["annotations"], json!(null));
}

#[tokio::test]
async fn a_resource_that_was_replaced_by_another_is_gone() {
    let world = World::new(Scene::new(), |_, _, _| taken()).await;
    world.api.before_the_next_write(|certificate| certificate["metadata"]["uid"] = json!("another"));
    assert!(world.perform(&Step::RecordEnrollment(ENROLLMENT)).await.is_err());
}

#[tokio::test]
async fn a_refusal_of_the_api_server_is_reported_in_its_own_words() {
    let world = World::new(Scene::new(), |_, _, _| taken()).await;
    world.api.fault(CERTIFICATE, Fault::Refused(403));
    let Ok(Answer::Failed(fault)) = world.perform(&Step::RecordEnrollment(ENROLLMENT)).await else {
        panic!("it is refused");
    };
    assert_eq!(fault.kind, FaultKind::Other(Reason::ClusterError));
    assert_eq!(fault.message, "The Kubernetes API refused a request: a fault of the test");
}
