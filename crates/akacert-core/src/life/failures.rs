//! The steps that failed, and when each is tried again. Not here: writes that succeed and are undone (`super::writes`).

use std::collections::BTreeMap;

use akacert_api::reason::Reason;
use jiff::Timestamp;

/// The steps that failed and have not succeeded since, by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures(BTreeMap<&'static str, Failure>);

/// A step that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What to report.
    pub reason: Reason,
    /// What to report.
    pub message: String,
    /// How often in a row.
    pub count: u32,
    /// Not before this time again.
    pub retry_at: Timestamp,
}

impl Failures {
    /// The failure of a step, by its name.
    #[must_use]
    pub fn of(&self, step: &str) -> Option<&Failure> {
        self.0.get(step)
    }

    /// Whether nothing has failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A step failed.
    pub fn insert(&mut self, step: &'static str, failure: Failure) {
        self.0.insert(step, failure);
    }

    pub(super) fn forget(&mut self, step: &str) {
        self.0.remove(step);
    }

    /// What is tried again later is not tried at every look; what its time has passed by is not wanted any more.
    pub(super) fn rest(&mut self, now: Timestamp) {
        self.0.retain(|_, failure| failure.retry_at > now);
    }
}
