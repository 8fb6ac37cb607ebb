//! Failpoints: the end-to-end tests kill the operator before and after each of its side effects.
//!
//! Compiled in only with the feature `failpoints`. `AKACERT_FAILPOINT=n` aborts the process when it comes by its nth
//! failpoint. Not here: which side effects there are (`crate::reconcile::act`).

/// The process comes by a failpoint.
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
        // Standard error is not buffered: the line is out before the process is gone.
        eprintln!("failpoint {number}: {place}");
        std::process::abort();
    }
}

/// The process comes by a failpoint: nothing happens without the feature.
#[cfg(not(feature = "failpoints"))]
pub fn reach(_place: &str) {}
