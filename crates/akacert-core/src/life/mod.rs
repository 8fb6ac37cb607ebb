//! PURE: what to do next for a certificate, and what to report.
//!
//! [`next`] looks at a [`Snapshot`] and answers with one [`Step`] and the status that goes with it. A step is one read
//! or one side effect; after it the certificate is looked at again. [`life`] is the whole life of a certificate.
//!
//! Not here: reading (`crate::observe`), doing (`crate::act`), the loop (`crate::controller`).

mod adopting;
mod creating;
pub mod draft;
mod ending;
pub mod expiry;
#[cfg(any(test, feature = "testing"))]
pub mod fixtures;
mod following;
pub mod forecast;
mod handoff;
mod inputs;
#[cfg(test)]
mod model;
mod offered;
mod publishing;
mod reaching;
pub mod schedule;
mod scheduling;
pub mod snapshot;
pub mod step;
#[cfg(test)]
mod tests;
mod updating;
mod validating;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::account::{self, Account};
use crate::deployed;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{CertificateStatus, DeploymentStatus, condition};

use draft::{Draft, Progress};
pub use snapshot::Snapshot;
pub use step::Step;

/// What to do, and what to report.
pub struct Decision {
    /// One read or one side effect, or to wait.
    pub step: Step,
    /// The status to report.
    pub status: CertificateStatus,
}

/// What to do next for a certificate.
#[must_use]
pub fn next(snapshot: &Snapshot<'_>) -> Decision {
    let mut draft = Draft::new(snapshot.certificate, snapshot.now);
    let step = match life(snapshot, &mut draft) {
        Err(step) => hold_back(snapshot, &mut draft, observed(snapshot, step)),
        Ok(again) => Step::Wait { again },
    };
    Decision { step, status: draft.finish() }
}

/// The life of a certificate. Each line either finds its part done, or answers with the step that it needs.
fn life(s: &Snapshot<'_>, d: &mut Draft) -> Result<Option<Duration>, Step> {
    if s.certificate.metadata.deletion_timestamp.is_some() {
        return ending::removed(s, d);
    }
    not_suspended(s, d)?;
    publishing::stands(s, d)?;
    if let Some(again) = settled(s, d)? {
        return Ok(Some(again));
    }
    let account = account_ready(s, d)?;
    let enrollment = creating::enrollment_created(s, d, &account)?;
    updating::as_wanted(s, d, &account, enrollment)?;
    following::change_completed(s, d, &account, enrollment)?;
    let again = following::deployed(s, d, enrollment)?;
    publishing::nothing_for_the_change(s, d)?;
    let handoff = handoff::handed_off(s, d)?.unwrap_or(Duration::MAX);
    Ok(Some(again.min(handoff).min(s.until(s.schedule.watch_after(s.now, false), Duration::ZERO))))
}

