//! Renewals: CPS begins them by itself, and then refuses requests for another new certificate.

use serde_json::{Value, json};

use crate::client::last_id;
use crate::world::{World, enrollment, eventually};

/// Waits until the enrollment shows a renewal, and returns its number.
async fn renewal(world: &World, enrollment: u64) -> u64 {
    eventually("a renewal", async || {
        let pending = world.cps.enrollment(enrollment).await.json["pendingChanges"][0].clone();
        (pending["changeType"] == "renewal").then(|| last_id(&pending["location"]))
    })
    .await
}

fn certificate(deployments: &Value) -> Value {
    deployments["production"]["primaryCertificate"]["certificate"].clone()
}

#[tokio::test]
async fn cps_begins_a_renewal_at_its_time_and_deploys_another_certificate() {
    let world = World::start(|config| config.speed = 1000.0).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let before = certificate(&world.cps.deployments(e).await.json);
    let now = jiff::Timestamp::now().to_string();
    let path = format!("/enrollments/{e}/renewal-start");
    assert_eq!(world.control("PUT", &path, Some(json!(now))).await.0, 204);
    let change = renewal(&world, e).await;
    world.finish((e, change)).await;
    assert_ne!(certificate(&world.cps.deployments(e).await.json), before);
    assert_eq!(world.cps.enrollment(e).await.json["pendingChanges"], json!([]));
}

#[tokio::test]
async fn the_time_of_the_renewal_is_shown() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let usual = world.cps.enrollment(e).await.json["autoRenewalStartTime"].clone();
    let path = format!("/enrollments/{e}/renewal-start");
    world.control("PUT", &path, Some(json!("2040-01-02T03:04:05Z"))).await;
    assert_eq!(world.cps.enrollment(e).await.json["autoRenewalStartTime"], "2040-01-02T03:04:05Z");
    world.control("PUT", &path, Some(Value::Null)).await;
    assert_eq!(world.cps.enrollment(e).await.json["autoRenewalStartTime"], usual);
}

#[tokio::test]
async fn a_renewal_can_be_begun_by_hand_once_at_a_time() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    let path = format!("/enrollments/{e}/renew");
    assert_eq!(world.control("POST", &path, None).await.0, 409);
    let (e, _) = world.deployed(&["api.example.com"]).await;
    let path = format!("/enrollments/{e}/renew");
    assert_eq!(world.control("POST", &path, None).await.0, 204);
    renewal(&world, e).await;
    assert_eq!(world.control("POST", &path, None).await.0, 409);
    assert_eq!(world.control("POST", "/enrollments/1/renew", None).await.0, 404);
}

#[tokio::test]
async fn a_new_certificate_is_refused_once_a_renewal_is_due_unless_that_is_overridden() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let past = json!("2020-01-01T00:00:00Z");
    world.control("PUT", &format!("/enrollments/{e}/renewal-start"), Some(past)).await;
    let body = enrollment(&["www.example.com", "api.example.com"]);
    let refused = world.cps.put(e, "", &body).await;
    assert_eq!((refused.status, refused.slug()), (409, "invalid-enrollment-state"));
    let mut contact = enrollment(&["www.example.com"]);
    contact["adminContact"]["phone"] = json!("617-555-0199");
    assert_eq!(world.cps.put(e, "", &contact).await.status, 200);
    assert_eq!(world.cps.put(e, "renewal-date-check-override=true", &body).await.status, 202);
}

#[tokio::test]
async fn many_deployed_enrollments_can_be_made_at_once() {
    let world = World::start(|_| {}).await;
    let seed = json!({"contract": "C-1", "count": 20, "name": "www{n}.seed.example.com", "names": 2});
    let (status, seeded) = world.control("POST", "/seed", Some(seed)).await;
    assert_eq!(status, 200, "{seeded}");
    let first = seeded["first"].as_u64().unwrap();
    assert_eq!(seeded["last"].as_u64().unwrap(), first + 19);
    let read = world.cps.enrollment(first).await.json;
    assert_eq!(read["csr"]["cn"], "www1.seed.example.com");
    assert_eq!(read["csr"]["sans"].as_array().unwrap().len(), 2);
    assert!(certificate(&world.cps.deployments(first).await.json).is_string());
}
