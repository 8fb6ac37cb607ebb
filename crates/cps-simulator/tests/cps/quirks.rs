//! Quirks: ways of writing the same answer, which tests switch at run time.

use cps_simulator::Quirks;
use serde_json::{Value, json};

use crate::world::{World, enrollment};

#[tokio::test]
async fn ids_can_be_strings() {
    let world = World::start(|_| {}).await;
    let mut body = enrollment(&["www.example.com"]);
    body["orgId"] = json!(7);
    let (e, _) = world.cps.created(&body).await;
    let read = world.cps.enrollment(e).await.json;
    assert_eq!((&read["id"], &read["orgId"]), (&json!(e), &json!(7)));
    world.simulator.set_quirks(Quirks { string_ids: true, ..Quirks::default() });
    let read = world.cps.enrollment(e).await.json;
    assert_eq!((&read["id"], &read["orgId"]), (&json!(e.to_string()), &json!("7")));
}

#[tokio::test]
async fn answers_can_hold_fields_that_no_document_names() {
    let world = World::start(|_| {}).await;
    world.simulator.set_quirks(Quirks { unknown_fields: true, ..Quirks::default() });
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let change = world.cps.change(ids).await.json;
    assert_eq!(change["addedLater"], json!({"by": "the simulator"}));
    assert_eq!(change["statusInfo"]["addedLater"], json!({"by": "the simulator"}));
    world.finish(ids).await;
}

#[tokio::test]
async fn timestamps_can_end_in_a_small_z() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let expires = |challenges: &Value| challenges["dv"][0]["expires"].as_str().unwrap().to_owned();
    let usual = expires(&world.offered(ids).await);
    assert!(usual.ends_with('Z'));
    world.simulator.set_quirks(Quirks { lowercase_z: true, ..Quirks::default() });
    assert_eq!(expires(&world.cps.challenges(ids).await.json), usual.replace('Z', "z"));
}

#[tokio::test]
async fn what_has_no_value_is_null_or_missing() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let has = |read: &Value| read.as_object().unwrap().contains_key("orgId");
    assert!(has(&world.cps.enrollment(ids.0).await.json));
    world.simulator.set_quirks(Quirks { omit_nulls: true, ..Quirks::default() });
    assert!(!has(&world.cps.enrollment(ids.0).await.json));
    // A network without a deployment is still null: the document requires both keys.
    assert_eq!(world.cps.deployments(ids.0).await.json, json!({"production": null, "staging": null}));
    world.finish(ids).await;
}
