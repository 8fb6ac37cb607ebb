//! PURE: when to write the status, and what it says as a whole.

use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::status::{CertificateStatus, condition};

use super::pause::Next;

/// Whether to write the status now. It is written before a pause, when `Ready` flips, once the tokens are published
/// (CPS may use them before the next pause), and before a drift is undone. It is not written between two other steps.
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

/// Whether the certificate is Ready and nothing is in progress.
#[must_use]
pub fn is_at_rest(status: &CertificateStatus) -> bool {
    is_ready(status) && status.change.is_none() && status.plan.is_none()
}

fn is_ready(status: &CertificateStatus) -> bool {
    condition_set::is_true(&status.conditions, condition::READY)
}
