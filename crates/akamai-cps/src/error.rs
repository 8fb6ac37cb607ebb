//! Why a client cannot be built, how a call can fail, and what that means for the caller.

use std::time::Duration;

use crate::problem::Problem;

/// With this slug, Edge DNS refuses a write while another write to the zone is in progress.
pub(crate) const ZONE_BUSY: &str = "concurrentZoneModification";

/// Why a client cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The base URL is malformed.
    #[error("`{0}` is no base URL: give scheme and host only, such as https://cps.example.com:8443")]
    BaseUrl(String),
    /// The additional certificate authority cannot be parsed.
    #[error("the additional certificate authority is no PEM certificate")]
    RootCertificate,
    /// TLS cannot be set up.
    #[error(
        "the HTTP client cannot be set up ({0}); check that the system's certificate authorities are installed"
    )]
    Http(String),
}

/// Why a call failed. The texts are bounded, the same for the same cause, and never contain a secret.
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
        /// The parsed body of the answer.
        problem: Box<Problem>,
    },
    /// Akamai did not carry out the request because the account's request limit is used up, or because CPS wants a
    /// pause. The account's budget is already paused.
    #[error("{operation}: the request limit of the Akamai account is used up; nothing to do but wait")]
    Throttled {
        /// The operation that was called.
        operation: &'static str,
        /// How long to wait before the next try.
        retry_after: Duration,
    },
    /// A write was sent, and its answer was lost. It may or may not have been carried out. Check before acting again.
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
    /// The answer was a success, but could not be parsed.
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
    /// The permit does not let the client send; nothing was sent.
    #[error("{operation}: not sent, since this process may not call Akamai now; another one does")]
    NotPermitted {
        /// The operation that was called.
        operation: &'static str,
    },
    /// The request is invalid; nothing was sent.
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

    /// The parsed body of an error answer.
    pub fn problem(&self) -> Option<&Problem> {
        let Self::Api { problem, .. } = self else { return None };
        Some(problem)
    }

    /// Whether CPS itself says that the object does not exist. A 404 from elsewhere, such as a proxy's page, does not
    /// count, because "the enrollment is gone" has consequences. [`Error::status`] has any 404.
    pub fn is_not_found(&self) -> bool {
        let Self::Api { status: 404 | 410, problem, .. } = self else { return false };
        problem.slug() == Some("not-found")
            || problem.title.as_deref().is_some_and(|title| title.eq_ignore_ascii_case("not found"))
    }

    /// Whether it is a conflict (409) of this kind, such as `certificate-live-on-network` or
    /// `invalid-enrollment-state`.
    pub fn is_conflict(&self, slug: &str) -> bool {
        matches!(self, Self::Api { status: 409, problem, .. } if problem.slug() == Some(slug))
    }

    /// Whether Akamai rejected the credentials (401). The clock of this machine may be wrong, too.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(401)
    }

    /// Whether the credentials are valid but lack the permission (403).
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(403)
    }

    /// Whether the same call may succeed later although nobody changes anything. After a write, check
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

    /// How long to wait before any further call, if Akamai said so.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Throttled { retry_after, .. } = self else { return None };
        Some(*retry_after)
    }

    /// Whether a write may or may not have been carried out.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }
}

/// The status, the problem, and what the user can do about it.
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
