//! PURE: turns the deployment window into the deployment schedule of each change, and sets a new one after a window
//! has passed.

use akamai_cps_types::{Change, DeploymentSchedule, EnrollmentId};
use jiff::Timestamp;

use super::draft::{Draft, Progress};
use super::expiry;
use super::memory::OfChange;
use super::ours::writable;
use super::{Next, Pause, Snapshot, Step};
use crate::account::Account;
use crate::window;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::condition;

/// Checks that the change has the schedule that the policy wants, or returns the step that sets it. Without a window,
/// the change keeps the schedule that others set.
pub fn scheduled(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    reading: &OfChange,
    change: &Change,
) -> Result<(), Next> {
    if s.spec().observes() || is_deploying(change) {
        return Ok(());
    }
    let present = change.status_info.deployment_schedule.clone().unwrap_or_default();
    let Some(window) = s.spec().deployment.as_ref().and_then(|deployment| deployment.window.as_ref()) else {
        let ours = waited(s) && present != DeploymentSchedule::default();
        return if ours {
            set_schedule(s, d, account, id, reading, DeploymentSchedule::default())
        } else {
            Ok(())
        };
    };
    // After that the live certificate would be about to expire.
    let latest = s.recorded_production().map(expiry::soon);
    let wanted = window::schedule(window, s.now, latest).map_err(|error| {
        d.not_done(Progress::Deployed, Reason::ConfigurationInvalid, error.to_string());
        Next::Pause(Pause::UntilEvent)
    })?;
    let wanted = wanted.unwrap_or_default();
    // If the window is open, it does not matter when the change's schedule began.
    let is_open = wanted.not_before.is_some_and(|opens| opens <= s.now)
        && present.not_before.is_none_or(|not_before| not_before <= s.now);
    if present.not_after == wanted.not_after && (is_open || present.not_before == wanted.not_before) {
        return Ok(());
    }
    set_schedule(s, d, account, id, reading, wanted)
}

fn set_schedule(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    reading: &OfChange,
    wanted: DeploymentSchedule,
) -> Result<(), Next> {
    writable(s, d, account, id)?;
    Err(Next::Do(Step::Schedule(id, reading.id, wanted)))
}

/// The earliest time at which the change goes to production, if that is in the future.
pub fn opens(change: &Change, now: Timestamp) -> Option<Timestamp> {
    let schedule = change.status_info.deployment_schedule.as_ref()?;
    schedule.not_before.filter(|opens| *opens > now)
}

/// Whether the recorded status waits for a window.
fn waited(s: &Snapshot<'_>) -> bool {
    let deployed = s
        .certificate
        .status
        .as_ref()
        .and_then(|status| condition_set::find(&status.conditions, condition::DEPLOYED));
    deployed.is_some_and(|deployed| deployed.reason == Reason::WaitingForWindow.as_str())
}

/// Whether CPS no longer takes a schedule.
fn is_deploying(change: &Change) -> bool {
    matches!(change.status_info.status.as_str(), "deploy-cert-to-production" | "complete")
}
