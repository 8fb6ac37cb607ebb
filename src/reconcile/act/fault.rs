//! Turns the errors of clients into faults, which say what to report. `Memory::absorb` decides when to try again.

use akacert_api::reason::Reason;
use akacert_core::life::answer::{Answer, Fault, FaultKind};
use akamai_cps::Error as CpsError;

use crate::cluster::PublishError;

/// A fault with its own reason and the usual back-off.
pub(super) fn other(reason: Reason, message: String) -> Fault {
    Fault { kind: FaultKind::Other(reason), message, retry_after: None }
}

/// The account disappeared between the decision and the call.
pub(super) fn no_account() -> Answer {
    Answer::Failed(other(Reason::AccountNotReady, "The account went away while it was used".into()))
}

/// What an error from CPS means, or no answer at all.
pub(super) fn cps(error: &CpsError) -> Fault {
    let refused = error.status().is_some_and(|status| status == 400 || status == 422);
    let kind = if matches!(error, CpsError::Throttled { .. }) {
        FaultKind::Other(Reason::Throttled)
    } else if error.is_outcome_unknown() {
        FaultKind::OutcomeUnknown
    } else if error.is_unauthorized() || error.is_forbidden() {
        FaultKind::Other(Reason::AccountNotReady)
    } else if error.is_not_found() {
        FaultKind::NotFound
    } else if error.is_conflict("certificate-live-on-network") {
        FaultKind::LiveOnNetwork
    } else if error.status() == Some(409) {
        FaultKind::Conflict
    } else if refused && !error.is_transient() {
        FaultKind::Invalid
    } else {
        FaultKind::Other(Reason::CpsUnavailable)
    };
    Fault { kind, message: error.to_string(), retry_after: error.retry_after() }
}

/// What an error from the API server means, or no answer at all.
#[must_use]
pub fn cluster_fault(error: &kube::Error) -> Fault {
    let message = if let kube::Error::Api(status) = error {
        format!("The Kubernetes API refused a request: {}", status.message)
    } else {
        format!("The Kubernetes API cannot be reached: {error}")
    };
    other(Reason::ClusterError, message)
}

pub(super) fn publish(error: &PublishError) -> Fault {
    let reason = match error {
        PublishError::Blocked(blocked) => blocked.reason(),
        PublishError::Overruled { .. } | PublishError::Contended { .. } => Reason::Overruled,
        PublishError::Api { .. } => Reason::ClusterError,
    };
    other(reason, error.to_string())
}
