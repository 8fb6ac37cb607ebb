//! The steps that failed, and when each is tried again. Not here: writes that succeed and that
//! somebody undoes (`super::writes`).

use std::collections::BTreeMap;

use akacert_api::reason::Reason;
use jiff::Timestamp;

use super::step::Step;
use crate::published::Target;

/// The steps that failed and have not succeeded since.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures(BTreeMap<Key, Failure>);

/// The name of a step, and the object that the step publishes: an object that cannot be written holds up no other object.
pub type Key = (&'static str, Option<Target>);

/// The key of a step.
#[must_use]
pub fn key(step: &Step) -> Key {
    let target = if let Step::Publish(write) = step { Some(write.target_owned()) } else { None };
    (step.name(), target)
}

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
    /// The failure of a step.
    #[must_use]
    pub fn of(&self, step: &Step) -> Option<&Failure> {
        self.0.get(&key(step))
    }

    /// The failure of the step with this name. The step must be one that publishes nothing.
    #[must_use]
    pub fn named(&self, step: &'static str) -> Option<&Failure> {
        self.0.get(&(step, None))
    }

    /// Whether no step has failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records the failure of a step.
    pub fn insert(&mut self, step: Key, failure: Failure) {
        self.0.insert(step, failure);
    }

    pub(super) fn forget(&mut self, step: &Step) {
        self.0.remove(&key(step));
    }

    /// Keeps each failure whose back-off has not ended, or every look would retry its step. The other steps are no longer
    /// wanted.
    pub(super) fn rest(&mut self, now: Timestamp) {
        self.0.retain(|_, failure| failure.retry_at > now);
    }
}
