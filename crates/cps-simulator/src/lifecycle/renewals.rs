//! Renewals. CPS begins one by itself at `autoRenewalStartTime`, unless another change is pending.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::drivers::Drivers;
use crate::model::{Change, ChangeKind};

/// The interval between two checks of all enrollments, at speed 1.
const LOOK: Duration = Duration::from_secs(60);
/// Without a minimum, high speeds would make the checks a busy loop.
const FASTEST_LOOK: Duration = Duration::from_millis(200);

/// Why CPS does not begin a renewal.
pub(crate) enum Refusal {
    Unknown,
    Pending,
    NeverDeployed,
}

/// Begins every renewal that is due, for ever.
pub(crate) async fn run(drivers: Arc<Drivers>) {
    let (config, store) = (&drivers.context.config, &drivers.context.store);
    loop {
        tokio::time::sleep(config.scaled(LOOK).max(FASTEST_LOOK)).await;
        let now = Timestamp::now();
        let due: Vec<u64> = store
            .lock()
            .enrollments
            .values()
            .filter(|enrollment| enrollment.renews_at(config.renewal_lead).is_some_and(|start| start <= now))
            .map(|enrollment| enrollment.id)
            .collect();
        for enrollment in due {
            // A refusal means that another change comes first.
            let _ = begin(&drivers, enrollment);
        }
    }
}

pub(crate) fn begin(drivers: &Arc<Drivers>, enrollment: u64) -> Result<(), Refusal> {
    let change = {
        let mut state = drivers.context.store.lock();
        let found = state.enrollments.get(&enrollment).ok_or(Refusal::Unknown)?;
        if found.pending().next().is_some() {
            return Err(Refusal::Pending);
        }
        if found.production.is_none() {
            return Err(Refusal::NeverDeployed);
        }
        let change = state.next_id();
        let found = state.enrollments.get_mut(&enrollment).ok_or(Refusal::Unknown)?;
        found.renewal_start = None;
        found.changes.push(Change::new(change, ChangeKind::Renewal, &found.names()));
        change
    };
    drivers.start(enrollment, change);
    Ok(())
}
