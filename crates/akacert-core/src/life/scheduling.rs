//! PURE: the deployment window becomes the deployment schedule of each change, anew when a window has passed.
//! Not here: when a window opens (`crate::window`).

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

/// The change has the schedule that policy wants, or the step that gives it one. Without a window it keeps what others
/// gave it.
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
            schedule(s, d, account, id, reading, DeploymentSchedule::default())
        } else {
            Ok(())
        };
    };
    // Later the live certificate would not serve any more.
    let latest = s.recorded_production().map(expiry::soon);
    let wanted = window::schedule(window, s.now, latest).map_err(|error| {
        d.not_done(Progress::Deployed, Reason::ConfigurationInvalid, error.to_string());
        Next::Pause(Pause::UntilEvent)
    })?;
    let wanted = wanted.unwrap_or_default();
    // In an open window it does not matter since when the change may go.
    let is_open = wanted.not_before.is_some_and(|opens| opens <= s.now)
        && present.not_before.is_none_or(|not_before| not_before <= s.now);
    if present.not_after == wanted.not_after && (is_open || present.not_before == wanted.not_before) {
        return Ok(());
    }
    schedule(s, d, account, id, reading, wanted)
}

fn schedule(
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

/// When the change goes to production at the earliest, if that is later.
pub fn opens(change: &Change, now: Timestamp) -> Option<Timestamp> {
    let schedule = change.status_info.deployment_schedule.as_ref()?;
    schedule.not_before.filter(|opens| *opens > now)
}

/// The recorded status waits for a window.
fn waited(s: &Snapshot<'_>) -> bool {
    let deployed = s
        .certificate
        .status
        .as_ref()
        .and_then(|status| condition_set::find(&status.conditions, condition::DEPLOYED));
    deployed.is_some_and(|deployed| deployed.reason == Reason::WaitingForWindow.as_str())
}

/// From here on CPS takes no schedule.
fn is_deploying(change: &Change) -> bool {
    matches!(change.status_info.status.as_str(), "deploy-cert-to-production" | "complete")
}
