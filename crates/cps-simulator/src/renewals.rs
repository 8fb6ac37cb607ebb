//! Renewals: CPS begins one by itself at `autoRenewalStartTime`, unless something else is pending.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::shared::{Shared, lock};
use crate::state::{Change, ChangeKind, Enrollment};

/// Between two looks at all enrollments, at speed 1.
const LOOK: Duration = Duration::from_secs(60);
/// At high speeds the looks would else be a busy loop.
const FASTEST_LOOK: Duration = Duration::from_millis(200);

/// Why no renewal can be begun.
pub(crate) enum Refusal {
    Unknown,
    Pending,
    NeverDeployed,
}

/// When CPS renews by itself: `lead` before the end of what is in production, unless a time was set.
pub(crate) fn start(enrollment: &Enrollment, lead: Duration) -> Option<Timestamp> {
    let lead = SignedDuration::try_from(lead).unwrap_or(SignedDuration::MAX);
    let production = enrollment.production.as_ref()?;
    enrollment.renewal_start.or_else(|| production.issued.not_after.checked_sub(lead).ok())
}

/// Begins what is due, for ever.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(shared.scaled(LOOK).max(FASTEST_LOOK)).await;
        let now = Timestamp::now();
        let lead = shared.config.renewal_lead;
        let due: Vec<u64> = lock(&shared.state)
            .enrollments
            .values()
            .filter(|enrollment| start(enrollment, lead).is_some_and(|start| start <= now))
            .map(|enrollment| enrollment.id)
            .collect();
        for enrollment in due {
            // What is pending comes first.
            let _ = begin(&shared, enrollment);
        }
    }
}

/// Begins a renewal.
pub(crate) fn begin(shared: &Arc<Shared>, enrollment: u64) -> Result<(), Refusal> {
    let change = {
        let mut state = lock(&shared.state);
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
    shared.drive(enrollment, change);
    Ok(())
}
