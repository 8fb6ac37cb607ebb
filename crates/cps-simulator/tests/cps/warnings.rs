//! Warnings stop a change until the user acknowledges them; CPS may hesitate in several ways.

use serde_json::{Value, json};

use crate::change_management::link;
use crate::client::{Answer, Call};
use crate::world::{World, enrollment};

async fn warn(world: &World, warning: Value) {
    let mut body = json!({"name": "www", "text": "DNS name www.example.com not CNAMEd for auto validation."});
    body.as_object_mut().unwrap().extend(warning.as_object().unwrap().clone());
    assert_eq!(world.control("POST", "/warnings", Some(body)).await.0, 201);
}

async fn info(world: &World, ids: (u64, u64), stage: &str) -> Answer {
    world.cps.get(&format!("{}/info/{stage}-warnings", link(ids)), "warnings.v1").await
}

async fn acknowledge(world: &World, ids: (u64, u64), stage: &str) -> Answer {
    let call = Call::new("POST", format!("{}/update/{stage}-warnings-ack", link(ids)), "change-id.v1");
    world.cps.send(call.body("acknowledgement.v1", &json!({"acknowledgement": "acknowledge"}))).await
}

#[tokio::test]
async fn a_change_stops_before_the_order_until_its_warnings_are_acknowledged() {
    let world = World::start(|_| {}).await;
    warn(&world, json!({"stage": "pre-verification"})).await;
    warn(&world, json!({"stage": "pre-verification", "text": "second"})).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let change = world.reaches(ids, "wait-review-pre-verification-safety-checks").await;
    assert_eq!(change["statusInfo"]["state"], "awaiting-input");
    assert_eq!(
        change["allowedInput"],
        json!([{
            "type": "pre-verification-warnings-acknowledgement",
            "requiredToProceed": true,
            "info": format!("{}/info/pre-verification-warnings", link(ids)),
            "update": format!("{}/update/pre-verification-warnings-ack", link(ids)),
        }])
    );
    let texts = "DNS name www.example.com not CNAMEd for auto validation.\nsecond";
    assert_eq!(info(&world, ids, "pre-verification").await.json["warnings"], texts);
    assert_eq!(info(&world, ids, "post-verification").await.status, 404);
    assert_eq!(acknowledge(&world, ids, "pre-verification").await.status, 200);
    world.finish(ids).await;
    assert_eq!(acknowledge(&world, ids, "pre-verification").await.status, 409);
}

#[tokio::test]
async fn a_certificate_stops_before_staging_until_its_warnings_are_acknowledged() {
    let world = World::start(|_| {}).await;
    warn(&world, json!({"stage": "post-verification"})).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "wait-review-cert-warning").await;
    assert!(world.cps.deployments(ids.0).await.json["staging"].is_null());
    assert_eq!(acknowledge(&world, ids, "post-verification").await.status, 200);
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn a_removal_stops_at_a_warning_without_an_error() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    warn(&world, json!({"stage": "post-verification"})).await;
    let answer =
        world.cps.send(Call::new("DELETE", format!("/cps/v2/enrollments/{e}"), "enrollment-status.v1")).await;
    let removal = (e, crate::client::last_id(&answer.json["changes"][0]));
    world.reaches(removal, "wait-review-cert-warning").await;
    acknowledge(&world, removal, "post-verification").await;
    crate::world::eventually("it is gone", async || {
        (world.cps.enrollment(e).await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn cps_hesitates_as_it_was_seen_to() {
    for (quirk, first) in [("not-found", (404, Value::Null)), ("empty", (200, json!("")))] {
        let world = World::start(|_| {}).await;
        warn(&world, json!({"stage": "pre-verification", "quirk": quirk, "text": "text"})).await;
        let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
        world.reaches(ids, "wait-review-pre-verification-safety-checks").await;
        let answer = info(&world, ids, "pre-verification").await;
        assert_eq!((answer.status, answer.json["warnings"].clone()), first, "{quirk}");
        assert_eq!(info(&world, ids, "pre-verification").await.json["warnings"], "text", "{quirk}");
    }
    let world = World::start(|_| {}).await;
    warn(&world, json!({"stage": "pre-verification", "quirk": "conflict"})).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.reaches(ids, "wait-review-pre-verification-safety-checks").await;
    let refused = acknowledge(&world, ids, "pre-verification").await;
    assert_eq!((refused.status, refused.slug()), (409, "invalid-enrollment-state"));
    assert_eq!(acknowledge(&world, ids, "pre-verification").await.status, 200);
}

#[tokio::test]
async fn warnings_meet_as_many_changes_as_they_are_meant_for_and_can_be_taken_back() {
    let world = World::start(|_| {}).await;
    warn(&world, json!({"stage": "pre-verification", "name": "other"})).await;
    world.deployed(&["www.example.com"]).await;
    assert_eq!(world.control("GET", "/warnings", None).await.1.as_array().unwrap().len(), 1);
    world.control("DELETE", "/warnings", None).await;
    world.deployed(&["other.example.com"]).await;
}
