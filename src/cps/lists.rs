//! The lists of enrollments, one a contract, shared by all certificates that need one at the time: a list is one call,
//! however many certificates of the contract are created at once. Not here: what is looked for in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use akamai_cps::types::{ContractId, Enrollment};
use akamai_cps::{Cps, Error};
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

/// A list, with the time at which the call was begun.
#[derive(Clone)]
pub struct List {
    /// When the call was begun: what was created before is in the list.
    pub begun: Timestamp,
    /// All enrollments of the contract.
    pub enrollments: Arc<Vec<Enrollment>>,
}

type Slot = Arc<AsyncMutex<Option<List>>>;

/// The newest list of each contract.
#[derive(Default)]
pub struct Lists {
    slots: Mutex<HashMap<(String, String), Slot>>,
}

impl Lists {
    /// Forgets all lists that were begun before a time: nobody needs an old one, and a large contract's is megabytes.
    pub fn forget(&self, before: Timestamp) {
        let is_old = |slot: &Slot| {
            // A list that is being read is not old.
            slot.try_lock().is_ok_and(|list| list.as_ref().is_none_or(|list| list.begun < before))
        };
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, slot| !is_old(slot));
    }

    /// A list of a contract's enrollments that was begun after a time. Certificates that ask at once share one call.
    ///
    /// # Errors
    /// The call's.
    pub async fn get(
        &self,
        budget_group: &str,
        contract: &str,
        after: Timestamp,
        cps: &Cps,
    ) -> Result<List, Error> {
        let key = (budget_group.to_owned(), contract.to_owned());
        let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let mut newest = slot.lock().await;
        if let Some(list) = newest.as_ref().filter(|list| list.begun >= after) {
            return Ok(list.clone());
        }
        // A list of a large contract is megabytes: the old one goes before the new one comes.
        *newest = None;
        let begun = Timestamp::now();
        let enrollments = Arc::new(cps.list_enrollments(&ContractId::new(contract)).await?);
        let list = List { begun, enrollments };
        *newest = Some(list.clone());
        Ok(list)
    }
}
