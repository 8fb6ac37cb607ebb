//! Challenges of both types: how a change shows them, finds them published, replaces them, and fails.

use std::collections::HashSet;
use std::time::Duration;

use cps_simulator::{Fault, FaultKind};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{NEVER, World, challenge, enrollment, eventually};

fn tokens(challenges: &Value) -> HashSet<String> {
    let domains = challenges["dv"].as_array().unwrap().iter();
    domains.map(|domain| challenge(domain, "http-01")["token"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the change shows other tokens.
async fn rotated(world: &World, ids: (u64, u64), old: &Value) -> Value {
    eventually("there are new tokens", async || {
        let new = world.cps.challenges(ids).await.json;
        (tokens(&new).is_disjoint(&tokens(old))).then_some(new)
    })
    .await
}

fn failed_authorization() -> Fault {
    Fault { kind: FaultKind::FailedAuthorization, method: None, path: Some("api.".into()), count: 1 }
}

#[tokio::test]
async fn every_name_has_a_challenge_of_each_type() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com", "api.example.com"])).await;
    let challenges = world.offered(ids).await;
    let dv = challenges["dv"].as_array().unwrap();
    let names: HashSet<_> = dv.iter().map(|domain| domain["domain"].as_str().unwrap()).collect();
    assert_eq!(names, HashSet::from(["www.example.com", "api.example.com"]));
    for domain in dv {
        let name = domain["domain"].as_str().unwrap();
        assert_eq!(domain["status"], "Awaiting user");
        assert_eq!(domain["validationStatus"], "DATA_NOT_READY");
        let http = challenge(domain, "http-01");
        let token = http["token"].as_str().unwrap();
        assert_eq!(http["status"], "pending");
        assert_eq!(http["fullPath"], format!("http://{name}/.well-known/acme-challenge/{token}"));
        assert_eq!(
            http["redirectFullPath"],
            format!("http://dcv.akamai.com/.well-known/acme-challenge/{token}")
        );
        assert!(http["responseBody"].as_str().unwrap().starts_with(&format!("{token}.")));
        let dns = challenge(domain, "dns-01");
        assert_eq!(dns["fullPath"], format!("_acme-challenge.{name}."));
        assert_eq!(dns["redirectFullPath"], "");
        assert_eq!(dns["responseBody"].as_str().unwrap().len(), 43);
    }
}

#[tokio::test]
async fn a_token_lives_for_a_week() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let domain = world.offered(ids).await["dv"][0].clone();
    let time = |field: &str| domain[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(time("expires").duration_since(time("requestTimestamp")).as_secs(), 7 * 86_400);
    assert!(Timestamp::now().duration_since(time("requestTimestamp")).as_secs() < 30);
}

#[tokio::test]
async fn challenges_are_not_found_before_they_are_ready_and_after_validation() {
    let world = World::start(|config| config.waits.input_window = NEVER).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.reaches(ids, "coodinate-domain-validation").await;
    assert_eq!(world.cps.challenges(ids).await.status, 404);
    assert_eq!(world.cps.acknowledge(ids).await.slug(), "invalid-enrollment-state");

    let world = World::start(|_| {}).await;
    let ids = world.deployed(&["www.example.com"]).await;
    assert_eq!(world.cps.challenges(ids).await.status, 404);
    assert_eq!(world.cps.acknowledge(ids).await.status, 409);
}

#[tokio::test]
async fn published_tokens_are_found_without_an_acknowledgement() {
    let world = World::start(|config| config.waits.self_check = Duration::from_millis(1)).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let challenges = world.offered(ids).await;
    eventually("the simulator has looked", async || {
        let domain = world.cps.challenges(ids).await.json["dv"][0].clone();
        (domain["validationStatus"] == "RESPONSE_ERROR").then(|| {
            assert_eq!(domain["status"], "Awaiting user");
            assert_eq!(domain["error"], "The domain is not ready for validation.");
        })
    })
    .await;
    world.publish(&challenges);
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn one_name_that_is_not_published_holds_up_the_others() {
    let world = World::start(|config| config.waits.self_check = Duration::from_millis(1)).await;
    let ids = world.cps.created(&enrollment(&["www.example.com", "api.example.com"])).await;
    let challenges = world.offered(ids).await;
    let one = json!({"dv": [challenges["dv"][0]]});
    world.publish(&one);
    eventually("the simulator has looked", async || {
        let dv = world.cps.challenges(ids).await.json["dv"].clone();
        (dv[1]["validationStatus"] == "RESPONSE_ERROR").then_some(())
    })
    .await;
    assert_eq!(world.cps.change(ids).await.json["statusInfo"]["state"], "awaiting-input");
    world.publish(&challenges);
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn a_txt_record_is_as_good_as_a_token() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com", "*.example.com"])).await;
    for domain in world.offered(ids).await["dv"].as_array().unwrap() {
        let dns = challenge(domain, "dns-01");
        let name = dns["fullPath"].as_str().unwrap().to_owned();
        let value = dns["responseBody"].as_str().unwrap().to_owned();
        world.txt.lock().unwrap().entry(name).or_default().push(value);
    }
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn a_wildcard_has_a_dns_challenge_only_at_the_base_name() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["*.example.com"])).await;
    let domain = world.offered(ids).await["dv"][0].clone();
    assert_eq!(domain["challenges"].as_array().unwrap().len(), 1);
    assert_eq!(challenge(&domain, "dns-01")["fullPath"], "_acme-challenge.example.com.");
}

#[tokio::test]
async fn an_acknowledgement_is_answered_with_the_change_and_a_second_one_with_409() {
    let world = World::start(|config| config.waits.check_for_cert = NEVER).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    let answer = world.cps.acknowledge(ids).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, json!({"change": format!("/cps/v2/enrollments/{}/changes/{}", ids.0, ids.1)}));
    let again = world.cps.acknowledge(ids).await;
    assert_eq!((again.status, again.slug()), (409, "invalid-enrollment-state"));
}

