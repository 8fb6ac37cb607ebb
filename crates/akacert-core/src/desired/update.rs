//! PURE: builds the body of an update: the enrollment as CPS has it, with the user's values written into it.

use akamai_cps_types::{self as cps, EnrollmentId};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::field::{Field, Found};
use super::fields::FIELDS;
use super::intent::comparable;
use akacert_api::certificate::CertificateSpec;

/// The body of an update: everything that was read, unknown fields included, with the user's values in place of those
/// that differ.
#[must_use]
pub fn updated(spec: &CertificateSpec, found: &cps::Enrollment) -> cps::Enrollment {
    let mut body = found.for_update();
    let read = Found::from(found);
    let differs = |field: &&Field| field.can_change() && !field.differences(spec, &read).is_empty();
    for field in FIELDS.iter().filter(differs) {
        field.put(spec, &mut body);
    }
    forget_old_clones(&mut body, found);
    body
}

/// CPS clones the certificate's names by itself. Names that it cloned earlier are out of date.
fn forget_old_clones(body: &mut cps::Enrollment, found: &cps::Enrollment) {
    let cloned = |of: &cps::Enrollment| {
        of.network_configuration.dns_name_settings.as_ref().is_some_and(|settings| settings.clone_dns_names)
    };
    let stale = cloned(body) && (!cloned(found) || body.csr.sans != found.csr.sans);
    if let Some(settings) = body.network_configuration.dns_name_settings.as_mut().filter(|_| stale) {
        settings.dns_names = None;
    }
}

/// Hashes an enrollment with its present and its wanted state, so that an approval matches nothing else.
#[must_use]
pub fn plan_hash(id: EnrollmentId, what: &str, found: &cps::Enrollment, wanted: &cps::Enrollment) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{id} {what}"));
    for body in [found, wanted] {
        digest.update([0]);
        digest.update(comparable(&body.for_update()).map(|body| body.to_string()).unwrap_or_default());
    }
    let mut hash = HEXLOWER.encode(&digest.finalize());
    hash.truncate(12);
    hash
}
