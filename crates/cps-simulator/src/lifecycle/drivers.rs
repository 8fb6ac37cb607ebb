//! The tasks that drive the pending changes, one task per change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::context::Context;
use super::driver::Signal;
use super::steps;
use crate::lock::lock;
use crate::model::State;

pub(crate) struct Drivers {
    pub(super) context: Arc<Context>,
    /// By the number of the change.
    signals: Mutex<HashMap<u64, Arc<Signal>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drivers {
    /// `stop` ends all tasks, and `tasks` shows when they have ended.
    pub(crate) fn new(context: Context, stop: CancellationToken, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self { context: Arc::new(context), signals: Mutex::default(), stop, tasks })
    }

    /// Starts the task of a change.
    pub(crate) fn start(self: &Arc<Self>, enrollment: u64, change: u64) {
        let signal = Arc::new(Signal { wake: Notify::new(), cancel: self.stop.child_token() });
        lock(&self.signals).insert(change, signal.clone());
        let drivers = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = signal.cancel.cancelled() => {}
                () = steps::run(&drivers.context, enrollment, change, &signal) => {}
            }
            let mut signals = lock(&drivers.signals);
            if signals.get(&change).is_some_and(|current| Arc::ptr_eq(current, &signal)) {
                signals.remove(&change);
            }
        });
    }

    /// Wakes the task of a change after an edit of the change.
    pub(crate) fn wake(&self, change: u64) {
        if let Some(signal) = lock(&self.signals).get(&change) {
            signal.wake.notify_one();
        }
    }

    /// Stops the task of a change.
    pub(crate) fn cancel(&self, change: u64) {
        if let Some(signal) = lock(&self.signals).remove(&change) {
            signal.cancel.cancel();
        }
    }

    /// Replaces the whole state and drives its pending changes.
    pub(crate) fn load(self: &Arc<Self>, mut new: State) {
        for (_, signal) in lock(&self.signals).drain() {
            signal.cancel.cancel();
        }
        for enrollment in new.enrollments.values_mut() {
            enrollment.changes.retain(|change| !change.finished);
        }
        let pending: Vec<(u64, u64)> =
            new.enrollments.values().flat_map(|e| e.pending().map(move |change| (e.id, change.id))).collect();
        *self.context.store.lock() = new;
        for (enrollment, change) in pending {
            self.start(enrollment, change);
        }
    }
}
