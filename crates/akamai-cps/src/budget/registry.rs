//! The budgets of a process, by account group. All credentials of one Akamai account share one budget, and the same
//! turns at Edge DNS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Budget, Turns};

/// Budgets by group. Clones are cheap, and share the budgets.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    groups: Arc<Mutex<HashMap<String, Arc<Budget>>>>,
    edge_dns: Arc<Mutex<HashMap<String, Arc<Turns>>>>,
    unlimited: bool,
}

impl Budgets {
    /// A registry without budgets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A registry whose budgets have no limits, for a CPS that has none.
    pub fn unlimited() -> Self {
        Self { unlimited: true, ..Self::default() }
    }

    /// The budget of a group. It is created if there is none, and gets the new rate if it had another.
    pub fn get(&self, group: &str, per_minute: u32, burst: u32) -> Arc<Budget> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = groups.get(group) {
            if !self.unlimited {
                budget.set_limits(per_minute, burst);
            }
            return budget.clone();
        }
        let budget = if self.unlimited { Budget::unlimited() } else { Budget::new(per_minute, burst) };
        groups.insert(group.to_owned(), budget.clone());
        budget
    }

    /// The turns that the clients of a group share at Edge DNS. They are created if there are none.
    pub fn edge_dns(&self, group: &str) -> Arc<Turns> {
        let mut turns = self.edge_dns.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(if self.unlimited { Turns::unlimited() } else { Turns::new() });
        turns.entry(group.to_owned()).or_insert_with(new).clone()
    }

    /// The groups that a client uses, with their budgets, by name. For metrics.
    pub fn used(&self) -> Vec<(String, Arc<Budget>)> {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let used = groups.iter().filter(|(_, budget)| Arc::strong_count(budget) > 1);
        let mut all: Vec<_> = used.map(|(group, budget)| (group.clone(), budget.clone())).collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }
}
