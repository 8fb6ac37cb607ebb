//! The alert rules and the dashboard, as files. `tests/e2e/monitoring.rs` loads them into a Prometheus.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use akacert::process::metrics::catalog;
use akacert_api::reason::Reason;
use serde_json::Value;
use testbed::Programs;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

/// The alert rules, by name.
fn alerts() -> Vec<(String, Value)> {
    let rules = yaml("deploy/monitoring/rules.yaml");
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    rules.into_iter().map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule)).collect()
}

/// Every query of the dashboard and of the alert rules.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("deploy/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let shown = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    shown.chain(alerts().iter().map(|(_, rule)| rule["expr"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn each_alert_fires_and_ends_as_its_test_says() {
    let promtool = Programs::find_or_build().unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring");
    let tested = Command::new(promtool.path("promtool").unwrap())
        .current_dir(directory)
        .args(["test", "rules", "rules.test.yaml"])
        .output()
        .unwrap();
    let said = [tested.stdout, tested.stderr].concat();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let tests = yaml("deploy/monitoring/rules.test.yaml");
    let mut seen = BTreeSet::new();
    for test in tests["tests"].as_array().unwrap() {
        for moment in test["alert_rule_test"].as_array().unwrap() {
            let fires = !moment["exp_alerts"].as_array().unwrap().is_empty();
            seen.insert((moment["alertname"].as_str().unwrap().to_owned(), fires));
        }
    }
    let wanted = alerts().into_iter().flat_map(|(name, _)| [(name.clone(), true), (name, false)]);
    assert_eq!(seen, wanted.collect());
}

#[test]
fn each_alert_has_a_section_in_the_runbook_that_it_links_to() {
    let runbook = read("docs/runbook.md");
    for (name, rule) in alerts() {
        assert!(runbook.contains(&format!("\n### {name}\n")), "no section for {name}");
        let link = rule["annotations"]["runbook_url"].as_str().unwrap();
        let anchor = format!("/docs/runbook.md#{}", name.to_lowercase());
        assert!(link.ends_with(&anchor), "{link}");
    }
}

#[test]
fn each_reason_for_being_stalled_has_a_section_in_the_runbook() {
    let runbook = read("docs/runbook.md");
    for reason in Reason::ALL.iter().filter(|reason| reason.is_stalled()) {
        assert!(runbook.contains(&format!("\n### {reason}\n")), "no section for {reason}");
    }
}

#[test]
fn queries_ask_for_metrics_and_labels_of_the_catalog_only() {
    let known: BTreeSet<String> =
        catalog::ALL.iter().flat_map(|metric| [metric.sample(), format!("{}_bucket", metric.name)]).collect();
    for query in queries() {
        let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        for word in words.filter(|word| word.starts_with("akacert_")) {
            assert!(known.contains(word), "{word} in {query}");
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard_or_in_an_alert() {
    let queries = queries().join("\n");
    for metric in catalog::ALL {
        assert!(queries.contains(metric.name), "{} is shown nowhere", metric.name);
    }
}

#[test]
fn kustomize_and_the_chart_carry_the_same_rules_and_dashboard() {
    for file in ["rules.yaml", "dashboard.json"] {
        let (source, copy) =
            (read(&format!("deploy/monitoring/{file}")), read(&format!("charts/akacert/files/{file}")));
        assert!(source == copy, "charts/akacert/files/{file} is out of date: run `make monitoring`");
    }
    let object = yaml("deploy/monitoring/prometheusrule.yaml");
    assert!(
        object["spec"] == yaml("deploy/monitoring/rules.yaml"),
        "deploy/monitoring/prometheusrule.yaml is out of date: run `make monitoring`"
    );
}
