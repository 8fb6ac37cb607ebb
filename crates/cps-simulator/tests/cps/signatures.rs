//! EdgeGrid: the gateway verifies signatures, timestamps and nonces, and refuses with its own 401.

use std::time::Duration;

use jiff::Timestamp;

use crate::client::{Answer, Call};
use crate::world::World;

fn list() -> Call {
    Call::new("GET", "/cps/v2/enrollments?contractId=C-1", "enrollments.v11")
}

fn assert_refused(answer: &Answer, detail: &str) {
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json["type"], "https://problems.luna.akamaiapis.net/-/pep-authn/deny");
    assert_eq!(answer.json["title"], "Not authorized");
    assert_eq!(answer.json["status"], 401);
    assert_eq!(answer.json["detail"], detail);
    assert_eq!(answer.json["method"], "GET");
    assert_eq!(answer.json["clientIp"], "127.0.0.1");
    for field in ["instance", "serverIp", "requestId", "requestTime"] {
        assert!(answer.json[field].is_string(), "{field} is missing");
    }
}

#[tokio::test]
async fn a_good_signature_is_accepted() {
    let world = World::start(|_| {}).await;
    assert_eq!(world.cps.send(list()).await.status, 200);
}

#[tokio::test]
async fn a_signature_with_another_secret_is_refused() {
    let world = World::start(|_| {}).await;
    let answer = world.cps.send(Call { secret: "another-secret", ..list() }).await;
    assert_refused(&answer, "The signature does not match");
}

#[tokio::test]
async fn a_clock_that_is_a_minute_off_is_refused() {
    let world = World::start(|_| {}).await;
    let answer = world.cps.send(Call { time: Timestamp::now() - Duration::from_secs(60), ..list() }).await;
    assert_refused(&answer, "Invalid timestamp");
}

#[tokio::test]
async fn a_nonce_that_was_used_is_refused() {
    let world = World::start(|_| {}).await;
    let call = list();
    assert_eq!(world.cps.send(call.clone()).await.status, 200);
    assert_refused(&world.cps.send(call).await, "Nonce was already used");
}

#[tokio::test]
async fn a_request_without_signature_is_refused() {
    let world = World::start(|_| {}).await;
    let answer = world.http.get(format!("{}/cps/v2/enrollments", world.cps.base)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn an_account_switch_key_is_part_of_what_is_signed_in_either_spelling() {
    let world = World::start(|_| {}).await;
    for key in ["1-ABCD%3A1-2RBL", "1-ABCD:1-2RBL"] {
        let path = format!("/cps/v2/enrollments?contractId=C-1&accountSwitchKey={key}");
        assert_eq!(world.cps.get(path, "enrollments.v11").await.status, 200, "{key}");
    }
    let accounts: Vec<_> = world.simulator.calls().into_iter().map(|call| call.account.unwrap()).collect();
    assert_eq!(accounts, ["1-ABCD:1-2RBL", "1-ABCD:1-2RBL"]);
}
