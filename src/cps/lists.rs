//! The lists of enrollments, one per contract, shared by all certificates that need one at the time: a list is one call,
//! however many certificates of the contract are created at once, and however many accounts hold the same credentials.
//! Not here: what is looked for in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use akamai_cps::types::Enrollment;
use akamai_cps::{Error, Identity};
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;

/// How long to wait for a call that another budget group makes. Its budget may be used up, which must not stop this one;
/// but the list of a large contract takes CPS many seconds, and is not to be asked for by each group.
const PATIENCE: Duration = Duration::from_secs(30);

/// A list, with the time at which the call was begun.
#[derive(Clone)]
pub struct List {
    /// When the call was begun: what was created before is in the list.
    pub begun: Timestamp,
    /// All enrollments of the contract.
    pub enrollments: Arc<Vec<Enrollment>>,
}

/// Whose view of which contract a list is. Only equal credentials see the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whom Akamai takes the client for.
    pub client: Identity,
    /// The contract's ID.
    pub contract: String,
}

/// The newest list, and whose turn it is to read the next one.
#[derive(Default)]
struct Shared {
    newest: Mutex<Option<List>>,
    turn: AsyncMutex<()>,
    /// Within a group one call at a time: all its calls wait for the same budget.
    groups: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

/// The newest list of each contract.
#[derive(Default)]
pub struct Lists {
    shared: Mutex<HashMap<Key, Arc<Shared>>>,
}

impl Lists {
    /// Forgets all lists that were begun before a time: nobody needs an old one, and a large contract's is megabytes.
    pub fn forget(&self, before: Timestamp) {
        locked(&self.shared).retain(|_, shared| {
            // Whoever holds it is about to read.
            Arc::strong_count(shared) > 1 || shared.since(before).is_some()
        });
    }

    /// A list that was begun after a time. Those who ask at once share one call; each passes the call that it would make,
    /// which goes to its own budget group.
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
        // A list of a large contract is megabytes: the old one goes before the new one comes.
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
