//! Replacing enrollments: what becomes a change, what CPS saves at once, and what it refuses.

use cps_simulator::{Quirks, Waits};
use serde_json::json;

use crate::client::{Answer, last_id};
use crate::world::{NEVER, World, enrollment, no_waits};

#[tokio::test]
async fn nothing_new_and_other_contacts_are_saved_without_a_change() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let mut body = world.cps.enrollment(e).await.json;
    for round in 0..2 {
        let answer = world.cps.put(e, "", &body).await;
        assert_eq!((answer.status, &answer.json["changes"]), (200, &json!([])), "round {round}");
        body["adminContact"]["phone"] = json!("617-555-0199");
    }
    assert_eq!(world.cps.put(e, "", &body).await.status, 200);
    assert_eq!(world.cps.enrollment(e).await.json["adminContact"]["phone"], "617-555-0199");
}

#[tokio::test]
async fn other_names_are_a_change_with_a_new_certificate() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let before = world.cps.deployments(e).await.json["production"].clone();
    let answer = world.cps.put(e, "", &enrollment(&["www.example.com", "api.example.com"])).await;
    assert_eq!(answer.status, 202);
    let change = last_id(&answer.json["changes"][0]);
    assert_eq!(world.cps.enrollment(e).await.json["pendingChanges"][0]["changeType"], "modify-san");
    assert_eq!(world.cps.deployments(e).await.json["production"], before);
    world.finish((e, change)).await;
    assert_ne!(world.cps.deployments(e).await.json["production"], before);
}

#[tokio::test]
async fn network_settings_are_deployed_with_the_certificate_there_is() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let before = world.cps.deployments(e).await.json["production"].clone();
    let mut body = enrollment(&["www.example.com"]);
    body["networkConfiguration"]["quicEnabled"] = json!(true);
    let answer = world.cps.put(e, "", &body).await;
    assert_eq!(answer.status, 202);
    world.reaches((e, last_id(&answer.json["changes"][0])), "complete").await;
    let after = world.cps.deployments(e).await.json["production"].clone();
    assert_eq!(after["networkConfiguration"]["quicEnabled"], true);
    assert_eq!(after["primaryCertificate"], before["primaryCertificate"]);
}

#[tokio::test]
async fn a_pending_change_is_in_the_way_unless_it_may_be_cancelled() {
    let world = World::start(|_| {}).await;
    let (e, old) = world.cps.created(&enrollment(&["www.example.com"])).await;
    let old_tokens = world.offered((e, old)).await;
    let body = enrollment(&["www.example.com", "api.example.com"]);
    let refused = world.cps.put(e, "", &body).await;
    assert_eq!((refused.status, refused.slug()), (409, "invalid-enrollment-state"));

    let answer = world.cps.put(e, "allow-cancel-pending-changes=true", &body).await;
    assert_eq!(answer.status, 202);
    let new = last_id(&answer.json["changes"][0]);
    assert_eq!(world.cps.change((e, old)).await.status, 404);
    let new_tokens = world.offered((e, new)).await;
    assert_ne!(new_tokens["dv"], old_tokens["dv"]);
    world.finish((e, new)).await;
}

#[tokio::test]
async fn a_cancelled_update_brings_the_enrollment_back() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let answer = world.cps.put(e, "", &enrollment(&["www.example.com", "api.example.com"])).await;
    world.cps.cancel((e, last_id(&answer.json["changes"][0]))).await;
    let read = world.cps.enrollment(e).await.json;
    assert_eq!((&read["csr"]["sans"], &read["pendingChanges"]), (&json!(["www.example.com"]), &json!([])));
}

#[tokio::test]
async fn force_renewal_orders_a_new_certificate_for_the_same_body() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let body = world.cps.enrollment(e).await.json;
    let answer = world.cps.put(e, "force-renewal=true", &body).await;
    assert_eq!(answer.status, 202);
    assert_eq!(world.cps.enrollment(e).await.json["pendingChanges"][0]["changeType"], "renewal");
}

#[tokio::test]
async fn what_is_fixed_at_creation_cannot_be_changed() {
    let world = World::start(|config| config.waits.complete_visible = NEVER).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    for (pointer, value) in [
        ("/csr/cn", json!("other.example.com")),
        ("/networkConfiguration/secureNetwork", json!("standard-tls")),
    ] {
        let mut body = enrollment(&["www.example.com"]);
        *body.pointer_mut(pointer).unwrap() = value;
        let answer = world.cps.put(e, "", &body).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json["detail"], format!("Field {pointer} cannot be changed."));
    }
    let mut body = enrollment(&["www.example.com"]);
    body["networkConfiguration"]["sniOnly"] = json!(false);
    body["networkConfiguration"]["dnsNameSettings"] = json!(null);
    let answer = world.cps.put(e, "", &body).await;
    assert_eq!(answer.json["detail"], "Field /networkConfiguration/sniOnly cannot be changed.");
}

async fn update(world: &World, enrollment_id: u64) -> Answer {
    let body = enrollment(&["www.example.com", "api.example.com"]);
    world.cps.put(enrollment_id, "allow-cancel-pending-changes=true", &body).await
}

#[tokio::test]
async fn an_update_while_cps_deploys_can_fail_with_a_server_error() {
    for (status, waits) in [
        ("deploy-cert-to-staging", Waits { staging: NEVER, ..no_waits() }),
        ("live-check-action", Waits { live_check: NEVER, ..no_waits() }),
        ("deploy-cert-to-production", Waits { production: NEVER, ..no_waits() }),
    ] {
        let world = World::start(|config| config.waits = waits).await;
        let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
        world.publish(&world.offered(ids).await);
        world.cps.acknowledge(ids).await;
        world.reaches(ids, status).await;
        world.simulator.set_quirks(Quirks { update_fails_while_deploying: true, ..Quirks::default() });
        assert_eq!(update(&world, ids.0).await.status, 500, "{status}");
        assert_eq!(world.cps.change(ids).await.json["statusInfo"]["status"], status);

        world.simulator.set_quirks(Quirks::default());
        let answer = update(&world, ids.0).await;
        assert_eq!(answer.status, 202, "{status}");
        assert_eq!(world.cps.change((ids.0, last_id(&answer.json["changes"][0]))).await.status, 200);
    }
}

#[tokio::test]
async fn an_update_before_the_deployment_does_not_fail_so() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.offered(ids).await;
    let quirks = json!({"updateFailsWhileDeploying": true});
    assert_eq!(world.control("PUT", "/quirks", Some(quirks)).await.0, 204);
    assert_eq!(update(&world, ids.0).await.status, 202);
}
