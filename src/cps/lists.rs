//! The shared lists of enrollments, one per contract. A list is one call, however many certificates of the contract
//! are created at once, and however many accounts hold the same credentials.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use akamai_cps::types::Enrollment;
use akamai_cps::{Error, Identity};
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;

/// How long to wait for a call of another budget group. That group's budget may be used up, which must not block this
/// group. But CPS needs many seconds to list a large contract, so not every group should list it.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct List {
    /// When the call began. The list has everything that was created before.
    pub begun: Timestamp,
    /// All enrollments of the contract.
    pub enrollments: Arc<Vec<Enrollment>>,
}

/// Identifies a list: who asks, and for which contract. Only equal credentials see the same list.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The identity of the client at Akamai.
    pub client: Identity,
    /// The contract's ID.
    pub contract: String,
}

/// The newest list, and the locks that decide who reads the next one.
#[derive(Default)]
struct Shared {
    newest: Mutex<Option<List>>,
    turn: AsyncMutex<()>,
    /// One call at a time per group, because all calls of a group wait for the same budget.
    groups: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

/// The newest list of each contract.
#[derive(Default)]
pub struct Lists {
    shared: Mutex<HashMap<Key, Arc<Shared>>>,
}

impl Lists {
    /// Drops all lists that began before a time. Nobody needs them, and the list of a large contract takes megabytes.
    pub fn forget(&self, before: Timestamp) {
        locked(&self.shared).retain(|_, shared| {
            // Another holder is about to read it.
            Arc::strong_count(shared) > 1 || shared.since(before).is_some()
        });
    }

    /// A list whose call began after a time. Certificates that ask at the same time share one call. Each passes the
    /// call that it would make, which counts against its own budget group.
    ///
    /// # Errors
    /// The call's.
    pub async fn get(
        &self,
        key: Key,
        budget_group: &str,
        after: Timestamp,
        read: impl AsyncFnOnce() -> Result<Vec<Enrollment>, Error>,
    ) -> Result<List, Error> {
        let shared = locked(&self.shared).entry(key).or_default().clone();
        if let Some(list) = shared.since(after) {
            return Ok(list);
        }
        let group = locked(&shared.groups).entry(budget_group.to_owned()).or_default().clone();
        let _in_group = group.lock().await;
        if let Some(list) = shared.since(after) {
            return Ok(list);
        }
        let _turn = timeout(PATIENCE, shared.turn.lock()).await;
        if let Some(list) = shared.since(after) {
            return Ok(list);
        }
        // The list of a large contract takes megabytes: drop the old one before the new one arrives.
        *locked(&shared.newest) = None;
        let begun = Timestamp::now();
        let list = List { begun, enrollments: Arc::new(read().await?) };
        let mut newest = locked(&shared.newest);
        if newest.as_ref().is_none_or(|other| other.begun < begun) {
            *newest = Some(list.clone());
        }
        Ok(list)
    }
}

impl Shared {
    fn since(&self, after: Timestamp) -> Option<List> {
        locked(&self.newest).as_ref().filter(|list| list.begun >= after).cloned()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
