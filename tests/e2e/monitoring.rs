//! A real Prometheus scrapes the operator and the solvers. The dashboard's queries and the alert rules work with its
//! data.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{PROMETHEUS, TestBed};

use crate::scene::{Scene, eventually};

crate::alone![
    every_query_of_the_dashboard_has_data_and_every_alert_rule_is_evaluated,
    what_is_logged_changes_while_the_operator_runs,
];

async fn every_query_of_the_dashboard_has_data_and_every_alert_rule_is_evaluated(
    bed: &mut TestBed,
) -> Result<()> {
    // Without limits there is no budget to show.
    bed.remove_operator_flag("--no-request-limits").await?;
    let seen = all_is_seen(bed).await;
    bed.set_operator_flags(&["--no-request-limits"]).await?;
    seen
}

async fn all_is_seen(bed: &TestBed) -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring");
    let _prometheus = bed.prometheus(&directory.join("rules.yaml")).await?;
    let scene = Scene::without_account(bed, "monitored").await?;
    scene.account(json!({"requestBudget": {"burst": 20}})).await?;
    // One certificate that is Ready, and one under validation.
    scene.apply("www", json!({})).await?;
    scene.apply_held("held", json!({})).await?;
    scene.until_ready("www").await?;

    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(directory.join("dashboard.json"))?)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let queries: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .filter_map(|target| target["expr"].as_str())
        .collect();
    ensure!(queries.len() > 20, "only {} queries", queries.len());
    // The dashboard does not show these: writes to accounts count, too.
    let of_accounts = ["status", "finalizer"].map(|part| {
        let verb = if part == "status" { "report" } else { "set" };
        format!("akacert_api_writes_total{{what=\"{verb} an account's {part}\"}}")
    });
    for query in queries.into_iter().chain(of_accounts.iter().map(String::as_str)) {
        let query = query.replace("$__rate_interval", "30s").replace("$namespace", "monitored|other");
        eventually(&query, async || {
            let answer = ask("query", &[("query", query.as_str())]).await?;
            let samples = answer["result"].as_array().context("no result")?;
            let numbers = samples.iter().filter(|sample| sample["value"][1] != "NaN").count();
            Ok((numbers > 0).then_some(()))
        })
        .await?;
    }

    let rules = eventually("the alert rules are evaluated", async || {
        let answer = ask("rules", &[]).await?;
        let rules = answer["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        Ok((!rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown")).then_some(rules))
    })
    .await?;
    for rule in rules {
        ensure!(rule["health"] == "ok", "{rule}");
    }
    nobody_changes_the_log_from_outside().await
}

async fn nobody_changes_the_log_from_outside() -> Result<()> {
    let mut targets = ask("targets", &[]).await?["activeTargets"].as_array().cloned().unwrap_or_default();
    // This excludes the operator that has just been replaced.
    targets.retain(|target| target["health"] == "up");
    ensure!(targets.len() >= 2, "{targets:?}");
    for target in targets {
        let url = target["scrapeUrl"].as_str().context("no address")?.replace("/metrics", "/log");
        let refused = reqwest::Client::new().put(&url).body("trace").send().await?;
        ensure!(refused.status() == 403, "{url}: {}", refused.status());
        let logged = reqwest::get(&url).await?.text().await?;
        ensure!(logged.contains("info"), "{logged}");
    }
    Ok(())
}

async fn what_is_logged_changes_while_the_operator_runs(bed: &mut TestBed) -> Result<()> {
    bed.no_operator_deployment().await?;
    let tested = the_log_follows_what_is_put(bed).await;
    bed.operator_deployment().await?;
    tested
}

async fn the_log_follows_what_is_put(bed: &TestBed) -> Result<()> {
    const ADMIN: &str = "127.0.0.1:8093";
    let flags = ["--interval-scale=0.005", &format!("--admin-listen={ADMIN}")];
    let mut operator = bed.named_operator_process("logged", &flags, &[]).await?;
    operator.until_listening(ADMIN).await?;
    let put = async |filter: &'static str| {
        let answer = reqwest::Client::new().put(format!("http://{ADMIN}/log")).body(filter).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        Ok(operator.log()?.len())
    };
    let scene = Scene::new(bed, "logged").await?;
    let quiet = put("info").await?;
    scene.apply_held("www", json!({})).await?;
    let log = operator.log()?[quiet..].to_owned();
    ensure!(!log.contains("DEBUG"), "{log}");
    // The certificate is held, so the operator keeps looking at it.
    let verbose = put("info,akacert=debug").await?;
    eventually("a line of the level debug", async || {
        Ok(operator.log()?[verbose..].contains("DEBUG").then_some(()))
    })
    .await?;
    scene.lead_back("www").await?;
    scene.until_ready("www").await?;
    operator.terminate()?;
    ensure!(operator.ended().await? == Some(0), "it did not end in good order");
    Ok(())
}

async fn ask(what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
    let url = reqwest::Url::parse_with_params(&format!("{PROMETHEUS}/api/v1/{what}"), parameters)?;
    let answer: Value = reqwest::get(url).await?.json().await?;
    ensure!(answer["status"] == "success", "{answer}");
    Ok(answer["data"].clone())
}
