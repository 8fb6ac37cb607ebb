//! PURE: our enrollment as CPS has it, and whether we may write to it.

use std::time::Duration;

use akacert_api::names::CERTIFICATE_FINALIZER;
use akacert_api::policy::RecreatePolicy;
use akacert_api::reason::Reason;
use akamai_cps_types::{Enrollment, EnrollmentId};
use jiff::Timestamp;

use super::draft::{Draft, Progress};
use super::{Next, Snapshot, Step};
use crate::account::Account;
use crate::allowed;

/// Our enrollment as CPS has it, or the step that reads it.
pub fn enrollment<'a>(s: &'a Snapshot<'_>, d: &mut Draft, id: EnrollmentId) -> Result<&'a Enrollment, Next> {
    let Some(reading) = &s.memory.enrollment.reading else { return Err(Next::Do(Step::ReadEnrollment(id))) };
    if let Some(watch) = outdated(s, reading.at, id) {
        return Err(watch.into());
    }
    let Some(enrollment) = reading.value.as_deref() else { return Err(gone(s, d, id, reading.at)) };
    if !enrollment.has_common_name(&s.spec().common_name) {
        d.not_done(
            Progress::EnrollmentCreated,
            Reason::Conflict,
            format!(
                "Enrollment {id} has the common name {}, so it is not the one of this certificate: remove the annotation \
                 akacert.io/enrollment-id if it was copied from another resource",
                enrollment.csr.cn
            ),
        );
        return Err(reread(s, reading.at, Step::ReadEnrollment(id), s.intervals.while_stalled()));
    }
    Ok(enrollment)
}

/// CPS does not have it.
fn gone(s: &Snapshot<'_>, d: &mut Draft, id: EnrollmentId, read_at: Timestamp) -> Next {
    let again = || reread(s, read_at, Step::ReadEnrollment(id), s.intervals.while_stalled());
    if s.recorded_enrollment().is_none() {
        let message = format!("Enrollment {id} is not in CPS, so it cannot be adopted");
        d.not_done(Progress::EnrollmentCreated, Reason::NotAdoptable, message);
        return again();
    }
    if s.spec().recreate_policy == Some(RecreatePolicy::Recreate) && is_asked_for(s) {
        return Next::Do(Step::ForgetEnrollment);
    }
    d.not_done(
        Progress::EnrollmentCreated,
        Reason::EnrollmentGone,
        format!(
            "Enrollment {id} is not in CPS any more, and nobody has asked for another one: set recreatePolicy: Recreate, \
             or delete this resource"
        ),
    );
    again()
}

/// While the certificate waits for a human, the contract's list still shows what CPS does meanwhile.
fn outdated(s: &Snapshot<'_>, read_at: Timestamp, id: EnrollmentId) -> Option<Step> {
    let contract = s.certificate.status.as_ref()?.contract_id.clone()?;
    let after = s.intervals.watch_before(s.now, false);
    (read_at < after).then_some(Step::Watch { contract, enrollment: id, after })
}

/// A resource that is being deleted needs no new enrollment.
fn is_asked_for(s: &Snapshot<'_>) -> bool {
    s.certificate.metadata.deletion_timestamp.is_none()
}

/// Checks that no other resource has the enrollment.
pub fn undisputed(s: &Snapshot<'_>, d: &mut Draft, id: EnrollmentId) -> Result<(), Next> {
    let Some(rival) = (s.rival)(id).filter(|_| !s.spec().observes()) else { return Ok(()) };
    d.not_done(
        Progress::EnrollmentCreated,
        Reason::Conflict,
        format!("Enrollment {id} belongs to AkamaiCertificate {rival}: delete one of the two resources"),
    );
    Err(s.pause(s.intervals.while_stalled()))
}

/// Checks that we may write to the enrollment: it has our common name, and the account allows all its present names.
pub fn writable<'a>(
    s: &'a Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
) -> Result<&'a Enrollment, Next> {
    undisputed(s, d, id)?;
    let enrollment = enrollment(s, d, id)?;
    let names: Vec<String> = enrollment.csr.names().into_iter().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let foreign = account
        .allowed_domains
        .as_deref()
        .map(|allowed| allowed::disallowed(allowed, &names))
        .unwrap_or_default();
    if foreign.is_empty() {
        return Ok(enrollment);
    }
    d.not_done(
        Progress::DomainsValidated,
        Reason::ForeignNames,
        format!(
            "Enrollment {id} carries names that the account does not allow ({}), so it is not written to: remove them in \
             Akamai Control Center, or allow them in the account",
            foreign.join(", ")
        ),
    );
    let read_at = s.memory.enrollment.reading.as_ref().map_or(s.now, |reading| reading.at);
    Err(reread(s, read_at, Step::ReadEnrollment(id), s.intervals.while_stalled()))
}

/// Reads again once the reading is old enough, and pauses until then.
pub fn reread(s: &Snapshot<'_>, read_at: Timestamp, step: Step, interval: Duration) -> Next {
    let again = s.until(read_at, interval);
    if again.is_zero() { step.into() } else { s.pause(again) }
}

/// Whether our finalizer is set. Before that, the operator creates nothing outside the resource.
pub fn has_finalizer(s: &Snapshot<'_>) -> bool {
    s.certificate.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == CERTIFICATE_FINALIZER)
}
