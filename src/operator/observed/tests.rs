use std::collections::BTreeSet;

use std::sync::Arc;
use std::time::Duration;

use akamai_cps::{CallRecord, Priority};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{reflector, watcher};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;

use super::{Accounts, Budgets, Certificates, Leader};
use crate::cluster::leader::Leadership;
use crate::process::metrics::{Metrics, catalog, register_build};
use crate::solver::{Challenges, Outcome, SolverMetrics};
use akacert_api::AkamaiCertificate;
use akacert_api::certificate::AccountKind;
use akacert_core::account::AccountKey;
use akacert_core::life::fixtures::Scene;

fn page(registry: &Registry) -> String {
    let mut page = String::new();
    encode(&mut page, registry).unwrap();
    page
}

fn account(name: &str) -> AccountKey {
    AccountKey { kind: AccountKind::AkamaiAccount, namespace: Some("shop".into()), name: name.into() }
}

fn certificates() -> (Registry, Writer<AkamaiCertificate>) {
    let (store, writer) = reflector::store();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Certificates(store)));
    (registry, writer)
}

#[test]
fn each_certificate_shows_its_verdict_and_its_dates_as_long_as_it_exists() {
    let (registry, mut writer) = certificates();
    let mut certificate = Scene::ready().certificate;
    certificate.status.as_mut().unwrap().next_renewal_time =
        Some(Time("2027-12-01T00:00:00Z".parse().unwrap()));
    writer.apply_watcher_event(&watcher::Event::Apply(certificate.clone()));
    let shown = page(&registry);
    for line in [
        "akacert_certificate_ready{namespace=\"shop\",name=\"www\"} 1\n",
        "akacert_certificate_expiration_timestamp_seconds{namespace=\"shop\",name=\"www\"} 1830211200\n",
        "akacert_certificate_renewal_timestamp_seconds{namespace=\"shop\",name=\"www\"} 1827619200\n",
        "akacert_certificate_condition{namespace=\"shop\",name=\"www\",type=\"Ready\",reason=\"Deployed\"} 1\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert!(!shown.contains("AccountReady"), "{shown}");
    writer.apply_watcher_event(&watcher::Event::Delete(certificate));
    let left = page(&registry);
    assert!(!left.contains("www"), "{left}");
}

#[test]
fn names_under_validation_are_counted_by_their_state() {
    let (registry, mut writer) = certificates();
    let mut certificate = Scene::ready().certificate;
    certificate.status.as_mut().unwrap().domains = serde_json::from_value(json!([
        {"name": "www.example.com", "state": "VALIDATED"},
        {"name": "a.example.com", "state": "IN_PROGRESS"},
        {"name": "b.example.com", "state": "IN_PROGRESS"},
    ]))
    .unwrap();
    writer.apply_watcher_event(&watcher::Event::Apply(certificate));
    let shown = page(&registry);
    assert!(shown.contains("akacert_domains{state=\"IN_PROGRESS\"} 2\n"), "{shown}");
    assert!(shown.contains("akacert_domains{state=\"VALIDATED\"} 1\n"), "{shown}");
}

#[test]
fn calls_of_an_account_that_is_gone_are_not_shown_any_more() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let record = CallRecord::example("list-enrollments", Some(200));
    metrics.cps_call(&account("production"), &record);
    metrics.cps_call(&account("test"), &record);
    let of = |name| {
        format!(
            "akacert_cps_requests_total{{operation=\"list-enrollments\",code=\"200\",account=\"shop/{name}\"}} 1\n"
        )
    };
    assert!(page(&registry).contains(&of("production")), "{}", page(&registry));
    metrics.forget(&account("production"));
    let left = page(&registry);
    assert!(!left.contains("production") && left.contains(&of("test")), "{left}");
}

#[tokio::test]
async fn the_budgets_of_all_groups_are_one_metric_and_those_that_nobody_uses_are_not_shown() {
    let budgets = Arc::new(akamai_cps::Budgets::new());
    let _all = budgets.get("cluster/group/all", 25, 10);
    let _own = budgets.get("namespace/shop/account/own", 25, 5);
    drop(budgets.get("namespace/shop/account/gone", 25, 5));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Budgets(budgets)));
    assert_eq!(
        page(&registry),
        "# HELP akacert_cps_budget_remaining Requests to Akamai that may be made at once, by budget group\n\
         # TYPE akacert_cps_budget_remaining gauge\n\
         akacert_cps_budget_remaining{group=\"cluster/group/all\"} 10\n\
         akacert_cps_budget_remaining{group=\"namespace/shop/account/own\"} 5\n\
         # HELP akacert_cps_queue_depth Requests to Akamai that wait for their turn, by budget group\n\
         # TYPE akacert_cps_queue_depth gauge\n\
         akacert_cps_queue_depth{group=\"cluster/group/all\"} 0\n\
         akacert_cps_queue_depth{group=\"namespace/shop/account/own\"} 0\n\
         # EOF\n"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_turn_is_in_the_queue() {
    let budgets = Arc::new(akamai_cps::Budgets::new());
    let budget = budgets.get("cluster/group/all", 1, 1);
    budget.acquire(Priority::Poll, "first").await;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Budgets(budgets)));
    let waiting = tokio::spawn(async move { budget.acquire(Priority::Poll, "second").await });
    tokio::task::yield_now().await;
    let shown = page(&registry);
    assert!(shown.contains("akacert_cps_queue_depth{group=\"cluster/group/all\"} 1\n"), "{shown}");
    waiting.await.unwrap();
}

#[test]
fn the_catalog_has_every_metric_that_is_served_with_its_kind_and_no_other() {
    let mut registry = Registry::default();
    register_build(&mut registry);
    let metrics = Metrics::new(&mut registry);
    // A family without samples is not shown.
    metrics.cps_call(&account("production"), &CallRecord::example("list-enrollments", None));
    metrics.reconciled(true, Duration::from_secs(1));
    metrics.api_write("report the status", true);
    let (store, _writer) = reflector::store();
    registry.register_collector(Box::new(Certificates(store)));
    let (namespaces, _writer) = reflector::store();
    registry.register_collector(Box::new(Accounts(Arc::new(crate::accounts::Registry::new(namespaces)))));
    registry.register_collector(Box::new(Budgets(Arc::default())));
    registry.register_collector(Box::new(Leader(Leadership::default())));
    SolverMetrics::new(&mut registry, Challenges::default()).count(Outcome::served);
    let shown = page(&registry);
    let served: BTreeSet<&str> = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let described: Vec<String> =
        catalog::ALL.iter().map(|metric| format!("{} {}", metric.name, metric.kind.as_str())).collect();
    assert_eq!(served, described.iter().map(String::as_str).collect());
}
