//! Point 8: when a certificate goes to production: at the time of its schedule, and by itself before the live one expires.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::change_management::on_staging;
use crate::client::{Answer, Call, last_id};
use crate::world::{World, enrollment, eventually};

fn path((enrollment, change): (u64, u64)) -> String {
    format!("/cps/v2/enrollments/{enrollment}/changes/{change}/deployment-schedule")
}

async fn set(world: &World, ids: (u64, u64), schedule: &Value) -> Answer {
    let call = Call::new("PUT", path(ids), "change-id.v1").body("deployment-schedule.v1", schedule);
    world.cps.send(call).await
}

fn far() -> String {
    let time = Timestamp::now() + SignedDuration::from_hours(24);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A change that has been issued and is not for production before tomorrow.
async fn scheduled(world: &World) -> (u64, u64) {
    let call = Call::new(
        "POST",
        "/cps/v2/enrollments?contractId=C-1&deploy-not-before=2999-01-31",
        "enrollment-status.v1",
    )
    .body("enrollment.v11", &enrollment(&["www.example.com"]));
    let created = world.cps.send(call).await.json;
    let ids = (last_id(&created["enrollment"]), last_id(&created["changes"][0]));
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    eventually("on staging", async || {
        world.cps.deployments(ids.0).await.json["staging"].is_object().then_some(())
    })
    .await;
    ids
}

#[tokio::test]
async fn a_query_parameter_sets_the_schedule_which_the_change_shows() {
    let world = World::start(|_| {}).await;
    let ids = scheduled(&world).await;
    let schedule = json!({"notBefore": "2999-01-31T00:00:00Z", "notAfter": null});
    assert_eq!(world.cps.get(&path(ids), "deployment-schedule.v1").await.json, schedule);
    assert_eq!(world.cps.change(ids).await.json["statusInfo"]["deploymentSchedule"], schedule);
    assert!(world.cps.deployments(ids.0).await.json["production"].is_null());
}

#[tokio::test]
async fn production_begins_once_the_schedule_lets_it() {
    let world = World::start(|_| {}).await;
    let ids = scheduled(&world).await;
    let answer = set(&world, ids, &json!({"notBefore": null, "notAfter": null})).await;
    assert_eq!((answer.status, last_id(&answer.json["change"])), (200, ids.1));
    world.reaches(ids, "complete").await;
    assert!(world.cps.deployments(ids.0).await.json["production"].is_object());
}

#[tokio::test]
async fn schedule_and_change_management_have_both_to_agree() {
    let world = World::start(|_| {}).await;
    let ids = on_staging(&world, "www.example.com").await;
    let schedule = json!({"notBefore": far(), "notAfter": null});
    assert_eq!(set(&world, ids, &schedule).await.status, 200);
    assert_eq!(world.cps.get(&path(ids), "deployment-schedule.v1").await.json, schedule);
    let acknowledge = format!("{}/update/change-management-ack", crate::change_management::link(ids));
    let body = json!({"acknowledgement": "acknowledge"});
    let call = Call::new("POST", acknowledge, "change-id.v1").body("acknowledgement.v1", &body);
    assert_eq!(world.cps.send(call).await.status, 200);
    assert!(world.cps.deployments(ids.0).await.json["production"].is_null());
    set(&world, ids, &json!({"notBefore": null, "notAfter": null})).await;
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn a_schedule_that_is_none_is_refused() {
    let world = World::start(|_| {}).await;
    let ids = on_staging(&world, "www.example.com").await;
    for wrong in [
        json!({"notBefore": "tomorrow"}),
        json!({"notBefore": 7}),
        json!({"from": far()}),
        json!({"notBefore": "2999-01-31T00:00:00Z", "notAfter": "2999-01-30T00:00:00Z"}),
    ] {
        assert_eq!(set(&world, ids, &wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(set(&world, (ids.0, 4711), &json!({"notBefore": null})).await.status, 404);
    let unknown = Call::new("PUT", path(ids), "change-id.v1").body("acknowledgement.v1", &json!({}));
    assert_eq!(world.cps.send(unknown).await.status, 415);
}

#[tokio::test]
async fn what_waits_on_staging_is_pushed_a_week_before_the_live_certificate_expires() {
    let world = World::start(|_| {}).await;
    let seed = json!({"contract": "C-1", "count": 2, "name": "www{n}.example.com", "days": 5});
    let seeded = world.control("POST", "/seed", Some(seed)).await.1;
    let first = seeded["first"].as_u64().unwrap();
    let renewed = async |id: u64| {
        let path = format!("/cps/v2/enrollments/{id}");
        let mut body = world.cps.get(&path, "enrollment.v11").await.json;
        body["changeManagement"] = json!(true);
        let call = Call::new(
            "PUT",
            format!(
                "{path}?force-renewal=true&renewal-date-check-override=true{}",
                if id == first { "" } else { "&deploy-not-before=2999-01-31" }
            ),
            "enrollment-status.v1",
        )
        .body("enrollment.v11", &body);
        let change = last_id(&world.cps.send(call).await.json["changes"][0]);
        world.publish(&world.offered((id, change)).await);
        world.cps.acknowledge((id, change)).await;
        (id, change)
    };
    let pushed = renewed(first).await;
    world.reaches(pushed, "complete").await;
    // A schedule says when, and nobody else.
    let waits = renewed(first + 1).await;
    world.reaches(waits, "wait-ack-change-management").await;
}
