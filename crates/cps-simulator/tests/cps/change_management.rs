//! Change management: the certificate stops on staging until it is acknowledged.

use serde_json::{Value, json};

use crate::client::{Answer, Call, media};
use crate::world::{World, enrollment};

const HASH: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

/// An enrollment whose certificate waits on staging.
pub async fn on_staging(world: &World, name: &str) -> (u64, u64) {
    let mut body = enrollment(&[name]);
    body["changeManagement"] = json!(true);
    let ids = world.cps.created(&body).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "wait-ack-change-management").await;
    ids
}

pub fn link((enrollment, change): (u64, u64)) -> String {
    format!("/cps/v2/enrollments/{enrollment}/changes/{change}/input")
}

async fn acknowledge(world: &World, ids: (u64, u64), content_type: &str, body: Value) -> Answer {
    let path = format!("{}/update/change-management-ack", link(ids));
    world.cps.send(Call::new("POST", path, "change-id.v1").body(content_type, &body)).await
}

#[tokio::test]
async fn the_certificate_waits_on_staging_and_the_input_says_for_what() {
    let world = World::start(|_| {}).await;
    let ids = on_staging(&world, "www.example.com").await;
    let change = world.cps.change(ids).await.json;
    assert_eq!(change["statusInfo"]["state"], "awaiting-input");
    assert_eq!(
        change["allowedInput"],
        json!([{
            "type": "change-management",
            "requiredToProceed": true,
            "info": format!("{}/info/change-management-info", link(ids)),
            "update": format!("{}/update/change-management-ack", link(ids)),
        }])
    );
    let deployments = world.cps.deployments(ids.0).await.json;
    assert!(deployments["staging"].is_object() && deployments["production"].is_null());
}

#[tokio::test]
async fn what_waits_can_be_read_in_both_forms() {
    let world = World::start(|_| {}).await;
    let ids = on_staging(&world, "www.example.com").await;
    let staging = world.cps.deployments(ids.0).await.json["staging"].clone();
    let path = format!("{}/info/change-management-info", link(ids));
    let info = world.cps.get(&path, "change-management-info.v5").await;
    assert_eq!(info.header("content-type"), media("change-management-info.v5"));
    assert_eq!(info.json["validationResultHash"], HASH);
    assert_eq!(
        info.json["pendingState"]["pendingCertificates"][0]["fullCertificate"],
        staging["primaryCertificate"]["certificate"]
    );
    assert_eq!(world.cps.get(&path, "deployment.v8").await.json, staging);
}

#[tokio::test]
async fn an_acknowledgement_with_or_without_hash_lets_it_go_to_production() {
    let world = World::start(|_| {}).await;
    let ids = on_staging(&world, "www.example.com").await;
    let answer =
        acknowledge(&world, ids, "acknowledgement.v1", json!({"acknowledgement": "acknowledge"})).await;
    assert_eq!(answer.status, 200);
    world.reaches(ids, "complete").await;

    let world = World::start(|_| {}).await;
    let ids = on_staging(&world, "www.example.com").await;
    let with_hash = |hash: &str| json!({"acknowledgement": "acknowledge", "hash": hash});
    let stale = acknowledge(&world, ids, "acknowledgement-with-hash.v1", with_hash("stale")).await;
    assert_eq!((stale.status, stale.slug()), (409, "invalid-enrollment-state"));
    let answer = acknowledge(&world, ids, "acknowledgement-with-hash.v1", with_hash(HASH)).await;
    assert_eq!(answer.status, 200);
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn nothing_is_to_acknowledge_before_staging() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.offered(ids).await;
    let answer =
        acknowledge(&world, ids, "acknowledgement.v1", json!({"acknowledgement": "acknowledge"})).await;
    assert_eq!(answer.status, 409);
    let path = format!("{}/info/change-management-info", link(ids));
    assert_eq!(world.cps.get(&path, "change-management-info.v5").await.status, 404);
}
