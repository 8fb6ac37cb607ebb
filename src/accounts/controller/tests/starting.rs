//! What a start of the operator costs: certificates can use at once what the statuses vouch for, and the check comes
//! later.

use super::accepted;
use super::world::{LONG, SHORT, World, until};
use crate::accounts::slots::SLOTS;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("a{number}")).collect()
}

#[tokio::test]
async fn a_hundred_and_fifty_new_accounts_are_checked_side_by_side() {
    let mut world = World::with(&[]).await;
    world.cps.hang(&["*"]);
    world.stop().await;
    for name in names(150) {
        world.cluster.put_secret(&name, &world.cps.host);
        world.cluster.put_account(&name, &name);
    }
    world.start(LONG);
    // If checks ran one after the other, a second one would never begin.
    until("all slots are taken", || world.cps.under_way() >= SLOTS).await;
    world.cps.hang(&[]);
    until("all are Ready", || names(150).iter().all(|name| world.cluster.is_ready(name))).await;
    assert_eq!(world.cps.calls().len(), 150);
    let requests = world.cluster.requests();
    let count = |part: &str| requests.iter().filter(|made| made.contains(part)).count();
    assert_eq!((count("GET"), count("/status"), count("PATCH")), (150, 150, 300));
}

#[tokio::test]
async fn a_hundred_and_fifty_accounts_that_were_ready_are_usable_without_a_call_and_without_a_write() {
    let all = names(150);
    let mut world = World::ready(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    until("the events are sent", || world.cluster.count("/events") == 150).await;
    world.stop().await;
    world.cluster.hold_secrets();
    world.start(LONG);
    until("Secrets are read side by side", || world.cluster.reading().0 == 16).await;
    world.cluster.release_secrets();
    world.operator.accounts.first_look().await;
    for name in &all {
        assert_eq!(world.seen(name), "ready 1-A", "{name}");
    }
    assert_eq!(world.cluster.reading().1, 16);
    assert_eq!(world.cluster.requests().len(), 150);
    assert_eq!(world.cluster.count("GET"), 150);
    assert_eq!(world.cps.calls().len(), 0);
}

#[tokio::test]
async fn certificates_wait_for_no_check() {
    let mut world = World::ready(&["a"]).await;
    world.stop().await;
    world.cps.hang(&["*"]);
    world.cluster.put_secret("new", &world.cps.host);
    world.cluster.put_account("new", "new");
    world.start(LONG);
    world.operator.accounts.first_look().await;
    assert_eq!(world.seen("a"), "ready 1-A");
    assert_eq!(
        world.seen("new"),
        "for now: ClusterAkamaiAccount new is not ready: its credentials are being checked"
    );
}

#[tokio::test]
async fn what_changed_while_no_operator_ran_is_checked_first() {
    let mut world = World::ready(&["secret", "spec", "same"]).await;
    world.stop().await;
    world.cluster.put_secret("secret", &world.cps.host);
    world.cluster.put_account("spec", "spec");
    world.cps.hang(&["*"]);
    world.start(LONG);
    world.operator.accounts.first_look().await;
    for name in ["secret", "spec"] {
        let checking =
            format!("for now: ClusterAkamaiAccount {name} is not ready: its credentials are being checked");
        assert_eq!(world.seen(name), checking);
    }
    assert_eq!(world.seen("same"), "ready 1-A");
    world.cps.hang(&[]);
    for name in ["secret", "spec"] {
        until("it was checked", || world.seen(name) == "ready 1-A" && world.cluster.is_ready(name)).await;
    }
    let mut calls = world.cps.calls();
    calls.sort();
    assert_eq!(calls, ["secret", "spec"]);
}

#[tokio::test]
async fn a_later_check_that_confirms_the_status_writes_nothing_and_wakes_nobody() {
    let mut world = World::ready(&["a"]).await;
    until("the event is sent", || world.cluster.count("/events") == 1).await;
    world.stop().await;
    world.start(SHORT);
    world.operator.accounts.first_look().await;
    world.operator.see_certificates(&["a", "clock"]);
    until("it was checked", || world.cps.calls() == ["a"]).await;
    // This is made, and seen, after the check.
    world.put_secret("clock");
    world.cluster.put_account("clock", "clock");
    until("the clock is Ready", || world.cluster.is_ready("clock")).await;
    let about_a: Vec<_> = world.cluster.requests().into_iter().filter(|made| made.ends_with("/a")).collect();
    assert_eq!(about_a, ["GET /api/v1/namespaces/akacert-system/secrets/a"]);
    assert_eq!(world.cluster.count("/a/status"), 0);
    assert_eq!(world.cps.calls(), ["a", "clock"]);
    assert_eq!(world.operator.woken(), ["clock"]);
}

#[tokio::test]
async fn a_later_check_that_fails_is_reported() {
    let mut world = World::ready(&["a"]).await;
    world.stop().await;
    world.cps.answer("a", 401);
    world.start(SHORT);
    until("it is refused", || world.cluster.reason("a") == "CredentialsRejected").await;
    assert!(
        world.seen("a").starts_with("ClusterAkamaiAccount a is not ready: Akamai refused the credentials")
    );
}

#[tokio::test]
async fn a_later_check_that_finds_other_contracts_is_reported() {
    let mut world = World::ready(&["a"]).await;
    world.stop().await;
    world.cps.contracts("a", &["1-A", "1-B"]);
    world.start(SHORT);
    until("certificates see them", || world.seen("a") == "ready 1-A 1-B").await;
    until("the status has them", || {
        world.cluster.account("a").unwrap().status.unwrap().contracts == ["1-A", "1-B"]
    })
    .await;
}

#[tokio::test]
async fn an_outage_at_the_later_check_takes_nothing_away() {
    let mut world = World::ready(&["a"]).await;
    world.stop().await;
    world.cps.answer("a", 500);
    world.start(SHORT);
    // Each check sends its read three times.
    until("it was checked more than once", || world.cps.calls().len() > 3).await;
    assert_eq!(world.seen("a"), "ready 1-A");
    assert_eq!(world.cluster.ready("a"), accepted());
    assert_eq!(world.cluster.count("/a/status"), 0);
}

#[tokio::test]
async fn an_account_that_could_not_be_used_says_why_at_once_and_is_checked_at_once() {
    let mut world = World::with(&[]).await;
    world.cps.answer("a", 401);
    world.put_secret("a");
    world.cluster.put_account("a", "a");
    until("it is refused", || world.cluster.reason("a") == "CredentialsRejected").await;
    let refused = world.seen("a");
    world.stop().await;
    world.cps.hang(&["a"]);
    world.start(LONG);
    world.operator.accounts.first_look().await;
    assert_eq!(world.seen("a"), refused);
    until("it is checked", || world.cps.under_way() == 1).await;
    world.cps.answer("a", 200);
    world.cps.hang(&[]);
    until("it is Ready", || world.cluster.is_ready("a") && world.seen("a") == "ready 1-A").await;
}

#[tokio::test]
async fn an_account_in_use_stays_over_a_restart() {
    let mut world = World::ready(&["a"]).await;
    world.operator.see_certificates(&["a"]);
    world.cluster.delete_account("a");
    until("it is in use", || world.cluster.reason("a") == "AccountInUse").await;
    world.stop().await;
    world.start(LONG);
    world.operator.accounts.first_look().await;
    assert_eq!(world.seen("a"), "ready 1-A");
    assert!(world.cluster.is_kept("a"));
    world.operator.see_certificates(&[]);
    until("it is gone", || world.cluster.account("a").is_none()).await;
    assert_eq!(world.cluster.count("/a/status"), 0);
}
