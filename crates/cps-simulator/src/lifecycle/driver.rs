//! How a task edits its change, moves it to a step, and waits. Each method returns `None` once the change no longer
//! exists, which ends the task.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use crate::model::{Asked, Change, Enrollment, Offer, Stage, Step};

/// Wakes and stops the task that drives one change.
#[derive(Default)]
pub(super) struct Signal {
    pub wake: Notify,
    pub cancel: CancellationToken,
}

/// One change, and everything that moves it.
pub(super) struct Driver<'a> {
    pub context: &'a Context,
    pub enrollment: u64,
    pub change: u64,
    pub signal: &'a Signal,
}

impl Driver<'_> {
    pub(super) fn update<T>(&self, edit: impl FnOnce(&mut Change) -> T) -> Option<T> {
        self.context.store.update(self.enrollment, self.change, edit)
    }

    /// Edits the enrollment and the change together.
    pub(super) fn update_both<T>(&self, edit: impl FnOnce(&mut Enrollment, usize) -> T) -> Option<T> {
        self.context.store.update_both(self.enrollment, self.change, edit)
    }

    /// Moves to a step and stays there for a while.
    pub(super) async fn step(&self, step: Step, wait: Duration) -> Option<()> {
        self.update(|change| change.step = step)?;
        tracing::info!(enrollment = self.enrollment, change = self.change, ?step, "change moved");
        self.context.wait(wait).await;
        Some(())
    }

    /// Moves to a step as soon as the schedule allows it. A change that has missed the end of its schedule waits for
    /// another schedule.
    pub(super) async fn enter_on_schedule(&self, step: Step) -> Option<()> {
        loop {
            let now = Timestamp::now();
            let (entered, not_before) = self.update(|change| {
                let allowed = change.schedule.allows(now);
                if allowed {
                    change.step = step;
                }
                (allowed, change.schedule.not_before)
            })?;
            if entered {
                return Some(());
            }
            self.woken_or(not_before.filter(|time| *time > now)).await;
        }
    }

    /// Waits until somebody edits the change, but not beyond `time`.
    pub(super) async fn woken_or(&self, time: Option<Timestamp>) {
        let woken = self.signal.wake.notified();
        match time {
            Some(time) => {
                let _ = tokio::time::timeout(until(time), woken).await;
            }
            None => woken.await,
        }
    }

    /// Offers the input of a step.
    pub(super) fn offer(&self, step: Step) -> Option<()> {
        self.update(|change| {
            change.step = step;
            change.offer = Offer::Open;
            change.asked = Asked::default();
        })
    }

    /// Stops at the warnings that a test has added for this stage, until the client acknowledges them.
    pub(super) async fn warn(&self, stage: Stage, step: Step) -> Option<()> {
        let common_name = self.update_both(|enrollment, _| enrollment.common_name().to_owned())?;
        let Some(shown) = self.context.on_demand.warnings.meet(&common_name, stage) else { return Some(()) };
        self.update(|change| change.warnings = Some(shown))?;
        self.offer(step)?;
        while !self.update(|change| change.asked.acknowledged)? {
            self.signal.wake.notified().await;
        }
        self.update(|change| change.warnings = None)
    }
}

fn until(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}
