//! Accounts: where credentials come from, what the status says about them, and who may use them.

use akacert_api::AkamaiAccount;
use akacert_api::condition_set;
use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use kube::api::Api;
use serde_json::{Value, json};
use testbed::{HOST, NAMESPACE, TestBed};
use tokio::net::TcpListener;

use crate::scene::{Scene, credential, eventually, says};

crate::together![
    credentials_may_have_keys_of_other_names,
    an_account_of_a_namespace_has_its_secret_beside_it,
    account_and_secret_may_come_after_the_certificate,
    wrong_credentials_are_rejected_and_right_ones_take_effect,
    credentials_that_go_wrong_later_leave_a_deployed_certificate_ready,
    a_secret_without_a_key_is_invalid,
    an_endpoint_that_is_not_akamais_is_never_called,
    an_account_in_use_stays_until_its_last_certificate_is_gone,
    an_account_that_is_gone_is_gone_for_new_certificates,
    contracts_are_shown_in_the_status,
    a_request_budget_can_be_set,
    a_changed_default_is_for_new_enrollments_only,
    a_default_contract_may_have_its_prefix,
    a_namespace_that_is_labelled_later_may_use_the_account,
];

crate::alone![an_account_in_use_stays_over_a_restart_of_the_operator, a_restart_of_the_operator_is_no_news,];

async fn credentials_may_have_keys_of_other_names(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "keys").await?;
    let data = json!({
        "akamaiHost": credential("host"), "token": credential("client_token"),
        "secret": credential("client_secret"), "access": credential("access_token"),
    });
    secret(bed, NAMESPACE, "keys", &data).await?;
    let keys = json!({"host": "akamaiHost", "clientToken": "token", "clientSecret": "secret", "accessToken": "access"});
    let credentials = json!({"secretRef": {"name": "keys"}, "keys": keys, "edgerc": null});
    scene.account(json!({"credentials": credentials})).await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn an_account_of_a_namespace_has_its_secret_beside_it(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "own").await?;
    secret(bed, "own", "akamai", &credentials()).await?;
    bed.apply(
        &json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiAccount",
            "metadata": {"name": "team", "namespace": "own"},
            "spec": {"credentials": {"secretRef": {"name": "akamai"}}}
        })
        .to_string(),
    )
    .await?;
    let person =
        |email: &str| json!({"firstName": "Ada", "lastName": "L", "email": email, "phone": "617-555-0111"});
    let changes = json!({
        "accountRef": {"kind": "AkamaiAccount", "name": "team"},
        "organization": {"name": "Example", "country": "US"},
        "adminContact": person("ada@example.com"), "techContact": person("tim@akamai.com"),
        "network": {"secureNetwork": "StandardTLS"}
    });
    scene.apply("www", changes).await?;
    scene.until_ready("www").await?;
    let accounts: Api<AkamaiAccount> = Api::namespaced(bed.client(), "own");
    let account = accounts.get("team").await?.status.context("no status")?;
    ensure!(
        condition_set::is_true(&account.conditions, "Ready") && account.contracts == ["1-TESTBED"],
        "{account:?}"
    );
    Ok(())
}

async fn account_and_secret_may_come_after_the_certificate(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "last").await?;
    scene.apply("www", json!({})).await?;
    let message = scene.until("www", "AccountReady", "False", "AccountNotFound").await?;
    says(
        &message,
        "ClusterAkamaiAccount last does not exist: create it, and this certificate goes on by itself",
    )?;
    scene.account(json!({"credentials": {"secretRef": {"name": "last"}, "edgerc": null}})).await?;
    let message = scene.until("www", "AccountReady", "False", "AccountNotReady").await?;
    says(
        &message,
        "ClusterAkamaiAccount last is not ready: Secret akacert-system/last does not exist: create it",
    )?;
    says(
        &scene.until_account("False", "SecretNotFound").await?,
        "Secret akacert-system/last does not exist: create it",
    )?;
    secret(bed, NAMESPACE, "last", &credentials()).await?;
    scene.until_ready("www").await.map(drop)
}

async fn wrong_credentials_are_rejected_and_right_ones_take_effect(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "wrong").await?;
    secret(bed, NAMESPACE, "wrong", &wrong_credentials()).await?;
    scene.account(json!({"credentials": {"secretRef": {"name": "wrong"}, "edgerc": null}})).await?;
    scene.apply("www", json!({})).await?;
    let message = scene.until_account("False", "CredentialsRejected").await?;
    let expected = "Akamai refused the credentials in Secret akacert-system/wrong: list-contracts: HTTP 401: Not \
                    authorized: The signature does not match; check the credentials, and that this machine's clock is \
                    right";
    ensure!(message == expected, "{message}");
    let message = scene.until("www", "AccountReady", "False", "AccountNotReady").await?;
    ensure!(message == format!("ClusterAkamaiAccount wrong is not ready: {expected}"), "{message}");
    let log = bed.pod_logs("akacert-operator")?;
    ensure!(
        !log.contains(WRONG_SECRET) && !log.contains(&credential("client_secret")),
        "a secret is in the log"
    );

    secret(bed, NAMESPACE, "wrong", &credentials()).await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    scene.until_ready("www").await.map(drop)
}

