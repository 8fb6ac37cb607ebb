//! Failpoints, at which the end-to-end tests kill the operator: before and after each of its side effects.
//!
//! Only the feature `failpoints` compiles them in. `AKACERT_FAILPOINT=n` aborts the process at the nth failpoint that
//! it reaches.

/// Counts a failpoint, and aborts the process if it is the chosen one.
#[cfg(feature = "failpoints")]
pub fn reach(place: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static FATAL: LazyLock<Option<u64>> =
        LazyLock::new(|| std::env::var("AKACERT_FAILPOINT").ok().and_then(|number| number.parse().ok()));

    let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    tracing::debug!(number, place, "failpoint");
    if *FATAL == Some(number) {
        // Standard error is not buffered, so the line is out before the process aborts.
        eprintln!("failpoint {number}: {place}");
        std::process::abort();
    }
}

/// Does nothing without the feature.
#[cfg(not(feature = "failpoints"))]
pub fn reach(_place: &str) {}
