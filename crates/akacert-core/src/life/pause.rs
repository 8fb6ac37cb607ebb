//! The result of a decision: one step, or a pause.

use std::time::Duration;

use jiff::Timestamp;

use super::step::Step;

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// Do one step, then look again.
    Do(Step),
    /// Nothing can be done now.
    Pause(Pause),
}

impl From<Step> for Next {
    fn from(step: Step) -> Self {
        Next::Do(step)
    }
}

/// When to look again, unless an event comes first. Pauses are ordered by their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pause {
    /// At this time.
    Until(Timestamp),
    /// Only when something changes in the cluster.
    UntilEvent,
}

impl Pause {
    /// How long the pause lasts from now on; `None` if only an event ends it.
    #[must_use]
    pub fn length(self, now: Timestamp) -> Option<Duration> {
        match self {
            Pause::Until(time) => {
                Some(Duration::try_from(time.duration_since(now)).unwrap_or(Duration::ZERO))
            }
            Pause::UntilEvent => None,
        }
    }
}
