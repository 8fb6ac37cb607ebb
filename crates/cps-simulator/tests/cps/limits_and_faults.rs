//! The request limits of an account, and faults on demand.

use std::time::{Duration, Instant};

use cps_simulator::{Fault, FaultKind};
use jiff::Timestamp;
use serde_json::json;

use crate::client::Call;
use crate::world::{World, enrollment};

fn fault(kind: FaultKind) -> Fault {
    Fault { kind, method: None, path: None, count: 1 }
}

fn list() -> Call {
    Call::new("GET", "/cps/v2/enrollments?contractId=C-1", "enrollments.v11")
}

#[tokio::test]
async fn the_account_is_limited_and_told_when_to_come_again() {
    let world = World::start(|config| config.request_limits = true).await;
    let mut refused = None;
    for _ in 0..36 {
        let answer = world.cps.send(list()).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let answer = refused.expect("36 requests within a minute are too many");
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json["title"], "HTTP 429 - Too many requests");
    assert_eq!(answer.json["type"], "Too many Requests");
    assert_eq!(answer.json["detail"], "You have exhausted your API Request Quota using Account: <home>");
    let next: Timestamp = answer.header("x-ratelimit-next").parse().unwrap();
    let seconds: i64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds));
    let wait = next.duration_since(Timestamp::now()).as_secs();
    assert!((seconds - 5..=seconds).contains(&wait), "{wait} and {seconds}");
    // The limit concerns neither another account nor the contract list.
    let other = world.cps.get("/cps/v2/enrollments?accountSwitchKey=1-X", "enrollments.v11").await;
    assert_eq!(other.status, 200);
    assert_eq!(world.cps.get("/contract-api/v1/contracts/identifiers", "any").await.status, 200);
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let world = World::start(|config| config.request_limits = false).await;
    for _ in 0..40 {
        assert_eq!(world.cps.send(list()).await.status, 200);
    }
}

#[tokio::test]
async fn faults_answer_in_the_forms_of_the_real_thing() {
    let world = World::start(|_| {}).await;

    world.simulator.inject(fault(FaultKind::TooManyRequests { seconds: 7 }));
    let answer = world.cps.send(list()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));

    world.simulator.inject(fault(FaultKind::BurstBlock));
    let answer = world.cps.send(list()).await;
    assert_eq!((answer.status, answer.header("content-type")), (400, "text/html"));
    assert!(answer.text.contains("deny rule IPBLOCK-BURST4-54013"));

    world.simulator.inject(fault(FaultKind::LimitText { seconds: 60 }));
    let answer = world.cps.send(list()).await;
    assert_eq!((answer.status, answer.header("content-type")), (503, "text/plain"));
    let start = "Your request did not succeed as this operation has reached the limit for your account. Please try after ";
    let next: Timestamp = answer.text.strip_prefix(start).unwrap().parse().unwrap();
    assert!(next > Timestamp::now() + Duration::from_secs(50));

    world.simulator.inject(fault(FaultKind::ServerError { status: 502 }));
    assert_eq!(world.cps.send(list()).await.status, 502);

    assert_eq!(world.cps.send(list()).await.status, 200);
}

#[tokio::test]
async fn latency_delays_an_answer() {
    let world = World::start(|_| {}).await;
    world.simulator.inject(fault(FaultKind::Latency { milliseconds: 300 }));
    let start = Instant::now();
    assert_eq!(world.cps.send(list()).await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_lost_answer_leaves_an_enrollment_behind() {
    let world = World::start(|_| {}).await;
    world.simulator.inject(Fault { method: Some("POST".into()), ..fault(FaultKind::LostAnswer) });
    let call = Call::new("POST", "/cps/v2/enrollments?contractId=C-1", "enrollment-status.v1")
        .body("enrollment.v11", &enrollment(&["www.example.com"]));
    world.cps.try_send(&call).await.expect_err("the connection ends");
    let found = world.cps.send(list()).await;
    assert_eq!(found.json["enrollments"][0]["csr"]["cn"], "www.example.com");
    assert_eq!(world.cps.create(&enrollment(&["www.example.com"])).await.slug(), "duplicate-cn");
}

#[tokio::test]
async fn a_reset_connection_leaves_nothing_behind() {
    let world = World::start(|_| {}).await;
    world.simulator.inject(Fault { method: Some("POST".into()), ..fault(FaultKind::ConnectionReset) });
    let call = Call::new("POST", "/cps/v2/enrollments?contractId=C-1", "enrollment-status.v1")
        .body("enrollment.v11", &enrollment(&["www.example.com"]));
    world.cps.try_send(&call).await.expect_err("the connection ends");
    assert_eq!(world.cps.send(list()).await.json, json!({"enrollments": []}));
}

#[tokio::test]
async fn a_fault_meets_only_what_it_names_and_as_often_as_it_says() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    let kind = FaultKind::ServerError { status: 500 };
    let path = Some("/deployments".to_owned());
    world.simulator.inject(Fault { kind, method: Some("GET".into()), path, count: 2 });
    assert_eq!(world.cps.enrollment(e).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.cps.deployments(e).await.status);
    }
    assert_eq!(statuses, [500, 500, 200]);
}
