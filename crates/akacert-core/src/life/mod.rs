//! PURE: decides what to do next for a certificate, and what to report.
//!
//! [`next()`] takes a [`Snapshot`], and returns the status and either one [`Step`] or a [`Pause`]. A step is one read
//! or one side effect. [`Memory::absorb`](memory::Memory::absorb) remembers the answer to it. Then the operator
//! observes the certificate again. `life()` is the whole life of a certificate.
//!
//! The operator has the loop and does the I/O.

pub mod absorb;
mod adopting;
pub mod answer;
mod creating;
pub mod draft;
mod ending;
pub mod expiry;
mod failures;
#[cfg(any(test, feature = "testing"))]
pub mod fixtures;
mod following;
pub mod forecast;
mod handoff;
mod inputs;
pub mod intent;
pub mod intervals;
pub mod memory;
#[cfg(test)]
#[allow(clippy::too_many_lines, reason = "still to be split")]
mod model;
mod offered;
mod ours;
pub mod pause;
pub mod proof;
mod publishing;
mod reaching;
pub mod report;
mod scheduling;
pub mod snapshot;
mod stages;
pub mod step;
#[cfg(test)]
mod tests;
mod updating;
mod validating;
mod writes;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::account::{self, Account};
use crate::deployed;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{CertificateStatus, DeploymentStatus, condition};

use draft::{Draft, Progress};
use memory::Failure;
pub use pause::{Next, Pause};
use publishing::Standing;
pub use snapshot::Snapshot;
pub use step::Step;

/// What to do, and what to report.
pub struct Decision {
    /// One step, or a pause.
    pub next: Next,
    /// The status to report.
    pub status: CertificateStatus,
}

/// What to do next for a certificate.
#[must_use]
pub fn next(snapshot: &Snapshot<'_>) -> Decision {
    let mut draft = Draft::new(snapshot.certificate, snapshot.now);
    let next = match life(snapshot, &mut draft) {
        Err(Next::Do(step)) => hold_back(snapshot, &mut draft, step),
        Err(pause) => pause,
        Ok(pause) => Next::Pause(pause),
    };
    Decision { next, status: draft.finish() }
}

/// The life of a certificate. Each line finds its part done, or returns the step that it needs.
fn life(s: &Snapshot<'_>, d: &mut Draft) -> Result<Pause, Next> {
    if s.certificate.metadata.deletion_timestamp.is_some() {
        return ending::removed(s, d);
    }
    not_suspended(s, d)?;
    let standing = Standing::of(s);
    let Some(trouble) = publishing::stands(s, d, &standing)? else { return goes_on(s, d, &standing) };
    // Whatever comes of the rest, the status shows the trouble, and the operator tries again in time.
    let next = goes_on(s, d, &standing);
    let again = Pause::Until(trouble.retry_at);
    d.beside(condition::RENEWAL_READY, false, trouble.reason, trouble.message);
    match next {
        Ok(pause) => Ok(pause.min(again)),
        Err(Next::Pause(pause)) => Err(Next::Pause(pause.min(again))),
        Err(step) => Err(step),
    }
}

/// The life of a certificate, once what stands was looked at.
fn goes_on(s: &Snapshot<'_>, d: &mut Draft, standing: &Standing) -> Result<Pause, Next> {
    if let Some(pause) = at_rest(s, d, standing)? {
        return Ok(pause);
    }
    let account = account_ready(s, d)?;
    let enrollment = creating::enrollment_created(s, d, &account)?;
    updating::as_wanted(s, d, &account, enrollment)?;
    following::change_completed(s, d, &account, enrollment)?;
    let expiry = following::deployed(s, d, enrollment)?;
    publishing::nothing_for_the_change(s, d, standing)?;
    let handoff = handoff::handed_off(s, d)?;
    Ok(expiry.min(handoff).min(Pause::Until(s.intervals.watch_after(s.now, false))))
}

