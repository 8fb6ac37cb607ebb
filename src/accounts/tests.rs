//! What certificates see of accounts, as a specification.

use std::sync::Arc;

use akamai_cps::{Client, Credentials};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::PartialObjectMeta;
use kube::runtime::{reflector, watcher};
use serde_json::{Value, json};

use super::Registry;
use super::registry::Known;
use akacert_api::AkamaiCertificate;
use akacert_api::certificate::AccountKind;
use akacert_core::account::{Account, AccountKey, View};
use akacert_core::life::fixtures::{account, certificate};

/// A client that no test calls.
pub(super) fn client() -> Client {
    let credentials = Credentials::new("akab-test.luna.akamaiapis.net", "t", "s", "a").unwrap();
    Client::builder(credentials).build().unwrap()
}

fn usable(account: Account) -> Known {
    Known::Ready { account: Arc::new(account), client: client() }
}

/// A registry of a cluster whose namespace `shop` has these labels.
fn registry(labels: Value) -> Registry {
    let namespace: PartialObjectMeta<Namespace> =
        serde_json::from_value(json!({"metadata": {"name": "shop", "labels": labels}})).unwrap();
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Apply(namespace));
    Registry::new(store)
}

fn selector(selector: Value) -> Option<LabelSelector> {
    Some(serde_json::from_value(selector).unwrap())
}

fn production() -> AccountKey {
    AccountKey { kind: AccountKind::ClusterAkamaiAccount, namespace: None, name: "production".into() }
}

/// What the certificate sees: `ready`, or why it may not use the account.
fn seen(registry: &Registry, certificate: &AkamaiCertificate) -> String {
    match registry.view(certificate) {
        View::Ready(_) => "ready".into(),
        View::Missing { message } => format!("missing: {message}"),
        View::NotReady { message, .. } => format!("not ready: {message}"),
        View::NamespaceNotAllowed { message } => format!("namespace: {message}"),
        View::DomainNotAllowed { message } => format!("domain: {message}"),
    }
}

fn seen_of(account: Account, labels: Value) -> String {
    let registry = registry(labels);
    registry.set(&production(), usable(account));
    seen(&registry, &certificate())
}

#[test]
fn an_account_that_nobody_made_is_missing() {
    let registry = registry(json!({}));
    assert_eq!(
        seen(&registry, &certificate()),
        "missing: ClusterAkamaiAccount production does not exist: create it, and this certificate goes on by itself"
    );
}

#[test]
fn an_account_that_was_removed_is_missing_again() {
    let registry = registry(json!({}));
    registry.set(&production(), usable(account()));
    registry.remove(&production());
    assert!(seen(&registry, &certificate()).starts_with("missing: "));
}

#[test]
fn an_account_that_is_not_ready_says_why() {
    let registry = registry(json!({}));
    let why = "Secret akacert-system/production does not exist: create it".to_owned();
    registry.set(&production(), Known::NotReady { why, transient: false });
    assert_eq!(
        seen(&registry, &certificate()),
        "not ready: ClusterAkamaiAccount production is not ready: Secret akacert-system/production does not exist: create it"
    );
}

#[test]
fn a_namespace_may_use_an_account_that_selects_its_labels() {
    let allowing = |namespaces: Value| Account { allowed_namespaces: selector(namespaces), ..account() };
    let refused = "namespace: ClusterAkamaiAccount production does not allow namespace shop: label the namespace as its \
                   allowedNamespaces asks, or ask its owner";
    let web = json!({"matchLabels": {"team": "web"}});
    let cases = [
        (json!({}), json!({}), "ready"),
        (web.clone(), json!({"team": "web"}), "ready"),
        (web.clone(), json!({"team": "ops"}), refused),
        (web, json!({}), refused),
    ];
    for (namespaces, labels, expected) in cases {
        let case = format!("{namespaces} {labels}");
        assert_eq!(seen_of(allowing(namespaces), labels), expected, "{case}");
    }
}

#[test]
fn a_namespace_that_has_not_been_seen_has_no_labels() {
    let registry = registry(json!({"team": "web"}));
    let web = selector(json!({"matchLabels": {"team": "web"}}));
    registry.set(&production(), usable(Account { allowed_namespaces: web, ..account() }));
    let mut elsewhere = certificate();
    elsewhere.metadata.namespace = Some("elsewhere".into());
    assert!(seen(&registry, &elsewhere).starts_with("namespace: "));
}

#[test]
fn every_name_has_to_be_allowed_the_common_name_too() {
    let allowing = |domains: &[&str]| Account {
        allowed_domains: Some(domains.iter().map(|domain| (*domain).to_owned()).collect()),
        ..account()
    };
    let refused = |names: &str| {
        format!(
            "domain: ClusterAkamaiAccount production does not allow {names}: remove what its allowedDomains does not \
             cover, or ask its owner"
        )
    };
    let cases = [
        (&["*"][..], "ready".to_owned()),
        (&["*.example.com"], "ready".to_owned()),
        (&["www.example.com", "api.example.com"], "ready".to_owned()),
        (&["api.example.com"], refused("www.example.com")),
        (&["*.example.org"], refused("www.example.com, api.example.com")),
        (&[], refused("www.example.com, api.example.com")),
    ];
    for (domains, expected) in cases {
        assert_eq!(seen_of(allowing(domains), json!({})), expected, "{domains:?}");
    }
}

#[test]
fn a_certificate_sees_an_account_of_its_own_namespace_only() {
    let mut own = certificate();
    own.spec.account_ref.kind = AccountKind::AkamaiAccount;
    let key = AccountKey::of(&own);
    assert_eq!(key.to_string(), "AkamaiAccount shop/production");
    let registry = registry(json!({}));
    let anything = Account { key: key.clone(), allowed_domains: None, ..account() };
    registry.set(&key, usable(anything));
    assert_eq!(seen(&registry, &own), "ready");
    // It sees neither a ClusterAkamaiAccount of that name nor an AkamaiAccount in another namespace.
    assert!(seen(&registry, &certificate()).starts_with("missing: "));
    own.metadata.namespace = Some("elsewhere".into());
    assert!(seen(&registry, &own).starts_with("missing: AkamaiAccount elsewhere/production does not exist"));
}
