//! When a certificate goes to production: at the time of its schedule, and by itself before the live one expires.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::change_management::{link, on_staging};
use crate::client::{Answer, Call, last_id, media};
use crate::world::{NEVER, World, enrollment, eventually};

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

/// A schedule that nobody has set.
fn open() -> Value {
    json!({"notBefore": null, "notAfter": null})
}

async fn agree(world: &World, ids: (u64, u64)) {
    let path = format!("{}/update/change-management-ack", link(ids));
    let body = json!({"acknowledgement": "acknowledge"});
    let call = Call::new("POST", path, "change-id.v1").body("acknowledgement.v1", &body);
    assert_eq!(world.cps.send(call).await.status, 200);
}

/// A change with a certificate that must not go to production before a distant day.
async fn scheduled(world: &World) -> (u64, u64) {
    let query = "contractId=C-1&deploy-not-before=2999-01-31";
    let created = world.cps.create_with(query, &enrollment(&["www.example.com"])).await.json;
    let ids = (last_id(&created["enrollment"]), last_id(&created["changes"][0]));
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    eventually("on staging", async || {
        world.cps.deployments(ids.0).await.json["staging"].is_object().then_some(())
    })
    .await;
    ids
}

/// Waits until another enrollment has reached production. Without its schedule, this one would have arrived first.
async fn is_held_back(world: &World, enrollment: u64) {
    world.deployed(&["faster.example.com"]).await;
    assert!(world.cps.deployments(enrollment).await.json["production"].is_null());
}

#[tokio::test]
async fn a_query_parameter_sets_the_schedule_which_the_change_shows() {
    let world = World::start(|_| {}).await;
    let ids = scheduled(&world).await;
    let schedule = json!({"notBefore": "2999-01-31T00:00:00Z", "notAfter": null});
    let answer = world.cps.get(&path(ids), "deployment-schedule.v1").await;
    assert_eq!(answer.header("content-type"), media("deployment-schedule.v1"));
    assert_eq!(answer.json, schedule);
    assert_eq!(world.cps.change(ids).await.json["statusInfo"]["deploymentSchedule"], schedule);
}

