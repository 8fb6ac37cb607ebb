//! Removing enrollments and cancelling changes.

use serde_json::json;

use crate::client::last_id;
use crate::world::{NEVER, World, enrollment, eventually};

async fn gone(world: &World, enrollment: u64) {
    eventually("the enrollment is gone", async || {
        let answer = world.cps.enrollment(enrollment).await;
        (answer.status == 404).then(|| {
            assert_eq!((answer.slug(), &answer.json["title"]), ("not-found", &json!("Not Found")));
        })
    })
    .await;
}

#[tokio::test]
async fn a_never_deployed_enrollment_is_removed_at_once() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    let answer = world.cps.delete(e, "allow-cancel-pending-changes=true").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, json!({"enrollment": format!("/cps/v2/enrollments/{e}"), "changes": []}));
    assert_eq!(world.cps.enrollment(e).await.json["title"], "Not Found");
}

#[tokio::test]
async fn a_pending_change_blocks_removal_unless_it_may_be_cancelled() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    let answer = world.cps.delete(e, "").await;
    assert_eq!((answer.status, answer.slug()), (409, "invalid-enrollment-state"));
    assert_eq!(world.cps.enrollment(e).await.status, 200);
}

#[tokio::test]
async fn a_deployed_enrollment_is_removed_by_a_change() {
    let world = World::start(|config| config.waits.removal = NEVER).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let answer = world.cps.delete(e, "").await;
    assert_eq!(answer.status, 202);
    let removal = last_id(&answer.json["changes"][0]);
    assert_eq!(world.cps.change((e, removal)).await.json["statusInfo"]["status"], "deprovision-cert");
    let pending = world.cps.enrollment(e).await.json["pendingChanges"].clone();
    assert_eq!(last_id(&pending[0]["location"]), removal);
    // A second request starts no second change.
    assert_eq!(last_id(&world.cps.delete(e, "").await.json["changes"][0]), removal);
}

#[tokio::test]
async fn a_removal_ends_with_404() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    assert_eq!(world.cps.delete(e, "").await.status, 202);
    gone(&world, e).await;
    assert_eq!(world.cps.delete(e, "").await.status, 404);
}

#[tokio::test]
async fn a_live_certificate_is_not_removed() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    world.control("PUT", &format!("/enrollments/{e}/live"), Some(json!(true))).await;
    let answer = world.cps.delete(e, "allow-cancel-pending-changes=true").await;
    assert_eq!((answer.status, answer.slug()), (409, "certificate-live-on-network"));
    assert_eq!(answer.json["title"], "Cannot deprovision certificate(s). Certificate(s) are still live.");
    assert_eq!(
        answer.json["detail"],
        "All Domains Inactive failure. Live certificates found on network: [www.example.com]"
    );
    world.control("PUT", &format!("/enrollments/{e}/live"), Some(json!(false))).await;
    assert_eq!(world.cps.delete(e, "").await.status, 202);
}

#[tokio::test]
async fn cancelling_the_only_change_of_a_never_deployed_enrollment_removes_it() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let answer = world.cps.cancel(ids).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, json!({"change": format!("/cps/v2/enrollments/{}/changes/{}", ids.0, ids.1)}));
    assert_eq!(world.cps.enrollment(ids.0).await.status, 404);
}

#[tokio::test]
async fn a_change_that_is_going_to_production_cannot_be_cancelled() {
    let world = World::start(|config| config.waits.production = NEVER).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "deploy-cert-to-production").await;
    let answer = world.cps.cancel(ids).await;
    assert_eq!((answer.status, answer.slug()), (409, "invalid-enrollment-state"));
}

#[tokio::test]
async fn what_never_was_is_not_found() {
    let world = World::start(|_| {}).await;
    assert_eq!(world.cps.enrollment(1).await.json["title"], "Not Found");
    assert_eq!(world.cps.change((1, 2)).await.slug(), "not-found");
    assert_eq!(world.cps.get("/cps/v2/enrollments/abc", "enrollment.v11").await.status, 404);
}
