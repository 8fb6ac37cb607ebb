//! PURE: adopts an existing enrollment if the user asks for it. Nothing here writes to CPS; `super::updating` does so
//! later.

use akamai_cps_types::{Enrollment, EnrollmentId, RegistrationAuthority, ValidationType};

use super::draft::{Draft, Progress};
use super::ours::{enrollment, reread, writable};
use super::{Next, Snapshot, Step};
use crate::account::Account;
use akacert_api::policy::AdoptionPolicy;
use akacert_api::reason::Reason;

/// What to do about the enrollment of a certificate that has none recorded.
pub enum Claim {
    /// Create one.
    Create,
    /// Adopt this one.
    Adopt(EnrollmentId),
}

/// Adopts the enrollment that `spec` names, if that is allowed, and records it.
pub fn adopted(s: &Snapshot<'_>, d: &mut Draft, account: &Account, id: EnrollmentId) -> Next {
    match adoptable(s, d, account, id) {
        Ok(()) => Step::RecordEnrollment(id).into(),
        Err(step) => step,
    }
}

fn adoptable(s: &Snapshot<'_>, d: &mut Draft, account: &Account, id: EnrollmentId) -> Result<(), Next> {
    // The account need not be allowed to write to an enrollment that is only observed.
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
    Err(reread(s, read_at, Step::ReadEnrollment(id), s.intervals.while_stalled()))
}

fn is_domain_validated(found: &Enrollment) -> bool {
    found.validation_type == ValidationType::Dv && found.ra == RegistrationAuthority::LetsEncrypt
}

/// What the policy says about the existing enrollments with our common name.
///
/// # Errors
/// A message: the policy requires one, and there is none or more than one.
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
