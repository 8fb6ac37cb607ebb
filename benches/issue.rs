//! Seconds from `kubectl apply` to Ready, on the test bed. This is a table, not a test. `make bench` prints it.

#[path = "../tests/e2e/scene.rs"]
#[allow(dead_code, reason = "tests and benchmarks start from the same scene and use different parts of it")]
mod scene;

use std::time::{Duration, Instant};

use akacert_api::condition_set::is_true;
use anyhow::Result;
use serde_json::{Value, json};
use testbed::{Options, SimulatorOptions, TestBed};

use scene::{Scene, eventually_within};

const SPEED: f64 = 100_000.0;
const SCALE: &str = "0.002";
const SCALE_WITH_LIMITS: &str = "0.1";

fn main() -> Result<()> {
    testbed::Programs::find_or_build()?;
    testbed::enter()?;
    testbed::block_on(async {
        let fast = SimulatorOptions { speed: SPEED, ..SimulatorOptions::default() };
        let mut bed = TestBed::start(&Options { simulator: fast.clone(), ..Options::default() }).await?;
        bed.install().await?;
        bed.set_operator_flags(&[&format!("--interval-scale={SCALE}")]).await?;
        println!(
            "settings: simulator speed {SPEED}, operator --interval-scale={SCALE} ({SCALE_WITH_LIMITS} with limits), Pebble retryAfter 0, \
             PEBBLE_WFE_NONCEREJECT=0, PEBBLE_VA_NOSLEEP=1, PEBBLE_AUTHZREUSE=0, Traefik providersThrottleDuration 100 ms, debug builds\n"
        );
        println!("{:<46} {:>12} {:>12} {:>12}", "certificates", "first Ready", "last Ready", "CPS calls");
        measure(&bed, "one", 1, "limits off on both sides").await?;
        measure(&bed, "ten", 10, "limits off on both sides").await?;
        measure(&bed, "fifty", 50, "limits off on both sides").await?;
        bed.restart_simulator(&SimulatorOptions { request_limits: true, ..fast }).await?;
        bed.remove_operator_flag("--no-request-limits").await?;
        // With the earlier interval, polls would use up the budget.
        bed.set_operator_flags(&[&format!("--interval-scale={SCALE_WITH_LIMITS}")]).await?;
        measure(&bed, "limited", 10, "limits on (CPS 35, ours 25 a minute)").await
    })
}

/// Applies certificates with one name each at once, and prints how long they took.
async fn measure(bed: &TestBed, name: &str, number: usize, settings: &str) -> Result<()> {
    let scene = Scene::new(bed, name).await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    let before = bed.calls().await?.len();
    let labels: Vec<String> = (0..number).map(|number| format!("www{number}")).collect();
    let items: Vec<Value> = labels.iter().map(|label| scene.manifest(label, json!({}))).collect();
    let start = Instant::now();
    bed.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).await?;
    let ready = futures::future::try_join_all(labels.iter().map(async |label| {
        let api = scene.certificates();
        eventually_within("Ready", Duration::from_secs(600), async || {
            let status = api.get(label).await?.status.unwrap_or_default();
            Ok(is_true(&status.conditions, "Ready").then_some(()))
        })
        .await?;
        anyhow::Ok(start.elapsed().as_secs_f64())
    }))
    .await?;
    let (first, last) =
        ready.iter().fold((f64::MAX, 0.0_f64), |(first, last), time| (first.min(*time), last.max(*time)));
    let calls = bed.calls().await?.len() - before;
    println!("{:<46} {first:>10.1} s {last:>10.1} s {calls:>12}", format!("{number}, {settings}"));
    Ok(())
}
