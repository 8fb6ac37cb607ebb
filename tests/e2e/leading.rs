//! Two operators, of which one leads: what happens when it is killed, ends, or hangs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use serde_json::json;
use testbed::{NAMESPACE, Process, TestBed};

use crate::scene::{Scene, eventually};

crate::alone![
    a_leader_that_is_killed_in_mid_issue_is_followed_and_there_is_one_enrollment,
    a_leader_that_ends_lets_the_next_one_lead_at_once,
    a_leader_that_was_frozen_sends_nothing_when_it_thaws,
    a_leader_that_may_not_renew_sends_nothing_after_its_deadline_and_ends,
];

/// The default of the flag.
const DEFAULT: &str = "--lease-duration=12s";

/// The longest time without a leader.
const FAIL_OVER: Duration = Duration::from_secs(20);

async fn a_leader_that_is_killed_in_mid_issue_is_followed_and_there_is_one_enrollment(
    bed: &mut TestBed,
) -> Result<()> {
    with_two(bed, DEFAULT, async |bed, first, second| {
        let scene = Scene::new(bed, "fail-over").await?;
        scene.apply_held("www", json!({})).await?;
        let killed = Instant::now();
        first.stop().await?;
        until_leads(bed, "second").await?;
        let took = killed.elapsed();
        println!("\nfail-over after a SIGKILL: {:.1} s", took.as_secs_f64());
        ensure!(took < FAIL_OVER, "{took:?}");
        scene.lead_back("www").await?;
        scene.until_ready("www").await?;
        let enrollments = scene.enrollments("www").await?.len();
        ensure!(enrollments == 1, "{enrollments} enrollments");
        second.terminate()
    })
    .await
}

async fn a_leader_that_ends_lets_the_next_one_lead_at_once(bed: &mut TestBed) -> Result<()> {
    with_two(bed, DEFAULT, async |bed, first, second| {
        first.terminate()?;
        ensure!(first.ended().await? == Some(0), "it did not end in good order");
        let ended = Instant::now();
        until_leads(bed, "second").await?;
        let took = ended.elapsed();
        println!("\nfail-over after a SIGTERM: {:.1} s", took.as_secs_f64());
        ensure!(took < Duration::from_secs(3), "{took:?}");
        second.terminate()
    })
    .await
}

async fn a_leader_that_was_frozen_sends_nothing_when_it_thaws(bed: &mut TestBed) -> Result<()> {
    with_two(bed, "--lease-duration=4s", async |bed, first, second| {
        let scene = Scene::new(bed, "frozen").await?;
        // The first operator always has something to do: it polls the change again and again.
        scene.apply_held("www", json!({})).await?;
        first.freeze()?;
        until_leads(bed, "second").await?;
        ensure!(first.log()?.contains("called Akamai"), "it did nothing that could stop");
        let before = first.log()?.len();
        first.thaw()?;
        eventually("the first one gives up", async || {
            Ok(first.log()?.contains("leadership is lost").then_some(()))
        })
        .await?;
        let after = first.log()?[before..].to_owned();
        ensure!(!after.contains("called Akamai") && !after.contains("\"done\""), "it went on: {after}");
        ensure!(first.ended().await? == Some(1), "it did not say that it failed");
        scene.lead_back("www").await?;
        scene.until_ready("www").await?;
        second.terminate()
    })
    .await
}

async fn a_leader_that_may_not_renew_sends_nothing_after_its_deadline_and_ends(
    bed: &mut TestBed,
) -> Result<()> {
    bed.no_operator_deployment().await?;
    let ended = without_the_right_to_renew(bed).await;
    // This also restores the permission.
    bed.deploy().await?;
    ended
}

async fn without_the_right_to_renew(bed: &TestBed) -> Result<()> {
    const LEASE: Duration = Duration::from_secs(6);
    // It has its own name, because each name has one log.
    let first = start(bed, "without-right", 8091, "--lease-duration=6s").await?;
    until_leads(bed, "without-right").await?;
    let scene = Scene::new(bed, "no-right").await?;
    // The operator always has something to do: it polls the change again and again.
    scene.apply_held("www", json!({})).await?;
    bed.kubectl(&["-n", NAMESPACE, "delete", "rolebinding", "akacert-operator"]).await?;
    let began = Instant::now();
    let log = eventually("it gives up", async || {
        let log = first.log()?;
        Ok(log.contains("leadership is lost").then_some(log))
    })
    .await?;
    let took = began.elapsed();
    println!("\nwithout the right to renew the Lease: gave up after {:.1} s", took.as_secs_f64());
    ensure!(log.contains("could not be renewed"), "it does not say why: {log}");
    // Nobody else may lead before that.
    ensure!(took < LEASE, "{took:?}");
    // It works until it loses leadership, and then no more.
    let (before, _) = log.split_once("leadership is lost").context("no end")?;
    ensure!(before.contains("called Akamai"), "it did nothing: {log}");
    let ended_at = before.len();
    let after = first.log()?[ended_at..].to_owned();
    let calls = bed.calls().await?.len();
    let code = first.ended().await?;
    ensure!(code == Some(1), "it did not say that it failed: {code:?}");
    ensure!(!after.contains("called Akamai") && !after.contains("\"done\""), "it went on: {after}");
    ensure!(bed.calls().await?.len() == calls, "CPS was called after the end");
    Ok(())
}

/// Runs two operators in place of the Deployment's. The first one leads.
async fn with_two(
    bed: &mut TestBed,
    lease: &str,
    test: impl AsyncFnOnce(&TestBed, Process, &Process) -> Result<()>,
) -> Result<()> {
    bed.no_operator_deployment().await?;
    let tested = async {
        let first = start(bed, "first", 8091, lease).await?;
        until_leads(bed, "first").await?;
        let second = start(bed, "second", 8092, lease).await?;
        // It is ready although it does not lead, because a rollout must not wait for it.
        eventually("the second one is ready", async || {
            let answer = reqwest::get("http://127.0.0.1:8092/readyz").await?;
            Ok(answer.status().is_success().then_some(()))
        })
        .await?;
        test(bed, first, &second).await?;
        ensure!(second.ended().await? == Some(0), "the second one did not end in good order");
        Ok(())
    }
    .await;
    bed.operator_deployment().await?;
    tested
}

/// Starts an operator that logs each CPS call.
async fn start(bed: &TestBed, name: &str, port: u16, lease: &str) -> Result<Process> {
    let listen = format!("127.0.0.1:{port}");
    let admin = format!("--admin-listen={listen}");
    let mut process =
        bed.named_operator_process(name, &["--interval-scale=0.005", &admin, lease], &[]).await?;
    process.until_listening(&listen).await?;
    let filter = "info,akacert=debug,akamai_cps=debug";
    let answer = reqwest::Client::new().put(format!("http://{listen}/log")).body(filter).send().await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    Ok(process)
}

/// Waits until the Lease names this operator.
async fn until_leads(bed: &TestBed, name: &str) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(bed.client(), NAMESPACE);
    eventually(&format!("{name} leads"), async || {
        let lease = leases.get_opt("akacert-operator").await?;
        let holder = lease.and_then(|lease| lease.spec?.holder_identity);
        Ok((holder.as_deref() == Some(name)).then_some(()))
    })
    .await
}
