//! What all parts of a running simulator share, and the ways to reach its state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Verifier;
use crate::authority::{Authority, OwnRoot};
use crate::calls::Calls;
use crate::config::Config;
use crate::edge_dns::{EdgeDns, Zones};
use crate::faults::Faults;
use crate::fetch::Fetcher;
use crate::lifecycle;
use crate::limits::Limits;
use crate::quirks::Quirks;
use crate::state::{Change, Enrollment, State};
use crate::warnings::Warnings;

/// Wakes and stops the task that drives one change.
#[derive(Default)]
pub(crate) struct Signal {
    pub wake: Notify,
    pub cancel: CancellationToken,
}

pub(crate) struct Shared {
    pub config: Config,
    pub verifier: Verifier,
    pub limits: Limits,
    pub faults: Faults,
    pub warnings: Warnings,
    pub calls: Calls,
    pub fetcher: Fetcher,
    pub edge_dns: EdgeDns,
    pub authority: Authority,
    pub own_root: Arc<OwnRoot>,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    pub quirks: Mutex<Quirks>,
    pub state: Mutex<State>,
    pub signals: Mutex<HashMap<u64, Arc<Signal>>>,
}

/// A panic while holding the lock leaves plain data behind: go on with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the zones of the configuration.
pub(crate) fn add_zones(zones: &mut Zones, config: &Config) {
    let contract = config.contracts.first().map_or("", String::as_str);
    for zone in &config.edge_dns.zones {
        zones.add(&zone.name, zone.kind, contract);
    }
}

impl Shared {
    pub(crate) fn quirks(&self) -> Quirks {
        *lock(&self.quirks)
    }

    /// A wait at the configured speed.
    pub(crate) async fn wait(&self, at_speed_one: Duration) {
        tokio::time::sleep(self.scaled(at_speed_one)).await;
    }

    pub(crate) fn scaled(&self, at_speed_one: Duration) -> Duration {
        at_speed_one.div_f64(self.config.speed)
    }

    /// Changes a change, unless it is gone.
    pub(crate) fn update<T>(
        &self,
        enrollment: u64,
        change: u64,
        edit: impl FnOnce(&mut Change) -> T,
    ) -> Option<T> {
        let mut state = lock(&self.state);
        let (enrollment, index) = state.change_mut(enrollment, change)?;
        Some(edit(&mut enrollment.changes[index]))
    }

    /// Starts the task that drives a change.
    pub(crate) fn drive(self: &Arc<Self>, enrollment: u64, change: u64) {
        let signal = Arc::new(Signal { wake: Notify::new(), cancel: self.stop.child_token() });
        lock(&self.signals).insert(change, signal.clone());
        let shared = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = signal.cancel.cancelled() => {}
                () = lifecycle::run(&shared, enrollment, change, &signal) => {}
            }
            let mut signals = lock(&shared.signals);
            if signals.get(&change).is_some_and(|current| Arc::ptr_eq(current, &signal)) {
                signals.remove(&change);
            }
        });
    }

    /// Wakes the task of a change after its state was edited.
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

    /// Replaces the whole state and drives its pending changes. Zones it was started with are there in any case.
    pub(crate) fn load(self: &Arc<Self>, mut new: State) {
        add_zones(&mut new.edge_dns, &self.config);
        for (_, signal) in lock(&self.signals).drain() {
            signal.cancel.cancel();
        }
        for enrollment in new.enrollments.values_mut() {
            enrollment.changes.retain(|change| !change.finished);
        }
        let pending: Vec<(u64, u64)> = new
            .enrollments
            .values()
            .flat_map(|e: &Enrollment| e.pending().map(move |change| (e.id, change.id)))
            .collect();
        *lock(&self.state) = new;
        for (enrollment, change) in pending {
            self.drive(enrollment, change);
        }
    }
}
