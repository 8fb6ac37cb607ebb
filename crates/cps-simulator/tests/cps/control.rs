//! The control endpoint.

use serde_json::json;

use crate::world::{World, enrollment, eventually};

#[tokio::test]
async fn calls_are_logged_with_what_a_test_counts_by() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.offered(ids).await;
    world.control("DELETE", "/calls", None).await;
    for _ in 0..3 {
        world.cps.change(ids).await;
    }
    world.cps.create(&enrollment(&["www.example.com"])).await;

    let (_, log) = world.control("GET", "/calls", None).await;
    assert_eq!((&log["total"], &log["waiting"]), (&json!(4), &json!(2)));
    let poll = &log["calls"][1];
    assert_eq!(poll["pattern"], "/cps/v2/enrollments/{enrollmentId}/changes/{changeId}");
    assert_eq!((&poll["enrollmentId"], &poll["changeId"]), (&json!(ids.0), &json!(ids.1)));
    assert_eq!(
        (&poll["method"], &poll["status"], &poll["waiting"]),
        (&json!("GET"), &json!(200), &json!(true))
    );
    assert_eq!(poll["bodyHash"], log["calls"][0]["bodyHash"]);
    let refused = &log["calls"][3];
    assert_eq!((&refused["status"], &refused["enrollmentId"]), (&json!(409), &json!(null)));
}

#[tokio::test]
async fn a_create_is_logged_with_the_enrollment_it_made() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    assert_eq!(world.simulator.calls()[0].enrollment_id, Some(e));
}

#[tokio::test]
async fn faults_are_set_as_json() {
    let world = World::start(|_| {}).await;
    let fault =
        json!({"kind": "server-error", "status": 503, "method": "GET", "path": "/enrollments", "count": 1});
    assert_eq!(world.control("POST", "/faults", Some(fault.clone())).await.0, 201);
    assert_eq!(world.control("GET", "/faults", None).await.1, json!([fault]));
    assert_eq!(world.cps.enrollment(1).await.status, 503);
    assert_eq!(world.control("GET", "/faults", None).await.1, json!([]));

    for fault in [
        json!({"kind": "latency", "milliseconds": 5}),
        json!({"kind": "too-many-requests"}),
        json!({"kind": "burst-block"}),
        json!({"kind": "limit-text"}),
        json!({"kind": "concurrent-zone-modification"}),
        json!({"kind": "lost-answer"}),
        json!({"kind": "connection-reset"}),
        json!({"kind": "failed-authorization", "path": "www."}),
    ] {
        assert_eq!(world.control("POST", "/faults", Some(fault.clone())).await.0, 201, "{fault}");
    }
    assert_eq!(world.control("DELETE", "/faults", None).await.0, 204);
    assert_eq!(world.control("GET", "/faults", None).await.1, json!([]));
}

#[tokio::test]
async fn quirks_are_set_as_json() {
    let world = World::start(|_| {}).await;
    assert_eq!(world.control("PUT", "/quirks", Some(json!({"stringIds": true}))).await.0, 204);
    assert_eq!(
        world.control("GET", "/quirks", None).await.1,
        json!({"stringIds": true, "unknownFields": false, "lowercaseZ": false, "omitNulls": false,
            "updateFailsWhileDeploying": false})
    );
}

#[tokio::test]
async fn challenges_can_be_made_to_expire() {
    let world = World::start(|config| config.waits.rotation_gap = crate::world::NEVER).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let path = format!("/enrollments/{}/expire-challenges", ids.0);
    assert_eq!(world.control("POST", "/enrollments/1/expire-challenges", None).await.0, 409);
    world.offered(ids).await;
    assert_eq!(world.control("POST", &path, None).await.0, 204);
    eventually("the challenges are expired", async || {
        let challenges = world.cps.challenges(ids).await.json;
        (challenges["dv"][0]["validationStatus"] == "EXPIRED").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_dump_can_be_loaded_into_another_simulator_and_goes_on_there() {
    let first = World::start(|_| {}).await;
    let (deployed, _) = first.deployed(&["done.example.com"]).await;
    let pending = first.cps.created(&enrollment(&["www.example.com"])).await;
    first.offered(pending).await;
    let (_, dump) = first.control("GET", "/dump", None).await;

    let second = World::start(|_| {}).await;
    assert_eq!(second.control("PUT", "/dump", Some(dump)).await.0, 204);
    assert_eq!(second.cps.deployments(deployed).await.json, first.cps.deployments(deployed).await.json);
    // The first simulator took its order with it, so the second one shows new tokens.
    eventually("the second simulator has placed its order", async || {
        let (old, new) =
            (first.cps.challenges(pending).await.json, second.cps.challenges(pending).await.json);
        (old["dv"][0]["challenges"] != new["dv"][0]["challenges"]).then_some(())
    })
    .await;
    second.finish(pending).await;
    let (new, _) = second.cps.created(&enrollment(&["new.example.com"])).await;
    assert!(new > pending.1, "the numbers go on where the dump ended");
}

#[tokio::test]
async fn the_root_can_be_read() {
    let world = World::start(|_| {}).await;
    let url = format!("http://{}/root", world.simulator.control_address().unwrap());
    let pem = world.http.get(url).send().await.unwrap().text().await.unwrap();
    assert_eq!(pem, world.simulator.root_pem());
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
}