/// `spec.suspend` stops all reads and writes of CPS.
fn not_suspended(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    if s.spec().suspend != Some(true) {
        return Ok(());
    }
    d.keep();
    let lasts = lasts(s);
    if lasts.is_none() {
        d.blocked(Reason::Suspended, "spec.suspend is true: nothing is read from or written to CPS");
    }
    Err(Next::Pause(lasts.map_or(Pause::UntilEvent, Pause::Until)))
}

/// Until when the recorded deployment makes the certificate Ready for the names in `spec`.
fn lasts(s: &Snapshot<'_>) -> Option<Timestamp> {
    let production = s.recorded_production().filter(|_| is_ready(s))?;
    let missing = deployed::not_covered(&production.dns_names, &s.spec().names());
    let end = production.not_after.0;
    (missing.is_empty() && s.now < end).then_some(end)
}

/// The steady state: deployed, valid, nothing pending, nothing published. It costs no write. The calls do not grow
/// with the number of certificates, because one list per contract shows them all.
fn at_rest(s: &Snapshot<'_>, d: &mut Draft, standing: &Standing) -> Result<Option<Pause>, Next> {
    let (Some(status), Some(production)) = (s.certificate.status.as_ref(), s.recorded_production()) else {
        return Ok(None);
    };
    let rests = is_ready(s)
        && status.observed_generation == s.generation()
        && status.change.is_none()
        && expiry::soon(production) > s.now
        && updating::renewal_requested(s).is_none()
        && standing.is_all();
    if !rests {
        return Ok(None);
    }
    let Some(watch) = watched(s, status)? else { return Ok(None) };
    if renewed_unseen(s, status, production)? {
        return Ok(None);
    }
    d.keep();
    if let Some(found) = s.memory.enrollment.reading.as_ref().and_then(|reading| reading.value.as_deref()) {
        d.status.next_renewal_time = found.auto_renewal_start_time.map(Time);
    }
    match s.account {
        account::View::Ready(_) => {
            d.done(Progress::AccountReady, Reason::AccountReady, "The account can be used")
        }
        // Otherwise each start of the operator and each outage of CPS would write the whole fleet twice for nothing.
        account::View::NotReady { transient: true, .. } => {}
        view @ (account::View::Missing { .. }
        | account::View::NotReady { .. }
        | account::View::NamespaceNotAllowed { .. }
        | account::View::DomainNotAllowed { .. }) => {
            let (reason, message) = account_problem(view);
            d.noted(Progress::AccountReady, reason, message);
        }
    }
    let handoff = handoff::handed_off(s, d)?;
    let forecast = forecast::up_to_date(s, d, production)?;
    Ok(Some(Pause::Until(expiry::soon(production)).min(watch).min(handoff).min(forecast)))
}

/// Checks that nothing has happened in CPS, as far as the contract's list shows. Returns when to look again, or
/// `None` if something has happened.
fn watched(s: &Snapshot<'_>, status: &CertificateStatus) -> Result<Option<Pause>, Next> {
    let Some(id) = s.recorded_enrollment() else { return Ok(None) };
    let Some(contract) = status.contract_id.as_ref() else { return Ok(None) };
    let is_due_to_renew = |start: Option<Timestamp>| start.is_some_and(|start| start <= s.now);
    if let Some(reading) = &s.memory.enrollment.reading {
        let Some(found) = reading.value.as_deref() else { return Ok(None) };
        let quiet = found.has_common_name(&s.spec().common_name)
            && found.pending_changes.is_empty()
            && !updating::needs_update(s, id, found);
        let next = s.intervals.watch_after(reading.at, is_due_to_renew(found.auto_renewal_start_time));
        if !quiet {
            return Ok(None);
        }
        if next > s.now {
            return Ok(Some(Pause::Until(next)));
        }
    }
    let last = s.memory.last_look();
    let closely = last.is_some_and(|last| is_due_to_renew(last.renewal_start));
    let due = last.map(|last| s.intervals.watch_after(last.at, closely)).filter(|due| *due > s.now);
    match (due, s.account) {
        (Some(due), _) => Ok(Some(Pause::Until(due))),
        (None, account::View::Ready(_)) => Err(Next::Do(Step::Watch {
            contract: contract.clone(),
            enrollment: id,
            after: s.intervals.watch_before(s.now, closely).max(last.map_or(Timestamp::MIN, |last| last.at)),
        })),
        // The account wakes its certificates once it is Ready.
        (None, _) => Ok(Some(Pause::UntilEvent)),
    }
}