#[tokio::test]
async fn an_acknowledgement_without_a_published_token_fails_and_brings_new_tokens() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let old = world.offered(ids).await;
    world.cps.acknowledge(ids).await;
    let new = rotated(&world, ids, &old).await;
    assert_eq!(new["dv"][0]["validationStatus"], "RESPONSE_ERROR");
    assert!(new["dv"][0]["error"].as_str().unwrap().contains("404 Not Found"));
    world.finish(ids).await;
}

#[tokio::test]
async fn a_failed_authorisation_is_shown_until_the_next_order() {
    let world = World::start(|config| config.waits.failure_retry = NEVER).await;
    world.simulator.inject(failed_authorization());
    let ids = world.cps.created(&enrollment(&["www.example.com", "api.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    let dv = eventually("the failure is shown", async || {
        let dv = world.cps.challenges(ids).await.json["dv"].clone();
        dv.as_array().unwrap().iter().find(|domain| domain["status"] == "Error").cloned()
    })
    .await;
    assert_eq!(dv["domain"], "api.example.com");
    assert_eq!(dv["validationStatus"], "RESPONSE_ERROR");
    assert_eq!(challenge(&dv, "http-01")["status"], "invalid");
    // The change still offers the input, but accepts no acknowledgement.
    assert_eq!(world.cps.change(ids).await.json["allowedInput"].as_array().unwrap().len(), 1);
    assert_eq!(world.cps.acknowledge(ids).await.status, 409);
}

#[tokio::test]
async fn a_change_goes_on_by_itself_after_a_failed_authorisation() {
    let world = World::start(|config| config.waits.self_check = Duration::from_millis(1)).await;
    world.simulator.inject(failed_authorization());
    let ids = world.cps.created(&enrollment(&["api.example.com"])).await;
    let old = world.offered(ids).await;
    world.publish(&old);
    world.cps.acknowledge(ids).await;
    world.publish(&rotated(&world, ids, &old).await);
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn an_expired_token_is_shown_as_such_and_replaced_after_a_gap() {
    let world = World::start(|config| {
        config.token_life = Duration::from_secs(1);
        config.waits.rotation_gap = NEVER;
    })
    .await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let old = world.offered(ids).await;
    let domain = eventually("the token is expired", async || {
        let domain = world.cps.challenges(ids).await.json["dv"][0].clone();
        (domain["validationStatus"] == "EXPIRED").then_some(domain)
    })
    .await;
    assert_eq!(domain["status"], "Error");
    assert_eq!(domain["error"], "Expired authorization");
    assert_eq!(tokens(&json!({"dv": [domain]})), tokens(&old));

    let world = World::start(|config| config.token_life = Duration::from_secs(1)).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let old = world.offered(ids).await;
    rotated(&world, ids, &old).await;
}

#[tokio::test]
async fn names_validated_with_old_tokens_do_not_pass_with_new_ones() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let old = world.offered(ids).await;
    world.publish(&old);
    world.control("POST", &format!("/enrollments/{}/rotate-tokens", ids.0), None).await;
    let new = rotated(&world, ids, &old).await;
    world.cps.acknowledge(ids).await;
    rotated(&world, ids, &new).await;
}
