//! What a user does, on a real control plane, ingress controller and ACME authority. One test bed for all tests; each
//! test has a namespace and an account of its own.

mod accounts;
mod adopting;
mod approving;
mod counts;
mod ending;
mod failpoints;
mod faults;
mod issue;
mod publishing;
mod refused;
mod renewing;
mod scene;
mod stalled;
mod updating;

use std::sync::Arc;

use anyhow::Result;
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use testbed::{Options, TestBed};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// A test: a sentence, and what it does with the test bed.
type Test = (&'static str, for<'a> fn(&'a mut TestBed) -> LocalBoxFuture<'a, Result<()>>);

/// Names a test by its function.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub const TESTS: &[$crate::Test] = &[$((concat!(module_path!(), "::", stringify!($name)), |bed| Box::pin($name(bed)))),*];
    };
}

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    let tests = || {
        [
            // First: each of their many starts of the operator checks every account that there is.
            failpoints::TESTS,
            issue::TESTS,
            refused::TESTS,
            stalled::TESTS,
            accounts::TESTS,
            counts::TESTS,
            faults::TESTS,
            ending::TESTS,
            publishing::TESTS,
            updating::TESTS,
            adopting::TESTS,
            approving::TESTS,
            renewing::TESTS,
        ]
        .into_iter()
        .flatten()
    };
    if arguments.list {
        let listed = tests().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        libtest_mimic::run(&arguments, listed).exit();
    }
    // Built outside the namespaces, where the network is.
    testbed::Programs::find_or_build()?;
    testbed::enter()?;
    // They share one test bed, and some of them restart parts of it.
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new()?);
    let bed = runtime.block_on(async {
        let bed = TestBed::start(&Options::default()).await?;
        bed.install().await?;
        anyhow::Ok(bed)
    })?;
    let bed = Arc::new(Mutex::new(bed));
    let trials = tests()
        .map(|(name, test)| {
            let (runtime, bed) = (runtime.clone(), bed.clone());
            Trial::test(*name, move || runtime.block_on(run(test, &bed)))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(bed);
    conclusion.exit();
}

async fn run(
    test: &for<'a> fn(&'a mut TestBed) -> LocalBoxFuture<'a, Result<()>>,
    bed: &Mutex<TestBed>,
) -> Result<(), Failed> {
    let mut bed = bed.lock().await;
    scene::restore(&bed).await.map_err(|error| Failed::from(format!("{error:#}")))?;
    match test(&mut bed).await {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error:#}\n{}", scene::dump(&bed).await).into()),
    }
}
