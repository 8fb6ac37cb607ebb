//! PURE: when a status is worth a write, and what it says of the whole. Not here: what is in it (`super::draft`).

use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::status::{CertificateStatus, condition};

use super::pause::Next;

/// The status is written when there is nothing to do but wait, when the verdict flips, once the tokens are published,
/// which CPS may use before the next pause, and before a drift is undone: not between two steps.
#[must_use]
pub fn is_worth_a_write(certificate: &AkamaiCertificate, wanted: &CertificateStatus, next: &Next) -> bool {
    let current = certificate.status.clone().unwrap_or_default();
    let untouched =
        certificate.metadata.finalizers.is_none() && certificate.metadata.deletion_timestamp.is_some();
    let published = |status: &CertificateStatus| {
        condition_set::is_true(&status.conditions, condition::CHALLENGES_PUBLISHED)
    };
    let drifted = |status: &CertificateStatus| condition_set::is_true(&status.conditions, condition::DRIFTED);
    let moment = matches!(next, Next::Pause(_))
        || (drifted(wanted) && !drifted(&current))
        || is_ready(&current) != is_ready(wanted)
        || (published(wanted) && !published(&current));
    moment && current != *wanted && !untouched
}

/// Ready, and nothing is under way.
#[must_use]
pub fn is_at_rest(status: &CertificateStatus) -> bool {
    is_ready(status) && status.change.is_none() && status.plan.is_none()
}

fn is_ready(status: &CertificateStatus) -> bool {
    condition_set::is_true(&status.conditions, condition::READY)
}
