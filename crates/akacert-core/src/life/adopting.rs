//! PURE: an enrollment that is there already becomes ours, where the user says so. Nothing is written to CPS here.
//! Not here: what is changed in it afterwards (`super::updating`).

use akamai_cps_types::{Enrollment, EnrollmentId, RegistrationAuthority, ValidationType};

use super::draft::{Draft, Progress};
use super::ours::{enrollment, reread, writable};
use super::{Next, Snapshot, Step};
use crate::account::Account;
use akacert_api::policy::AdoptionPolicy;
use akacert_api::reason::Reason;

/// What becomes of an enrollment that is not recorded as ours.
pub enum Claim {
    /// It is created.
    Create,
    /// It may be taken up.
    Adopt(EnrollmentId),
}

/// The enrollment that `spec` names, may be taken up, and then is recorded.
pub fn adopted(s: &Snapshot<'_>, d: &mut Draft, account: &Account, id: EnrollmentId) -> Next {
    match adoptable(s, d, account, id) {
        Ok(()) => Step::RecordEnrollment(id).into(),
        Err(step) => step,
    }
}

fn adoptable(s: &Snapshot<'_>, d: &mut Draft, account: &Account, id: EnrollmentId) -> Result<(), Next> {
    // An enrollment that is only looked at need not be the account's to write to.
    let found = if s.spec().observes() { enrollment(s, d, id)? } else { writable(s, d, account, id)? };
    if is_domain_validated(found) {
        return Ok(());
    }
    d.not_done(
        Progress::EnrollmentCreated,
        Reason::NotAdoptable,
        format!(
            "Enrollment {id} is {} by {}, and only domain-validated enrollments of Let's Encrypt can be managed",
            found.validation_type, found.ra
        ),
    );
    let read_at = s.memory.enrollment.reading.as_ref().map_or(s.now, |reading| reading.at);
    Err(reread(s, read_at, Step::ReadEnrollment(id), s.schedule.while_stalled()))
}

fn is_domain_validated(found: &Enrollment) -> bool {
    found.validation_type == ValidationType::Dv && found.ra == RegistrationAuthority::LetsEncrypt
}

/// What policy makes of the enrollments that have our common name.
///
/// # Errors
/// A message: the policy wants one, and there is none or more than one.
pub fn claim(s: &Snapshot<'_>, same_name: &[Enrollment]) -> Result<Claim, String> {
    let adopts =
        matches!(s.spec().adoption_policy, Some(AdoptionPolicy::AdoptOnly | AdoptionPolicy::AdoptOrCreate));
    let creates = s.spec().adoption_policy != Some(AdoptionPolicy::AdoptOnly) && !s.spec().observes();
    let ids: Vec<EnrollmentId> = same_name.iter().filter_map(Enrollment::enrollment_id).collect();
    match ids.as_slice() {
        [id] if adopts => Ok(Claim::Adopt(*id)),
        [] if !creates => Err(format!(
            "No enrollment has the common name {}, and none is to be created: name one in spec.enrollmentId, or set \
             adoptionPolicy: AdoptOrCreate",
            s.spec().common_name
        )),
        [_, _, ..] if adopts => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            Err(format!(
                "Several enrollments have the common name {}: {}. Name the one in spec.enrollmentId",
                s.spec().common_name,
                ids.join(", ")
            ))
        }
        _ => Ok(Claim::Create),
    }
}
