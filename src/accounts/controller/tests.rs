//! How the controller handles accounts, as a specification: from their resources and Secrets to what certificates see
//! and what the status says.

mod cluster;
mod cps;
mod starting;
mod world;

use kube::runtime::watcher::Event;
use world::{SHORT, World, until};

const ACCEPTED: &str = "Akamai accepted the credentials; contracts: 1-A";

fn accepted() -> Option<(String, String, String)> {
    Some(("True".into(), "CredentialsAccepted".into(), ACCEPTED.into()))
}

#[tokio::test]
async fn a_new_account_costs_one_read_one_call_and_two_writes() {
    let world = World::ready(&["a"]).await;
    assert_eq!(world.cluster.ready("a"), accepted());
    assert_eq!(world.seen("a"), "ready 1-A");
    until("the event is sent", || world.cluster.count("/events") == 1).await;
    // Everything that the operator's own writes trigger comes before this.
    world.put_secret("unrelated");
    world.cluster.put_account("b", "unrelated");
    until("b is Ready", || world.cluster.is_ready("b")).await;
    let account = "PATCH /apis/akacert.io/v1alpha1/clusterakamaiaccounts/a";
    let mut writes = world.cluster.requests();
    writes.retain(|made| made.contains("accounts/a"));
    assert_eq!(writes, [account.to_owned(), format!("{account}/status")]);
    assert_eq!(world.cluster.count("GET /api/v1/namespaces/akacert-system/secrets/a"), 1);
    assert_eq!(world.cps.calls(), ["a", "unrelated"]);
}

#[tokio::test]
async fn the_status_names_the_version_of_the_secret_that_was_checked() {
    let world = World::ready(&["a"]).await;
    let status = world.cluster.account("a").unwrap().status.unwrap();
    let secret = &world.cluster.secrets()[0];
    let checked = status.checked_secret.unwrap();
    assert_eq!(
        (checked.uid.as_str(), Some(checked.resource_version.as_str())),
        ("secret-a", secret["resourceVersion"].as_str())
    );
}

#[tokio::test]
async fn an_account_that_hangs_delays_no_other() {
    let world = World::with(&[]).await;
    world.cps.hang(&["a"]);
    world.put_secret("a");
    world.cluster.put_account("a", "a");
    until("the check of a is under way", || world.cps.under_way() == 1).await;
    world.put_secret("b");
    world.cluster.put_account("b", "b");
    until("b is Ready", || world.cluster.is_ready("b")).await;
    assert_eq!(
        world.seen("a"),
        "for now: ClusterAkamaiAccount a is not ready: its credentials are being checked"
    );
    world.cps.hang(&[]);
    until("a is Ready", || world.cluster.is_ready("a")).await;
}

#[tokio::test]
async fn an_account_follows_its_secret() {
    let world = World::with(&[]).await;
    world.cluster.put_account("a", "a");
    until("the Secret is missing", || world.cluster.reason("a") == "SecretNotFound").await;
    let missing = "ClusterAkamaiAccount a is not ready: Secret akacert-system/a does not exist: create it";
    assert_eq!(world.seen("a"), missing);
    assert_eq!(world.cps.calls().len(), 0);

    world.put_secret("a");
    until("it is Ready", || world.cluster.is_ready("a")).await;
    assert_eq!(world.cps.calls(), ["a"]);

    world.cps.answer("a", 401);
    world.put_secret("a");
    until("it is refused", || world.cluster.reason("a") == "CredentialsRejected").await;

    world.cps.answer("a", 200);
    world.put_secret("a");
    until("it is Ready again", || world.cluster.is_ready("a")).await;

    world.delete_secret("a");
    until("the Secret is missing again", || world.cluster.reason("a") == "SecretNotFound").await;
    assert_eq!(world.seen("a"), missing);
}

#[tokio::test]
async fn a_secret_without_what_is_needed_costs_no_call() {
    let world = World::with(&[]).await;
    let metadata = world.cluster.put_secret("a", "evil.example.com");
    world.operator.see_secret(Event::Apply(metadata));
    world.cluster.put_account("a", "a");
    until("the host is not allowed", || world.cluster.reason("a") == "EndpointNotAllowed").await;
    assert_eq!(world.cps.calls().len(), 0);
}

