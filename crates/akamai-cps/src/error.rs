//! What a call can end with other than an answer, and what follows from it.

use std::time::Duration;

use crate::problem::Problem;

/// What Edge DNS calls a write that met another one in the same zone: the slug of a conflict.
pub(crate) const ZONE_BUSY: &str = "concurrentZoneModification";

/// How a call failed. The texts are bounded, the same for the same cause, and never hold a secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Akamai answered with an error.
    #[error("{operation}: {}", describe(*status, problem))]
    Api {
        /// The operation that was called.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the answer said.
        problem: Box<Problem>,
    },
    /// The request was not carried out because the account's request limit is used up, or CPS wants a pause. The
    /// budget of the account is paused already.
    #[error("{operation}: the request limit of the Akamai account is used up; nothing to do but wait")]
    Throttled {
        /// The operation that was called.
        operation: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// A write was sent and its answer was lost: it may or may not have been carried out. Look before acting again.
    #[error("{operation}: the outcome is unknown ({reason}); look at what Akamai has before trying again")]
    OutcomeUnknown {
        /// The operation that was called.
        operation: &'static str,
        /// The HTTP status, if there was one (500, 502, 503 or 504).
        status: Option<u16>,
        /// How the answer was lost.
        reason: String,
    },
    /// Akamai could not be reached; nothing was carried out.
    #[error(
        "{operation}: Akamai cannot be reached ({reason}); check the host of the credentials, DNS and the network"
    )]
    Unreachable {
        /// The operation that was called.
        operation: &'static str,
        /// What failed.
        reason: String,
    },
    /// The answer was a success but could not be understood.
    #[error(
        "{operation}: the answer cannot be understood ({reason}); check that the host is an Akamai API host"
    )]
    UnexpectedAnswer {
        /// The operation that was called.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
    /// The client may not send, or may no longer; nothing was sent.
    #[error("{operation}: not sent, since this process may not call Akamai now; another one does")]
    NotPermitted {
        /// The operation that was called.
        operation: &'static str,
    },
    /// The request could not be made; nothing was sent.
    #[error("{operation}: the request cannot be made ({reason})")]
    InvalidRequest {
        /// The operation that was called.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The operation that failed.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Api { operation, .. }
            | Self::Throttled { operation, .. }
            | Self::OutcomeUnknown { operation, .. }
            | Self::Unreachable { operation, .. }
            | Self::UnexpectedAnswer { operation, .. }
            | Self::NotPermitted { operation }
            | Self::InvalidRequest { operation, .. } => operation,
        }
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } | Self::UnexpectedAnswer { status, .. } => Some(*status),
            Self::OutcomeUnknown { status, .. } => *status,
            Self::Throttled { .. }
            | Self::Unreachable { .. }
            | Self::NotPermitted { .. }
            | Self::InvalidRequest { .. } => None,
        }
    }

    /// What the answer said, if it was an error answer.
    pub fn problem(&self) -> Option<&Problem> {
        let Self::Api { problem, .. } = self else { return None };
        Some(problem)
    }

    /// CPS itself says that there is no such thing. A 404 that does not come from CPS (a proxy's page, say) is not
    /// taken for it, since "the enrollment is gone" has consequences; see [`Error::status`] for any 404.
    pub fn is_not_found(&self) -> bool {
        let Self::Api { status: 404 | 410, problem, .. } = self else { return false };
        problem.slug() == Some("not-found")
            || problem.title.as_deref().is_some_and(|title| title.eq_ignore_ascii_case("not found"))
    }

    /// A conflict (409) of this kind, such as `certificate-live-on-network` or `invalid-enrollment-state`.
    pub fn is_conflict(&self, slug: &str) -> bool {
        matches!(self, Self::Api { status: 409, problem, .. } if problem.slug() == Some(slug))
    }

    /// The credentials were refused (401), or this machine's clock is wrong.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(401)
    }

    /// The credentials are good but may not do this (403).
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(403)
    }

    /// The same call may well succeed later although nobody changed anything. After a write, ask
    /// [`Error::is_outcome_unknown`] first.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api { status, .. } => {
                *status >= 500
                    || *status == 408
                    || self.is_conflict("invalid-enrollment-state")
                    || self.is_conflict(ZONE_BUSY)
            }
            Self::Throttled { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Unreachable { .. }
            | Self::NotPermitted { .. } => true,
            Self::UnexpectedAnswer { .. } | Self::InvalidRequest { .. } => false,
        }
    }

    /// How long to wait before any further call, when Akamai said so.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Throttled { retry_after, .. } = self else { return None };
        Some(*retry_after)
    }

    /// A write may or may not have been carried out.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }
}

/// The status, what the answer said, and what the user can do about it.
fn describe(status: u16, problem: &Problem) -> String {
    let said = problem.summary().unwrap_or_else(|| "no explanation".to_owned());
    let advice = match status {
        300..=399 => "; check that the host is an Akamai API host",
        401 => "; check the credentials, and that this machine's clock is right",
        403 => "; check the grants of the API client and the contract",
        406 | 415 => "; this is an error of the client, please report it",
        500.. => "; Akamai has a problem, it will be tried again",
        _ => "",
    };
    format!("HTTP {status}: {said}{advice}")
}
