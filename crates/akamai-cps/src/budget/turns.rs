//! What all clients of one Akamai account share at Edge DNS: a request budget, and the turn to write to each zone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::Budget;

/// Akamai documents no limit for Edge DNS. This serves twelve certificates at once, and leaves room for others.
const PER_MINUTE: u32 = 300;
const BURST: u32 = 20;

/// The budget and the turns of Edge DNS. Its limits are independent of those of CPS, so it has its own budget. It
/// refuses a write to a zone while another is in progress, so writes to a zone take turns.
#[derive(Debug)]
pub struct Turns {
    budget: Arc<Budget>,
    zones: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// A budget that leaves room for other users of the account.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Budget::new(PER_MINUTE, BURST))
    }

    /// A budget without limits, for an Edge DNS that has none. It still observes the pauses that Edge DNS asks for.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::with(Budget::unlimited())
    }

    fn with(budget: Arc<Budget>) -> Self {
        Self { budget, zones: Mutex::default() }
    }

    /// The budget for the calls of Edge DNS.
    #[must_use]
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Waits for the turn to write to a zone, which lasts until the guard is dropped. First come, first served.
    pub(crate) async fn of_zone(&self, zone: &str) -> OwnedMutexGuard<()> {
        self.lock_of(zone).lock_owned().await
    }

    fn lock_of(&self, zone: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = zones.get(zone).and_then(Weak::upgrade) {
            return lock;
        }
        // Drop the zones that nobody waits for.
        zones.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        zones.insert(zone.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_zone_is_one_writers_at_a_time_and_no_other_zone_waits() {
        let turns = Turns::unlimited();
        let first = turns.of_zone("example.com").await;
        assert!(turns.lock_of("example.com").try_lock().is_err());
        let _other = turns.of_zone("example.org").await;
        drop(first);
        let _second = turns.of_zone("example.com").await;
    }

    #[tokio::test]
    async fn a_zone_that_nobody_writes_to_is_forgotten() {
        let turns = Turns::unlimited();
        drop(turns.of_zone("example.com").await);
        let _turn = turns.of_zone("example.org").await;
        assert_eq!(turns.zones.lock().unwrap().keys().collect::<Vec<_>>(), ["example.org"]);
    }
}