/// Notices a certificate in production other than the recorded one, when nobody saw the change. Where redirects
/// stand, CPS can renew alone, while the operator is down or between two looks. The time of the next renewal has then
/// moved.
fn renewed_unseen(
    s: &Snapshot<'_>,
    status: &CertificateStatus,
    recorded: &DeploymentStatus,
) -> Result<bool, Next> {
    let (Some(id), Some(reading), account::View::Ready(_)) =
        (s.recorded_enrollment(), &s.memory.enrollment.reading, s.account)
    else {
        return Ok(false);
    };
    let start = reading.value.as_deref().and_then(|found| found.auto_renewal_start_time);
    let known = status.next_renewal_time.as_ref().map(|known| stages::whole_second(known.0));
    let moved = start.zip(known).is_some_and(|(start, known)| stages::whole_second(start) > known);
    if !moved {
        return Ok(false);
    }
    let deployments =
        s.memory.enrollment.deployments.as_ref().filter(|deployments| deployments.at >= reading.at);
    let Some(deployments) = deployments else { return Err(Next::Do(Step::ReadDeployments(id))) };
    let production = deployments.value.production.as_ref();
    let now = production.and_then(|production| deployed::describe(production).ok());
    Ok(now.is_some_and(|now| now.fingerprint != recorded.fingerprint))
}

fn is_ready(s: &Snapshot<'_>) -> bool {
    s.certificate
        .status
        .as_ref()
        .is_some_and(|status| condition_set::is_true(&status.conditions, condition::READY))
}

/// Checks that the account exists, allows this certificate, and has accepted credentials.
fn account_ready(s: &Snapshot<'_>, d: &mut Draft) -> Result<Arc<Account>, Next> {
    if let account::View::Ready(account) = s.account {
        d.done(Progress::AccountReady, Reason::AccountReady, "The account can be used");
        return Ok(account.clone());
    }
    let (reason, message) = account_problem(s.account);
    d.not_done(Progress::AccountReady, reason, message);
    // A change of the account, of its Secret or of the namespace wakes this certificate.
    Err(Next::Pause(Pause::UntilEvent))
}

fn account_problem(view: &account::View) -> (Reason, String) {
    match view {
        account::View::Ready(_) => (Reason::AccountReady, String::new()),
        account::View::Missing { message } => (Reason::AccountNotFound, message.clone()),
        account::View::NotReady { message, .. } => (Reason::AccountNotReady, message.clone()),
        account::View::NamespaceNotAllowed { message } => (Reason::NamespaceNotAllowed, message.clone()),
        account::View::DomainNotAllowed { message } => (Reason::DomainNotAllowed, message.clone()),
    }
}

/// In Observe mode nothing is written to CPS and nothing is published. A failed step waits for the end of its
/// back-off, and the status reports the failure meanwhile.
fn hold_back(s: &Snapshot<'_>, d: &mut Draft, step: Step) -> Next {
    let ours = matches!(step, Step::RecordEnrollment(_) | Step::RemoveFinalizer | Step::HandOff(_));
    if s.spec().observes() && step.is_side_effect() && !ours {
        return s.pause(s.intervals.while_stalled());
    }
    let Some(failure) = held(s, &step) else { return Next::Do(step) };
    // A failed clean-up, after everything is done, does not make a certificate un-Ready.
    if !d.is_complete() {
        d.blocked(failure.reason, &failure.message);
    }
    Next::Pause(Pause::Until(failure.retry_at))
}

/// Why a step has to wait: it failed, or somebody undoes it each time.
fn held(s: &Snapshot<'_>, step: &Step) -> Option<Failure> {
    let failed = s.memory.failure(step).filter(|failure| s.now < failure.retry_at);
    let undone = || {
        let (Step::Publish(write) | Step::HandOff(write)) = step else { return None };
        s.memory.writes.held(write, s.now)
    };
    failed.cloned().or_else(undone)
}
