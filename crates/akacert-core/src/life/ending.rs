//! PURE: the resource is being deleted. The operator removes what it published, then the enrollment if the policy
//! says so, then the finalizer.

use akamai_cps_types::{AllowedInputType, EnrollmentId};

use super::draft::Draft;
use super::ours::{has_finalizer, reread, writable};
use super::step::Warnings;
use super::{Next, Pause, Snapshot, Step, account_problem, inputs, publishing};
use crate::account::{self, Account};
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::condition;

/// Removes everything that has to go, step by step.
pub fn removed(s: &Snapshot<'_>, d: &mut Draft) -> Result<Pause, Next> {
    if !has_finalizer(s) {
        return Ok(Pause::UntilEvent);
    }
    d.keep();
    publishing::nothing_at_all(s)?;
    if s.spec().deletes_enrollment() {
        enrollment_removed(s, d)?;
    }
    Err(Next::Do(Step::RemoveFinalizer))
}

fn enrollment_removed(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    let Some(id) = known_enrollment(s, d)? else { return Ok(()) };
    if s.memory.enrollment.reading.as_ref().is_some_and(|reading| reading.value.is_none()) {
        return Ok(());
    }
    let account = credentials(s, d)?;
    let enrollment = writable(s, d, account, id)?;
    let read_at = s.memory.enrollment.reading.as_ref().map_or(s.now, |reading| reading.at);
    let interval = s.intervals.while_validating(0);
    if !is_accepted(s) || (enrollment.pending_changes.is_empty() && s.is_due(read_at, interval)) {
        return Err(Next::Do(Step::DeleteEnrollment(id)));
    }
    d.blocked(Reason::DeletionPending, &format!("Enrollment {id} is being removed from CPS"));
    if let Some(step) = warned(s, d, account, id, enrollment) {
        return Err(step);
    }
    Err(reread(s, read_at, Step::ReadEnrollment(id), interval))
}

/// A removal can stop at a warning without an error, so it is followed like any other change.
fn warned(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    enrollment: &akamai_cps_types::Enrollment,
) -> Option<Next> {
    let change_id = enrollment.pending_change()?.change_id()?;
    let Some(reading) = s.memory.change.as_ref().filter(|reading| reading.id == change_id) else {
        return Some(Step::ReadChange(id, change_id).into());
    };
    let change = reading.change.as_ref()?;
    let which = if change.allows(&AllowedInputType::PostVerificationWarnings) {
        Warnings::PostVerification
    } else if change.allows(&AllowedInputType::PreVerificationWarnings) {
        Warnings::PreVerification
    } else {
        let due = s.is_due(reading.at, s.intervals.while_validating(reading.unchanged));
        return due.then_some(Step::ReadChange(id, change_id).into());
    };
    let due = s.until(reading.at, s.intervals.while_validating(reading.unchanged));
    if due.is_zero() {
        return Some(Step::ReadChange(id, change_id).into());
    }
    Some(inputs::warnings_approved(s, d, account, id, reading, which, due))
}

/// The enrollment of this resource, if any: recorded, or made by a create that left only its intent.
fn known_enrollment(s: &Snapshot<'_>, d: &mut Draft) -> Result<Option<EnrollmentId>, Next> {
    let recorded =
        s.recorded_enrollment().or(s.memory.enrollment.taken.as_ref().map(|created| created.enrollment));
    let (None, Some(intent)) = (recorded, s.intent()) else { return Ok(recorded) };
    credentials(s, d)?;
    let Some(list) = &s.memory.create.list else {
        return Err(Next::Do(Step::ListEnrollments {
            contract: intent.contract_id,
            common_name: intent.common_name,
            after: s.now,
        }));
    };
    let ours = list
        .value
        .iter()
        .filter(|listed| intent.has_names_of(listed))
        .filter_map(akamai_cps_types::Enrollment::enrollment_id)
        .find(|id| !intent.existing.contains(id));
    Ok(ours)
}

fn credentials<'a>(s: &'a Snapshot<'_>, d: &mut Draft) -> Result<&'a Account, Next> {
    if let account::View::Ready(account) = s.account {
        return Ok(account);
    }
    let (_, why) = account_problem(s.account);
    let message = format!(
        "deletionPolicy is Delete, and the enrollment cannot be removed without an account: {why}. Mend the account, or set \
         deletionPolicy: Retain to leave the enrollment in CPS"
    );
    d.blocked(Reason::DeletionBlocked, &message);
    Err(Next::Pause(Pause::UntilEvent))
}

/// Whether CPS has accepted the removal, in this process or before a restart.
fn is_accepted(s: &Snapshot<'_>) -> bool {
    let recorded = s
        .certificate
        .status
        .as_ref()
        .and_then(|status| condition_set::find(&status.conditions, condition::READY));
    s.memory.enrollment.removal.is_some()
        || recorded.is_some_and(|ready| ready.reason == Reason::DeletionPending.as_str())
}
