//! The steps that failed, and when each is tried again. Not here: writes that succeed and are undone (`super::writes`).

use std::collections::BTreeMap;

use akacert_api::reason::Reason;
use jiff::Timestamp;

/// The steps that failed and have not succeeded since, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures(BTreeMap<&'static str, Failure>);

/// How a step failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The reason to report.
    pub reason: Reason,
    /// The message to report.
    pub message: String,
    /// How often in a row the step has failed.
    pub count: u32,
    /// The step is held back until this time.
    pub retry_at: Timestamp,
}

impl Failures {
    /// The failure of the step with this name.
    #[must_use]
    pub fn of(&self, step: &str) -> Option<&Failure> {
        self.0.get(step)
    }

    /// Whether no step has failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records the failure of a step.
    pub fn insert(&mut self, step: &'static str, failure: Failure) {
        self.0.insert(step, failure);
    }

    pub(super) fn forget(&mut self, step: &str) {
        self.0.remove(step);
    }

    /// Keeps failures whose back-off lasts, or every look would retry the step. Of the others, the step is no longer
    /// wanted.
    pub(super) fn rest(&mut self, now: Timestamp) {
        self.0.retain(|_, failure| failure.retry_at > now);
    }
}
