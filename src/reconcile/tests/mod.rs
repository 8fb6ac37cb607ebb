//! The loop and its steps against an API server and a CPS in memory: order, preconditions, and what other clients and lost
//! answers do in between.

mod act;
mod cps;
mod records;
mod world;

use std::sync::{Arc, Mutex};

use akacert_api::names::{CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION};
use akacert_core::life::Pause;
use akacert_core::life::fixtures::{self, Scene};
use serde_json::{Value, json};

use crate::cluster::api_server::{ApiServer, Fault};
use cps::{change, problem, taken};
use world::{CERTIFICATE, World};

const LIST: &str = "GET /cps/v2/enrollments";
const CREATE: &str = "POST /cps/v2/enrollments";

/// A CPS without enrollments that takes what it is sent.
fn takes_all(_: &ApiServer, call: &str, _: &Value) -> (u16, Value) {
    match call {
        LIST => (200, json!({"enrollments": []})),
        CREATE => taken(),
        "DELETE /cps/v2/enrollments/10002" => taken(),
        "GET /cps/v2/enrollments/10002/changes/20003" => change(),
        _ => problem(404, "not-found"),
    }
}

fn deleting() -> Scene {
    let mut scene = Scene::new();
    scene.certificate.spec.deletion_policy = Some(akacert_api::policy::DeletionPolicy::Delete);
    scene
}

#[tokio::test]
async fn the_intent_comes_before_the_create_and_the_id_right_after_it() {
    let mut world = World::new(Scene::new(), takes_all).await;
    world.look().await;
    assert_eq!(world.writes(), ["PATCH www", "POST enrollments", "PATCH www"]);
    assert_eq!(world.annotation(ENROLLMENT_ID_ANNOTATION), "10002");
    assert_eq!(world.certificate().metadata.finalizers.unwrap(), [CERTIFICATE_FINALIZER]);
}

