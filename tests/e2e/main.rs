//! What a user does, on a real control plane, ingress controller and ACME authority. One test bed serves all tests.
//! Each test has its own namespace and account, and most tests run concurrently.

mod accounts;
mod adopting;
mod approving;
mod chart;
mod counts;
mod disputes;
mod ending;
mod failpoints;
mod faults;
mod gitops;
mod handbook;
mod healing;
mod health;
mod issue;
mod leading;
mod monitoring;
mod outside;
mod plugin;
mod preflight;
mod preflight_dns;
mod publishing;
mod refused;
mod renewing;
mod scene;
mod stalled;
mod standing;
mod storm;
mod updating;
mod ways;

use std::sync::Arc;

use anyhow::Result;
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use testbed::{Options, TestBed};
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

/// A test: its name is a sentence, and its function uses the test bed.
struct Test {
    name: &'static str,
    run: Run,
}

/// How a test uses the test bed.
#[derive(Clone, Copy)]
enum Run {
    /// Concurrently with others: it touches only its own namespaces and its own enrollments.
    Together(for<'a> fn(&'a TestBed) -> LocalBoxFuture<'a, Result<()>>),
    /// Alone: it restarts something, counts everything, or makes CPS fail for everybody.
    Alone(for<'a> fn(&'a mut TestBed) -> LocalBoxFuture<'a, Result<()>>),
}

/// Names concurrent tests after their functions.
#[macro_export]
macro_rules! together {
    ($($name:ident),* $(,)?) => {
        pub const TOGETHER: &[$crate::Test] = &[$($crate::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            run: $crate::Run::Together(|bed| Box::pin($name(bed))),
        }),*];
    };
}

/// Names tests that run alone after their functions.
#[macro_export]
macro_rules! alone {
    ($($name:ident),* $(,)?) => {
        pub const ALONE: &[$crate::Test] = &[$($crate::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            run: $crate::Run::Alone(|bed| Box::pin($name(bed))),
        }),*];
    };
}

/// How many tests run at a time. They mostly wait for CPS and for the authority.
const SIDE_BY_SIDE: usize = 9;

fn tests() -> impl Iterator<Item = &'static Test> {
    [
        // First those that start many operators, because each start checks every existing account.
        chart::ALONE,
        gitops::ALONE,
        failpoints::ALONE,
        leading::ALONE,
        outside::ALONE,
        storm::ALONE,
        counts::ALONE,
        monitoring::ALONE,
        faults::ALONE,
        publishing::ALONE,
        accounts::ALONE,
        ending::ALONE,
        updating::ALONE,
        renewing::ALONE,
        adopting::ALONE,
        ways::ALONE,
        standing::ALONE,
        issue::TOGETHER,
        refused::TOGETHER,
        stalled::TOGETHER,
        accounts::TOGETHER,
        ending::TOGETHER,
        publishing::TOGETHER,
        updating::TOGETHER,
        renewing::TOGETHER,
        adopting::TOGETHER,
        faults::TOGETHER,
        gitops::TOGETHER,
        health::TOGETHER,
        handbook::TOGETHER,
        chart::TOGETHER,
        plugin::TOGETHER,
        approving::TOGETHER,
        preflight::TOGETHER,
        preflight_dns::TOGETHER,
        healing::TOGETHER,
        disputes::TOGETHER,
        ways::TOGETHER,
        standing::TOGETHER,
    ]
    .into_iter()
    .flatten()
}

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        let listed = tests().map(|test| Trial::test(test.name, || Ok(()))).collect();
        libtest_mimic::run(&arguments, listed).exit();
    }
    // Build outside the namespaces, where there is a network.
    testbed::Programs::find_or_build()?;
    testbed::enter()?;
    arguments.test_threads = Some(SIDE_BY_SIDE);
    let runtime = Arc::new(Runtime::new()?);
    let bed = runtime.block_on(async {
        let bed = TestBed::start(&Options::default()).await?;
        bed.install().await?;
        anyhow::Ok(bed)
    })?;
    let bed = Arc::new(RwLock::new(bed));
    let trials = tests()
        .map(|test| {
            let (runtime, bed) = (runtime.clone(), bed.clone());
            Trial::test(test.name, move || runtime.block_on(run(test.run, &bed)))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(bed);
    conclusion.exit();
}

async fn run(test: Run, bed: &RwLock<TestBed>) -> Result<(), Failed> {
    let failed = async |bed: &TestBed, error: anyhow::Error| {
        Failed::from(format!("{error:#}\n{}", scene::dump(bed).await))
    };
    match test {
        Run::Together(test) => {
            let bed = bed.read().await;
            match test(&bed).await {
                Ok(()) => Ok(()),
                Err(error) => Err(failed(&bed, error).await),
            }
        }
        Run::Alone(test) => {
            let mut bed = bed.write().await;
            let outcome = test(&mut bed).await;
            let restored = scene::restore(&bed).await;
            match outcome.and(restored) {
                Ok(()) => Ok(()),
                Err(error) => Err(failed(&bed, error).await),
            }
        }
    }
}
