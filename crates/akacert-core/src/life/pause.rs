//! What a decision comes to: one step, or a pause.

use std::time::Duration;

use jiff::Timestamp;

use super::step::Step;

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// One step, and then another look.
    Do(Step),
    /// Nothing can be done now.
    Pause(Pause),
}

impl From<Step> for Next {
    fn from(step: Step) -> Self {
        Next::Do(step)
    }
}

/// When to look again, unless an event comes before. The sooner one is the lesser one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pause {
    /// At this time.
    Until(Timestamp),
    /// When something changes in the cluster, and not before.
    UntilEvent,
}

impl Pause {
    /// How long it lasts from now on; none when only an event ends it.
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