#[tokio::test]
async fn what_the_watch_shows_late_is_not_taken_for_news() {
    let mut world = World::new(Scene::new(), takes_all).await;
    let before = world.certificate();
    world.look().await;
    world.api.forget_requests();
    world.look_at(before).await;
    assert_eq!(world.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_status_that_the_api_server_refuses_is_written_by_the_next_look() {
    let mut world = World::new(Scene::new(), takes_all).await;
    world.api.fault("akamaicertificates/www/status", Fault::Refused(500));
    assert!(matches!(world.look().await, Pause::Until(_)));
    assert_eq!(world.reason("Ready"), "");
    world.look().await;
    assert_eq!(world.reason("Ready"), "WaitingForChallenges");
    assert_eq!(world.writes(), ["PATCH www", "POST enrollments", "PATCH www"]);
}

#[tokio::test]
async fn a_watch_that_is_behind_brings_no_old_status_back() {
    let mut world = World::new(Scene::created(), takes_all).await;
    let behind = world.certificate();
    let mut newest = world.api.get(CERTIFICATE).unwrap();
    newest["status"]["failures"] = json!({"count": 3, "last": "2026-11-29T12:00:00Z"});
    world.api.put(CERTIFICATE, &newest);
    world.look_at(behind).await;
    let failures = world.certificate().status.unwrap().failures.unwrap();
    assert_eq!(failures.count, 3);
    let is_status = |request: &String| request.starts_with("PATCH") && request.ends_with("/status");
    assert_eq!(world.api.requests().iter().filter(|request| is_status(request)).count(), 2);
}

#[tokio::test]
async fn a_conflict_that_is_not_about_the_version_waits_as_any_refusal() {
    let mut world = World::new(Scene::created(), takes_all).await;
    world.api.fault("akamaicertificates/www/status", Fault::Refused(409));
    assert!(matches!(world.look().await, Pause::Until(_)));
    let is_status = |request: &String| request.starts_with("PATCH") && request.ends_with("/status");
    assert_eq!(world.api.requests().iter().filter(|request| is_status(request)).count(), 1);
}

#[tokio::test]
async fn nothing_is_created_while_the_intent_cannot_be_recorded() {
    let mut world = World::new(Scene::new(), takes_all).await;
    world.api.fault("akamaicertificates/www", Fault::Refused(500));
    world.api.fault("akamaicertificates/www", Fault::Refused(500));
    assert!(matches!(world.look().await, Pause::Until(_)));
    assert!(!world.writes().contains(&"POST enrollments".to_owned()), "{:?}", world.writes());
}

#[tokio::test]
async fn an_edit_between_the_decision_and_the_intent_decides_anew() {
    let created = Arc::new(Mutex::new(Value::Null));
    let body_of = created.clone();
    let mut world = World::new(Scene::new(), move |api, call, body| {
        if call == CREATE {
            *body_of.lock().unwrap() = body.clone();
        }
        takes_all(api, call, body)
    })
    .await;
    world.api.before_the_next_write(|certificate| {
        certificate["metadata"]["generation"] = json!(2);
        certificate["spec"]["dnsNames"] = json!(["shop.example.com"]);
    });
    world.look().await;
    assert_eq!(world.writes(), ["PATCH www", "PATCH www", "POST enrollments", "PATCH www"]);
    assert_eq!(created.lock().unwrap()["csr"]["sans"], json!(["shop.example.com"]));
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_found_in_the_list_and_not_repeated() {
    let made: Arc<Mutex<Option<Value>>> = Arc::default();
    let in_cps = made.clone();
    let mut world = World::new(Scene::new(), move |api, call, body| match call {
        CREATE => {
            let mut enrollment = body.clone();
            enrollment["id"] = json!(10002);
            enrollment["location"] = json!("/cps/v2/enrollments/10002");
            *in_cps.lock().unwrap() = Some(enrollment);
            problem(504, "gateway-timeout")
        }
        LIST => (200, json!({"enrollments": in_cps.lock().unwrap().iter().collect::<Vec<_>>()})),
        _ => takes_all(api, call, body),
    })
    .await;
    world.look().await;
    assert_eq!(world.annotation(ENROLLMENT_ID_ANNOTATION), "10002", "{}", world.reason("Ready"));
    assert_eq!(world.writes(), ["PATCH www", "POST enrollments", "PATCH www"]);
}

#[tokio::test]
async fn an_enrollment_made_for_a_resource_that_vanished_meanwhile_is_removed_if_it_was_to_be() {
    let vanishes = |api: &ApiServer, call: &str, body: &Value| {
        if call == CREATE {
            api.remove(CERTIFICATE);
        }
        takes_all(api, call, body)
    };
    let mut world = World::new(deleting(), vanishes).await;
    let pause = world.look().await;
    assert!(matches!(pause, Pause::UntilEvent), "{pause:?}");
    assert_eq!(world.writes(), ["PATCH www", "POST enrollments", "PATCH www", "DELETE enrollments/10002"]);

    let mut world = World::new(Scene::new(), vanishes).await;
    world.look().await;
    assert_eq!(world.writes(), ["PATCH www", "POST enrollments", "PATCH www"]);
}

#[tokio::test]
async fn another_resource_of_the_same_name_gets_neither_status_nor_enrollment() {
    let mut world = World::new(Scene::new(), takes_all).await;
    let before = world.certificate();
    world.api.remove(CERTIFICATE);
    let mut other = serde_json::to_value(fixtures::certificate()).unwrap();
    other["metadata"]["uid"] = json!("another");
    world.api.put(CERTIFICATE, &other);
    world.look_at(before).await;
    assert!(!world.writes().iter().any(|write| write.starts_with("POST")), "{:?}", world.writes());
    let other = world.api.get(CERTIFICATE).unwrap();
    assert_eq!(
        (&other["status"]["conditions"], &other["metadata"]["annotations"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn at_rest_one_list_is_read_and_nothing_is_written() {
    let listed = || {
        serde_json::to_value(fixtures::enrollment(10002, &["www.example.com", "api.example.com"])).unwrap()
    };
    let mut world = World::new(Scene::ready(), move |_, call, _| match call {
        LIST => (200, json!({"enrollments": [listed()]})),
        _ => problem(500, "unexpected"),
    })
    .await;
    let pause = world.look().await;
    assert!(matches!(pause, Pause::Until(_)), "{pause:?}");
    assert_eq!(world.calls(), [LIST]);
}
