//! The request budget: rate, burst, priorities, fairness, pauses and cancelled waits, on a clock that moves only
//! while every task waits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use akamai_cps::{Budget, Budgets, Priority};
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Starts a call that notes its name and the time when it may go.
async fn call(
    calls: &mut JoinSet<()>,
    budget: &Arc<Budget>,
    log: &Log,
    priority: Priority,
    flow: &'static str,
) {
    let (budget, log) = (budget.clone(), log.clone());
    let waiting = budget.waiting();
    calls.spawn({
        let budget = budget.clone();
        async move {
            budget.acquire(priority, flow).await;
            log.lock().unwrap().push(flow);
        }
    });
    while budget.waiting() == waiting {
        tokio::task::yield_now().await;
    }
}

type Log = Arc<Mutex<Vec<&'static str>>>;

async fn times(budget: &Budget, count: usize) -> Vec<f64> {
    let start = Instant::now();
    let mut times = Vec::new();
    for _ in 0..count {
        budget.acquire(Priority::Poll, "a").await;
        times.push((start.elapsed().as_secs_f64() * 10.0).round() / 10.0);
    }
    times
}

#[tokio::test(start_paused = true)]
async fn after_the_burst_requests_go_out_at_the_rate() {
    let budget = Budget::new(30, 3);
    assert_eq!(budget.remaining(), Some(3));
    assert_eq!(times(&budget, 6).await, [0.0, 0.0, 0.0, 2.0, 4.0, 6.0]);
    assert_eq!(budget.remaining(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_budget_fills_up_to_the_burst_and_no_further() {
    let budget = Budget::new(60, 2);
    times(&budget, 2).await;
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(budget.remaining(), Some(2));
    assert_eq!(times(&budget, 3).await, [0.0, 0.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn never_more_than_twenty_go_out_in_two_seconds_whatever_the_settings() {
    let budget = Budget::new(60_000, 1_000);
    let times = times(&budget, 61).await;
    assert_eq!((times[19], times[20], times[39], times[40], times[60]), (0.0, 2.0, 2.0, 4.0, 6.0));
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_budget_lets_everything_go_at_once_but_keeps_pauses() {
    let budget = Budget::unlimited();
    assert_eq!(times(&budget, 1000).await[999], 0.0);
    assert_eq!(budget.remaining(), None);
    budget.pause_until(Instant::now() + Duration::from_secs(10));
    assert!(times(&budget, 1).await[0] >= 10.0);
}

#[tokio::test(start_paused = true)]
async fn higher_priorities_go_first_and_flows_take_turns() {
    let budget = Budget::new(60, 1);
    budget.acquire(Priority::Poll, "warm-up").await;
    let (mut calls, log) = (JoinSet::new(), Log::default());
    for flow in ["sweep", "a", "a", "a", "b", "c", "b"] {
        let priority = if flow == "sweep" { Priority::Housekeeping } else { Priority::Poll };
        call(&mut calls, &budget, &log, priority, flow).await;
    }
    call(&mut calls, &budget, &log, Priority::Publish, "token").await;
    calls.join_all().await;
    assert_eq!(*log.lock().unwrap(), ["token", "a", "b", "c", "a", "b", "a", "sweep"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_gives_its_place_up() {
    let budget = Budget::new(60, 1);
    budget.acquire(Priority::Poll, "warm-up").await;
    let (mut calls, log) = (JoinSet::new(), Log::default());
    for flow in ["a", "b", "c"] {
        call(&mut calls, &budget, &log, Priority::Poll, flow).await;
    }
    let start = Instant::now();
    let dropped =
        tokio::time::timeout(Duration::from_millis(100), budget.acquire(Priority::Publish, "urgent")).await;
    assert!(dropped.is_err() && budget.waiting() == 3);
    calls.join_all().await;
    assert_eq!((log.lock().unwrap().len(), start.elapsed().as_secs(), budget.waiting()), (3, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everybody_back_and_ends_with_a_little_jitter_and_without_a_burst() {
    let budget = Budget::new(60, 10);
    budget.pause_until(Instant::now() + Duration::from_secs(20));
    // A shorter pause does not end the longer one early.
    budget.pause_until(Instant::now() + Duration::from_secs(1));
    assert_eq!(budget.remaining(), Some(0));
    let times = times(&budget, 3).await;
    assert!((20.0..=22.0).contains(&times[0]), "{times:?}");
    assert!(times[2] - times[0] >= 1.9, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_want_to_wait_for_a_pause_is_told_how_long_it_takes() {
    let budget = Budget::new(60, 1);
    budget.acquire(Priority::Poll, "warm-up").await;
    let waiting = tokio::spawn({
        let budget = budget.clone();
        async move { budget.acquire_unless_paused(Priority::Poll, "a", Duration::from_secs(2)).await }
    });
    while budget.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    budget.pause_until(Instant::now() + Duration::from_secs(60));
    let paused = waiting.await.unwrap().unwrap_err();
    assert!((60..=66).contains(&paused.remaining.as_secs()), "{paused:?}");
    assert_eq!(budget.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_changed_rate_holds_for_those_who_wait_already() {
    let budgets = Budgets::new();
    let budget = budgets.get("account", 1, 1);
    budget.acquire(Priority::Poll, "warm-up").await;
    let (mut calls, log) = (JoinSet::new(), Log::default());
    call(&mut calls, &budget, &log, Priority::Poll, "a").await;
    let start = Instant::now();
    assert!(Arc::ptr_eq(&budget, &budgets.get("account", 60, 5)));
    calls.join_all().await;
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[test]
fn groups_have_budgets_of_their_own_unless_limits_are_off() {
    let budgets = Budgets::new();
    let a = budgets.get("a", 25, 10);
    assert_eq!(a.remaining(), Some(10));
    assert_eq!(budgets.get("b", 25, 3).remaining(), Some(3));
    assert_eq!(budgets.used().into_iter().map(|(group, _)| group).collect::<Vec<_>>(), ["a"]);

    let unlimited = Budgets::unlimited();
    unlimited.get("a", 25, 10);
    assert_eq!(unlimited.get("a", 25, 10).remaining(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_of_a_minute_or_two_seconds_ever_holds_more_than_allowed(
        per_minute in 1_u32..120,
        burst in 1_u32..40,
        gaps in proptest::collection::vec(0_u64..3_000, 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let sent: Vec<Duration> = runtime.block_on(async {
            let (budget, start) = (Budget::new(per_minute, burst), Instant::now());
            let mut sent = Vec::new();
            for gap in gaps {
                tokio::time::advance(Duration::from_millis(gap)).await;
                budget.acquire(Priority::Poll, "a").await;
                sent.push(start.elapsed());
            }
            sent
        });
        for (index, first) in sent.iter().enumerate() {
            let within = |seconds| sent[index..].iter().filter(|time| **time < *first + Duration::from_secs(seconds)).count();
            prop_assert!(within(60) <= (per_minute + burst) as usize);
            prop_assert!(within(2) <= 20);
        }
    }
}