async fn credentials_that_go_wrong_later_leave_a_deployed_certificate_ready(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "rotated").await?;
    secret(bed, NAMESPACE, "rotated", &credentials()).await?;
    scene.account(json!({"credentials": {"secretRef": {"name": "rotated"}, "edgerc": null}})).await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    secret(bed, NAMESPACE, "rotated", &wrong_credentials()).await?;
    scene.until_account("False", "CredentialsRejected").await?;
    scene.until("www", "AccountReady", "False", "AccountNotReady").await?;
    scene.until("www", "Ready", "True", "Deployed").await?;
    secret(bed, NAMESPACE, "rotated", &credentials()).await?;
    scene.until("www", "AccountReady", "True", "AccountReady").await?;
    scene.until("www", "Ready", "True", "Deployed").await.map(drop)
}

async fn a_secret_without_a_key_is_invalid(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "no-key").await?;
    secret(bed, NAMESPACE, "no-key", &json!({"host": credential("host")})).await?;
    scene.account(json!({"credentials": {"secretRef": {"name": "no-key"}, "edgerc": null}})).await?;
    says(
        &scene.until_account("False", "SecretInvalid").await?,
        "Secret akacert-system/no-key has no key `client_token`: add it, or name its key in spec.credentials.keys",
    )
}

async fn an_endpoint_that_is_not_akamais_is_never_called(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "endpoint").await?;
    // The test bed's DNS leads unknown names here.
    let listener = TcpListener::bind(format!("{HOST}:443")).await?;
    let mut data = credentials();
    data["host"] = json!("evil.example.com");
    secret(bed, NAMESPACE, "endpoint", &data).await?;
    scene.account(json!({"credentials": {"secretRef": {"name": "endpoint"}, "edgerc": null}})).await?;
    scene.apply("www", json!({})).await?;
    let message = scene.until_account("False", "EndpointNotAllowed").await?;
    let expected = "Secret akacert-system/endpoint has the host `evil.example.com`, which is not below luna.akamaiapis.net, and \
                    no operator flag allows it: correct it, or have the operator started with --allow-endpoint";
    ensure!(message == expected, "{message}");
    let message = scene.until("www", "AccountReady", "False", "AccountNotReady").await?;
    ensure!(message == format!("ClusterAkamaiAccount endpoint is not ready: {expected}"), "{message}");
    ensure!(listener.accept().now_or_never().is_none(), "somebody called it");
    Ok(())
}

async fn an_account_in_use_stays_until_its_last_certificate_is_gone(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "in-use").await?;
    scene.apply("www", json!({})).await?;
    scene.apply("api", json!({})).await?;
    scene.until_ready("www").await?;
    scene.until_ready("api").await?;
    bed.kubectl(&["delete", "clusterakamaiaccount", "in-use", "--wait=false"]).await?;
    until_in_use(
        &scene,
        "The account is marked for deletion and stays until no certificate refers to it: delete in-use/api, \
         in-use/www",
    )
    .await?;
    scene.until("www", "AccountReady", "True", "AccountReady").await?;
    bed.kubectl(&["-n", "in-use", "delete", "akcert", "www"]).await?;
    until_in_use(
        &scene,
        "The account is marked for deletion and stays until no certificate refers to it: delete in-use/api",
    )
    .await?;
    bed.kubectl(&["-n", "in-use", "delete", "akcert", "api"]).await?;
    scene.until_gone(&scene.accounts(), "in-use").await
}

async fn an_account_in_use_stays_over_a_restart_of_the_operator(bed: &mut TestBed) -> Result<()> {
    let scene = Scene::new(bed, "restarted").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    bed.kubectl(&["delete", "clusterakamaiaccount", "restarted", "--wait=false"]).await?;
    scene.until_account("True", "AccountInUse").await?;
    restart_operator(bed).await?;
    // This certificate needs the account. An operator that did not know of the account's user would have let the
    // account go.
    scene.apply("api", json!({})).await?;
    scene.until_ready("api").await?;
    scene.until_account("True", "AccountInUse").await?;
    Ok(())
}

async fn until_in_use(scene: &Scene<'_>, message: &str) -> Result<()> {
    eventually(message, async || {
        Ok((scene.until_account("True", "AccountInUse").await? == message).then_some(()))
    })
    .await
}