#[tokio::test]
async fn an_update_sets_the_schedule_of_its_change_by_days_or_times() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    for (query, schedule) in [
        (
            "deploy-not-before=2999-01-31&deploy-not-after=2999-01-31",
            json!({"notBefore": "2999-01-31T00:00:00Z", "notAfter": "2999-01-31T23:59:59Z"}),
        ),
        (
            "deploy-not-before=2999-01-31T10%3A00%3A00%2B02%3A00&allow-cancel-pending-changes=true",
            json!({"notBefore": "2999-01-31T08:00:00Z", "notAfter": null}),
        ),
    ] {
        let body = enrollment(&["www.example.com", "api.example.com"]);
        let answer = world.cps.put(e, &format!("force-renewal=true&{query}"), &body).await;
        let change = last_id(&answer.json["changes"][0]);
        assert_eq!(world.cps.get(&path((e, change)), "deployment-schedule.v1").await.json, schedule);
    }
    for wrong in ["deploy-not-before=soon", "deploy-not-after=2999-01-31T10:00:00"] {
        assert_eq!(world.cps.put(e, wrong, &enrollment(&["www.example.com"])).await.status, 400, "{wrong}");
        assert_eq!(world.cps.delete(e, wrong).await.status, 400, "{wrong}");
        let query = format!("contractId=C-1&{wrong}");
        let created = world.cps.create_with(&query, &enrollment(&["b.example.com"])).await;
        assert_eq!(created.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn production_begins_once_the_schedule_lets_it() {
    let world = World::start(|_| {}).await;
    let ids = scheduled(&world).await;
    is_held_back(&world, ids.0).await;
    let answer = set(&world, ids, &open()).await;
    assert_eq!((answer.status, last_id(&answer.json["change"])), (200, ids.1));
    world.reaches(ids, "complete").await;
    assert!(world.cps.deployments(ids.0).await.json["production"].is_object());
}

#[tokio::test]
async fn production_begins_by_itself_when_the_time_has_come() {
    let world = World::start(|_| {}).await;
    let ids = scheduled(&world).await;
    let soon = Timestamp::now() + SignedDuration::from_secs(1);
    assert_eq!(set(&world, ids, &json!({"notBefore": soon.to_string()})).await.status, 200);
    world.reaches(ids, "complete").await;
    assert!(Timestamp::now() >= soon);
}

#[tokio::test]
async fn a_change_that_has_missed_its_schedule_waits_for_another_one() {
    let world = World::start(|_| {}).await;
    let ids = scheduled(&world).await;
    let over = json!({"notBefore": "2020-01-31T00:00:00Z", "notAfter": "2020-02-01T00:00:00Z"});
    assert_eq!(set(&world, ids, &over).await.status, 200);
    is_held_back(&world, ids.0).await;
    set(&world, ids, &json!({"notBefore": "2020-01-31T00:00:00Z", "notAfter": far()})).await;
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn a_schedule_is_taken_until_production_begins() {
    let world = World::start(|config| config.waits.live_check = Duration::from_secs(3)).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "live-check-action").await;
    assert_eq!(set(&world, ids, &json!({"notBefore": far()})).await.status, 200);
    is_held_back(&world, ids.0).await;
    set(&world, ids, &open()).await;
    world.reaches(ids, "complete").await;
    assert_eq!(set(&world, ids, &open()).await.status, 404);

    let world = World::start(|config| config.waits.production = NEVER).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "deploy-cert-to-production").await;
    let late = set(&world, ids, &json!({"notBefore": far()})).await;
    assert_eq!((late.status, late.slug()), (409, "invalid-enrollment-state"));
}

#[tokio::test]
async fn schedule_and_change_management_have_both_to_agree() {
    let world = World::start(|_| {}).await;
    let ids = on_staging(&world, "www.example.com").await;
    let schedule = json!({"notBefore": far(), "notAfter": null});
    assert_eq!(set(&world, ids, &schedule).await.status, 200);
    assert_eq!(world.cps.get(&path(ids), "deployment-schedule.v1").await.json, schedule);
    agree(&world, ids).await;
    is_held_back(&world, ids.0).await;
    set(&world, ids, &open()).await;
    world.reaches(ids, "complete").await;

    // The other way round, the schedule alone is not enough.
    let ids = on_staging(&world, "api.example.com").await;
    set(&world, ids, &json!({"notBefore": "2020-01-31T00:00:00Z"})).await;
    world.deployed(&["fastest.example.com"]).await;
    assert_eq!(world.cps.change(ids).await.json["statusInfo"]["status"], "wait-ack-change-management");
    agree(&world, ids).await;
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn a_dump_keeps_schedule_and_acknowledgement() {
    let first = World::start(|_| {}).await;
    let ids = on_staging(&first, "www.example.com").await;
    let schedule = json!({"notBefore": far(), "notAfter": null});
    set(&first, ids, &schedule).await;
    agree(&first, ids).await;
    let (_, dump) = first.control("GET", "/dump", None).await;

    let second = World::start(|_| {}).await;
    assert_eq!(second.control("PUT", "/dump", Some(dump)).await.0, 204);
    assert_eq!(second.cps.get(&path(ids), "deployment-schedule.v1").await.json, schedule);
    is_held_back(&second, ids.0).await;
    set(&second, ids, &open()).await;
    second.reaches(ids, "complete").await;
}

#[tokio::test]
async fn what_has_begun_is_ended_after_its_schedule_too() {
    let first = World::start(|config| config.waits.production = NEVER).await;
    let ids = first.cps.created(&enrollment(&["www.example.com"])).await;
    first.publish(&first.offered(ids).await);
    first.cps.acknowledge(ids).await;
    first.reaches(ids, "deploy-cert-to-production").await;
    let (_, mut dump) = first.control("GET", "/dump", None).await;
    let schedule = json!({"notBefore": null, "notAfter": "2020-02-01T00:00:00Z"});
    dump["enrollments"][ids.0.to_string()]["changes"][0]["schedule"] = schedule;

    let second = World::start(|_| {}).await;
    assert_eq!(second.control("PUT", "/dump", Some(dump)).await.0, 204);
    second.reaches(ids, "complete").await;
}

#[tokio::test]
async fn a_removal_waits_for_its_schedule() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let answer = world.cps.delete(e, "deploy-not-before=2999-01-31").await;
    let removal = (e, last_id(&answer.json["changes"][0]));
    let schedule = json!({"notBefore": "2999-01-31T00:00:00Z", "notAfter": null});
    assert_eq!(world.cps.change(removal).await.json["statusInfo"]["deploymentSchedule"], schedule);
    world.deployed(&["faster.example.com"]).await;
    assert_eq!(world.cps.enrollment(e).await.status, 200);
    assert_eq!(set(&world, removal, &open()).await.status, 200);
    eventually("the enrollment is gone", async || {
        (world.cps.enrollment(e).await.status == 404).then_some(())
    })
    .await;
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
    assert_eq!(world.cps.get(&path((ids.0, 4711)), "deployment-schedule.v1").await.status, 404);
    let unknown = Call::new("PUT", path(ids), "change-id.v1").body("acknowledgement.v1", &json!({}));
    assert_eq!(world.cps.send(unknown).await.status, 415);
    assert_eq!(world.cps.get(&path(ids), "change-id.v1").await.status, 406);
    assert_eq!(world.cps.get(&path(ids), "deployment-schedule.v1").await.json, open());
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
    // With a schedule, only the schedule sets the time.
    let waits = renewed(first + 1).await;
    world.reaches(waits, "wait-ack-change-management").await;
    world.deployed(&["faster.example.com"]).await;
    let change = world.cps.change(waits).await.json;
    assert_eq!(change["statusInfo"]["state"], "awaiting-input");
    set(&world, waits, &open()).await;
    world.reaches(waits, "complete").await;
}