#[tokio::test]
async fn certificates_are_woken_when_their_account_changes() {
    let world = World::with(&[]).await;
    world.operator.see_certificates(&["a", "b"]);
    world.put_secret("a");
    world.cluster.put_account("a", "a");
    until("a is Ready", || world.cluster.is_ready("a")).await;
    assert_eq!(world.operator.woken(), ["a"]);
    world.cluster.remove_account("a");
    until("a is missing", || world.seen("a") == "missing").await;
    assert_eq!(world.operator.woken(), ["a"]);
}

#[tokio::test]
async fn a_changed_account_is_checked_again() {
    let world = World::ready(&["a"]).await;
    world.put_secret("other");
    world.cluster.put_account("a", "other");
    until("it is Ready with the other Secret", || world.cluster.is_ready("a")).await;
    assert_eq!(world.cps.calls(), ["a", "other"]);
}

#[tokio::test]
async fn a_status_that_the_api_server_refuses_is_written_later_without_another_call() {
    for code in [409, 500] {
        let world = World::at(SHORT, &[]).await;
        world.cluster.refuse("/a/status", code);
        world.put_secret("a");
        world.cluster.put_account("a", "a");
        until("it is Ready", || world.cluster.is_ready("a")).await;
        assert_eq!(world.cluster.count("/a/status"), 2, "{code}");
        assert_eq!(world.cps.calls(), ["a"], "{code}");
    }
}

#[tokio::test]
async fn a_finalizer_that_the_api_server_refuses_is_set_before_the_check() {
    let world = World::at(SHORT, &[]).await;
    world.cluster.refuse("PATCH", 409);
    world.cluster.put_account("a", "a");
    until("the Secret is missing", || world.cluster.reason("a") == "SecretNotFound").await;
    assert!(world.cluster.is_kept("a"));
    assert_eq!(world.cluster.count("PATCH"), 3);
}

#[tokio::test]
async fn a_secret_that_the_api_server_does_not_give_is_asked_for_again() {
    let world = World::at(SHORT, &[]).await;
    world.put_secret("a");
    world.cluster.refuse("secrets/a", 403);
    world.cluster.put_account("a", "a");
    until("it is Ready", || world.cluster.is_ready("a")).await;
    assert_eq!(world.cluster.count("secrets/a"), 2);
}

#[tokio::test]
async fn an_account_that_vanishes_while_it_is_checked_is_missing() {
    let world = World::with(&[]).await;
    world.cps.hang(&["a"]);
    world.put_secret("a");
    world.cluster.put_account("a", "a");
    until("the check is under way", || world.cps.under_way() == 1).await;
    world.cluster.remove_account("a");
    until("it is missing", || world.seen("a") == "missing").await;
    world.cps.hang(&[]);
    until("its status was refused", || world.cluster.count("/a/status") == 1).await;
    until("it is missing still", || world.seen("a") == "missing").await;
}

#[tokio::test]
async fn an_account_without_users_is_let_go() {
    let world = World::ready(&["a"]).await;
    world.operator.see_certificates(&["b"]);
    world.cluster.delete_account("a");
    until("it is gone", || world.cluster.account("a").is_none()).await;
    until("it is missing", || world.seen("a") == "missing").await;
}

#[tokio::test]
async fn an_account_stays_until_no_certificate_refers_to_it() {
    let world = World::ready(&["a"]).await;
    world.operator.see_certificates(&["a"]);
    world.cluster.delete_account("a");
    until("it says so", || world.cluster.reason("a") == "AccountInUse").await;
    let (status, _, message) = world.cluster.ready("a").unwrap();
    assert_eq!(status, "True");
    assert_eq!(
        message,
        "The account is marked for deletion and stays until no certificate refers to it: delete shop/a"
    );
    assert_eq!(world.seen("a"), "ready 1-A");
    world.operator.see_certificates(&[]);
    until("it is gone", || world.cluster.account("a").is_none()).await;
}

#[tokio::test]
async fn nobody_lets_an_account_go_before_the_certificates_were_listed() {
    let world = World::ready(&["a", "clock"]).await;
    world.cluster.delete_account("a");
    world.cluster.put_account("clock", "clock");
    until("the operator has looked since", || world.cluster.is_ready("clock")).await;
    assert!(world.cluster.is_kept("a"));
    world.operator.see_certificates(&[]);
    until("it is gone", || world.cluster.account("a").is_none()).await;
}