/// The user's switch: nothing is read from CPS and nothing is written.
fn not_suspended(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Step> {
    if s.spec().suspend != Some(true) {
        return Ok(());
    }
    d.keep();
    let lasts = lasts(s);
    if lasts.is_none() {
        d.blocked(Reason::Suspended, "spec.suspend is true: nothing is read from or written to CPS", false);
    }
    Err(Step::Wait { again: lasts })
}

/// How long what was found deployed still makes the certificate Ready for the names in `spec`, by the record alone.
fn lasts(s: &Snapshot<'_>) -> Option<Duration> {
    let production = s.recorded_production().filter(|_| is_ready(s))?;
    let missing = deployed::not_covered(&production.dns_names, &s.spec().names());
    let left = s.until(production.not_after.0, Duration::ZERO);
    (missing.is_empty() && !left.is_zero()).then_some(left)
}

/// The steady state: deployed, valid, nothing pending, nothing published. It costs no write, and the calls do not grow
/// with the certificates: one list a contract shows them all.
fn settled(s: &Snapshot<'_>, d: &mut Draft) -> Result<Option<Duration>, Step> {
    let (Some(status), Some(production)) = (s.certificate.status.as_ref(), s.recorded_production()) else {
        return Ok(None);
    };
    let settled = is_ready(s)
        && status.observed_generation == s.generation()
        && status.change.is_none()
        && expiry::soon(production) > s.now
        && updating::renewal_requested(s).is_none()
        && publishing::only_stands(s);
    if !settled {
        return Ok(None);
    }
    let Some(watch) = watched(s, status)? else { return Ok(None) };
    if renewed_unseen(s, status, production)? {
        return Ok(None);
    }
    d.keep();
    if let Some(found) = s.memory.enrollment.as_ref().and_then(|reading| reading.value.as_deref()) {
        d.status.next_renewal_time = found.auto_renewal_start_time.map(Time);
    }
    match s.account {
        account::View::Ready(_) => {
            d.done(Progress::AccountReady, Reason::AccountReady, "The account can be used")
        }
        // At every start of the operator, or at a disturbance of CPS, a fleet would be written twice for nothing.
        account::View::NotReady { transient: true, .. } => {}
        view => {
            let (reason, message, _) = account_problem(view);
            d.noted(Progress::AccountReady, reason, message);
        }
    }
    let handoff = handoff::handed_off(s, d)?.unwrap_or(Duration::MAX);
    let outside = forecast::looked_outside(s, d, production)?;
    Ok(Some(s.until(expiry::soon(production), Duration::ZERO).min(watch).min(handoff).min(outside)))
}

/// Nothing has happened in CPS, as far as the list of the contract shows. Answers when to look again; none when
/// something has.
fn watched(s: &Snapshot<'_>, status: &CertificateStatus) -> Result<Option<Duration>, Step> {
    let Some(id) = s.recorded_enrollment() else { return Ok(None) };
    let Some(contract) = status.contract_id.as_ref() else { return Ok(None) };
    let is_due_to_renew = |start: Option<Timestamp>| start.is_some_and(|start| start <= s.now);
    if let Some(reading) = &s.memory.enrollment {
        let Some(found) = reading.value.as_deref() else { return Ok(None) };
        let quiet = found.has_common_name(&s.spec().common_name)
            && found.pending_changes.is_empty()
            && !updating::needs_update(s, id, found);
        let next = s.schedule.watch_after(reading.at, is_due_to_renew(found.auto_renewal_start_time));
        if !quiet {
            return Ok(None);
        }
        if next > s.now {
            return Ok(Some(s.until(next, Duration::ZERO)));
        }
    }
    let last = s.memory.last_look();
    let closely = last.is_some_and(|last| is_due_to_renew(last.renewal_start));
    let due = last.map(|last| s.schedule.watch_after(last.at, closely)).filter(|due| *due > s.now);
    match (due, s.account) {
        (Some(due), _) => Ok(Some(s.until(due, Duration::ZERO))),
        (None, account::View::Ready(_)) => Err(Step::Watch {
            contract: contract.clone(),
            enrollment: id,
            after: s.schedule.watch_before(s.now, closely).max(last.map_or(Timestamp::MIN, |last| last.at)),
        }),
        // The account wakes its certificates once it is Ready.
        (None, _) => Ok(Some(Duration::MAX)),
    }
}

/// Another certificate is in production than the recorded one, though nobody saw the change: where redirects stand CPS
/// renews alone, while the operator is down or between two looks. That the next renewal moved tells it.
fn renewed_unseen(
    s: &Snapshot<'_>,
    status: &CertificateStatus,
    recorded: &DeploymentStatus,
) -> Result<bool, Step> {
    let (Some(id), Some(reading), account::View::Ready(_)) =
        (s.recorded_enrollment(), &s.memory.enrollment, s.account)
    else {
        return Ok(false);
    };
    let start = reading.value.as_deref().and_then(|found| found.auto_renewal_start_time);
    let known = status.next_renewal_time.as_ref().map(|known| following::whole_second(known.0));
    let moved = start.zip(known).is_some_and(|(start, known)| following::whole_second(start) > known);
    if !moved {
        return Ok(false);
    }
    let deployments = s.memory.deployments.as_ref().filter(|deployments| deployments.at >= reading.at);
    let Some(deployments) = deployments else { return Err(Step::ReadDeployments(id)) };
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

/// The account exists, allows this certificate, and its credentials were accepted.
fn account_ready(s: &Snapshot<'_>, d: &mut Draft) -> Result<Arc<Account>, Step> {
    if let account::View::Ready(account) = s.account {
        d.done(Progress::AccountReady, Reason::AccountReady, "The account can be used");
        return Ok(account.clone());
    }
    let (reason, message, stalled) = account_problem(s.account);
    if stalled {
        d.stalled(Progress::AccountReady, reason, message);
    } else {
        d.waiting(Progress::AccountReady, reason, message);
    }
    // A change of the account, of its Secret or of the namespace wakes this certificate.
    Err(Step::Wait { again: None })
}

fn account_problem(view: &account::View) -> (Reason, String, bool) {
    match view {
        account::View::Ready(_) => (Reason::AccountReady, String::new(), false),
        account::View::Missing { message } => (Reason::AccountNotFound, message.clone(), false),
        account::View::NotReady { message, .. } => (Reason::AccountNotReady, message.clone(), false),
        account::View::NamespaceNotAllowed { message } => {
            (Reason::NamespaceNotAllowed, message.clone(), true)
        }
        account::View::DomainNotAllowed { message } => (Reason::DomainNotAllowed, message.clone(), true),
    }
}

/// Whoever only observes writes nothing to CPS, and publishes nothing: he looks again later.
fn observed(s: &Snapshot<'_>, step: Step) -> Step {
    let ours = matches!(step, Step::RecordEnrollment(_) | Step::RemoveFinalizer | Step::HandOff(_));
    if s.spec().observes() && step.is_side_effect() && !ours {
        return Step::Wait { again: Some(s.schedule.while_stalled()) };
    }
    step
}

/// A step that failed is not tried again before its time; the failure is what is reported meanwhile.
fn hold_back(s: &Snapshot<'_>, d: &mut Draft, step: Step) -> Step {
    match &s.memory.failure {
        Some(failure) if failure.step == step.name() && s.now < failure.retry_at => {
            // What fails after everything is done is cleaning up, and what fails before anything was looked at is what
            // stands: neither makes a certificate less Ready.
            if matches!(step, Step::Publish(_)) && d.is_untouched() && is_ready(s) {
                d.keep();
                d.beside(condition::RENEWAL_READY, false, failure.reason, failure.message.clone());
            } else if !d.is_complete() {
                d.blocked(failure.reason, &failure.message, failure.stalled);
            }
            Step::Wait { again: Some(s.until(failure.retry_at, Duration::ZERO)) }
        }
        _ => step,
    }
}