async fn an_account_that_is_gone_is_gone_for_new_certificates(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "gone").await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    bed.kubectl(&["delete", "clusterakamaiaccount", "gone"]).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "AccountReady", "False", "AccountNotFound").await?;
    scene.account(json!({})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn contracts_are_shown_in_the_status(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "contracts").await?;
    let message = scene.until_account("True", "CredentialsAccepted").await?;
    ensure!(message == "Akamai accepted the credentials; contracts: 1-TESTBED", "{message}");
    let shown = bed.kubectl(&["get", "clusterakamaiaccount", "contracts"]).await?;
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    ensure!(lines[0] == ["NAME", "READY", "REASON", "CONTRACTS", "AGE"], "{shown}");
    ensure!(lines[1][..4] == ["contracts", "True", "CredentialsAccepted", "[\"1-TESTBED\"]"], "{shown}");
    Ok(())
}

async fn a_request_budget_can_be_set(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "budget").await?;
    let refusal =
        scene.account(json!({"requestBudget": {"group": "all", "perMinute": 30, "burst": 21}})).await;
    let refusal = refusal.err().map(|error| error.to_string()).unwrap_or_default();
    says(
        &refusal,
        "spec.requestBudget.burst: Invalid value: 21: spec.requestBudget.burst in body should be less than or equal to 20",
    )?;
    scene.account(json!({"requestBudget": {"group": "all", "perMinute": 30, "burst": 20}})).await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn a_changed_default_is_for_new_enrollments_only(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "defaults").await?;
    scene.apply("www", json!({})).await?;
    let id = scene.until_ready("www").await?.enrollment_id.context("no enrollment")?;
    let before = scene.state("www").await?;
    let calls = bed.calls().await?.len();
    let contact =
        json!({"firstName": "Eve", "lastName": "New", "email": "eve@akamai.com", "phone": "617-555-0113"});
    scene.account(json!({"defaults": {"techContact": contact}})).await?;
    eventually("the account was looked at", async || {
        let seen = scene.accounts().get("defaults").await?.status.map(|status| status.observed_generation);
        Ok((seen == Some(2)).then_some(()))
    })
    .await?;
    scene.apply("api", json!({})).await?;
    scene.until_ready("api").await?;
    let new = scene.enrollments("api").await?.remove(0);
    ensure!(new.tech_contact.and_then(|contact| contact.email).as_deref() == Some("eve@akamai.com"));
    let old = scene.enrollments("www").await?.remove(0);
    ensure!(old.tech_contact.and_then(|contact| contact.email).as_deref() == Some("tim@akamai.com"));
    let calls = bed.calls().await?.split_off(calls);
    ensure!(!calls.iter().any(|call| call.enrollment_id == u64::try_from(id).ok()), "{calls:?}");
    ensure!(scene.state("www").await? == before);
    Ok(())
}

async fn a_default_contract_may_have_its_prefix(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "prefix").await?;
    scene.account(json!({"defaults": {"contractId": "ctr_1-TESTBED"}})).await?;
    scene.apply("www", json!({})).await?;
    let status = scene.until_ready("www").await?;
    ensure!(status.contract_id.as_deref() == Some("1-TESTBED"), "{:?}", status.contract_id);
    Ok(())
}

async fn a_namespace_that_is_labelled_later_may_use_the_account(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "labelled").await?;
    scene.account(json!({"allowedNamespaces": {"matchLabels": {"team": "web"}}})).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Stalled", "True", "NamespaceNotAllowed").await?;
    bed.kubectl(&["label", "namespace", "labelled", "team=web"]).await?;
    scene.until_ready("www").await.map(drop)
}

async fn a_restart_of_the_operator_is_no_news(bed: &mut TestBed) -> Result<()> {
    let scene = Scene::new(bed, "restart").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    let before = scene.state("www").await?;
    restart_operator(bed).await?;
    // This serves as a clock: when this one is Ready, the operator has long reconciled the other.
    scene.apply("api", json!({})).await?;
    scene.until_ready("api").await?;
    ensure!(scene.state("www").await? == before, "the restart was written to the status");
    Ok(())
}

async fn restart_operator(bed: &TestBed) -> Result<()> {
    bed.kubectl(&["-n", NAMESPACE, "rollout", "restart", "deployment/akacert-operator"]).await?;
    bed.rolled_out().await
}

/// Decodes to a secret that is not the simulator's.
const WRONG_SECRET: &str = "d3JvbmctY2xpZW50LXNlY3JldC1vZi1hLXRlc3Q=";

/// The simulator's credentials, under the keys that Akamai uses.
fn credentials() -> Value {
    let keys = ["host", "client_token", "client_secret", "access_token"];
    keys.iter()
        .map(|key| ((*key).to_owned(), json!(credential(key))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn wrong_credentials() -> Value {
    let mut data = credentials();
    data["client_secret"] = json!(WRONG_SECRET);
    data
}

async fn secret(bed: &TestBed, namespace: &str, name: &str, data: &Value) -> Result<()> {
    let metadata = json!({"name": name, "namespace": namespace});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
    bed.apply(&secret.to_string()).await.map(drop)
}
