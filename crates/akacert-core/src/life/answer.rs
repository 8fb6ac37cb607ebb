//! What the world answers to a step, as data. Not here: asking it (the shell), what is remembered of it (`super::absorb`).

use std::collections::BTreeMap;
use std::time::Duration;

use akacert_api::reason::Reason;
use akamai_cps_types::{Change, ChangeId, Deployments, DomainValidation, Enrollment, EnrollmentId, Warnings};
use jiff::Timestamp;

use crate::outside::Outlook;

/// What came of a step.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A write was done.
    Done,
    /// The enrollments of the contract with our common name, from a list begun at a time.
    Enrollments {
        /// When the list was begun.
        begun: Timestamp,
        /// The enrollments.
        found: Vec<Enrollment>,
    },
    /// Our enrollment; none when CPS does not have it.
    Enrollment {
        /// When the call, or the list that shows it, was begun.
        begun: Timestamp,
        /// The enrollment.
        found: Option<Box<Enrollment>>,
    },
    /// The change; none when CPS does not know it.
    Change(Option<Box<Change>>),
    /// What CPS asks for.
    Challenges(Vec<DomainValidation>),
    /// The warnings that CPS stopped at.
    Warnings(Warnings),
    /// The hash that stands for what waits on staging.
    Staged(String),
    /// What is deployed.
    Deployments(Deployments),
    /// What is wrong, by name, host or record: nothing when everything was found as it should be.
    Found(BTreeMap<String, String>),
    /// What each name shows to the world.
    Outside(BTreeMap<String, Outlook>),
    /// CPS has created the enrollment, or taken the update, and works on a change if one came of it.
    Taken {
        /// The enrollment.
        enrollment: EnrollmentId,
        /// The change.
        change: Option<ChangeId>,
    },
    /// Somebody else wrote the resource first: nothing was done, and what it is now decides.
    Overtaken,
    /// It failed.
    Failed(Fault),
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// In which way.
    pub kind: FaultKind,
    /// For the user: what happened, and what to do.
    pub message: String,
    /// When to try again, where the other side says so.
    pub retry_after: Option<Duration>,
}

/// In which way a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A write was sent, and its answer was lost: nobody knows whether it was done.
    OutcomeUnknown,
    /// CPS has no such thing (404).
    NotFound,
    /// CPS is in another state than the write expects (409).
    Conflict,
    /// CPS does not remove an enrollment whose certificate is live (409).
    LiveOnNetwork,
    /// CPS takes the body for wrong, and will again (400, 422).
    Invalid,
    /// Every other failure already has its reason.
    Other(Reason),
}
