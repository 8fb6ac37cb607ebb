//! The answer to a step, as plain data. `super::absorb` decides what to remember of it.

use std::collections::BTreeMap;
use std::time::Duration;

use akacert_api::reason::Reason;
use akamai_cps_types::{Change, ChangeId, Deployments, DomainValidation, Enrollment, EnrollmentId, Warnings};
use jiff::Timestamp;

use crate::outside::NameForecast;

/// The answer to a step.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The write succeeded.
    Done,
    /// The contract's enrollments with our common name.
    Enrollments {
        /// When the call for the list began.
        begun: Timestamp,
        /// The enrollments.
        found: Vec<Enrollment>,
    },
    /// Our enrollment; `None` if CPS does not have it.
    Enrollment {
        /// When the call began. If a list showed the enrollment, when the call for the list began.
        begun: Timestamp,
        /// The enrollment.
        found: Option<Box<Enrollment>>,
    },
    /// The change; `None` if CPS does not know it.
    Change(Option<Box<Change>>),
    /// The challenges that CPS offers.
    Challenges(Vec<DomainValidation>),
    /// The warnings at which CPS stopped.
    Warnings(Warnings),
    /// The hash of what waits on staging.
    Staged(String),
    /// What is deployed.
    Deployments(Box<Deployments>),
    /// The failures by name, host or record. Empty if everything is as it should be.
    Found(BTreeMap<String, String>),
    /// The results of a check from outside, by name.
    Forecast(BTreeMap<String, NameForecast>),
    /// CPS has created the enrollment or accepted the update.
    Taken {
        /// The enrollment.
        enrollment: EnrollmentId,
        /// The change that CPS began, if any.
        change: Option<ChangeId>,
    },
    /// Somebody else wrote to the resource first. Nothing was done, and the new version decides.
    Overtaken,
    /// The step failed.
    Failed(Fault),
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The kind of failure.
    pub kind: FaultKind,
    /// The text for the user: what happened, and what to do.
    pub message: String,
    /// When to try again, if the other side says so.
    pub retry_after: Option<Duration>,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A write was sent and its answer was lost. Nobody knows whether it took effect.
    OutcomeUnknown,
    /// CPS has no such thing (404).
    NotFound,
    /// CPS is in another state than the write expects (409).
    Conflict,
    /// CPS does not remove an enrollment whose certificate is live (409).
    LiveOnNetwork,
    /// CPS finds the body invalid, and repeating the request would not help (400, 422).
    Invalid,
    /// Any other failure. It already has its reason.
    Other(Reason),
}
