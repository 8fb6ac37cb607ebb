//! The steps: each is one read or one side effect.

use std::fmt;

use akamai_cps_types::{ChangeId, DeploymentSchedule, Enrollment, EnrollmentId};
use jiff::Timestamp;

use super::intent::{Intent, Renewal};
use super::proof::Proof;
use crate::outside::Target;
use crate::published::{Record, Token, Write};

/// One read or one side effect.
#[derive(Debug)]
pub enum Step {
    /// Read: list the contract's enrollments with our common name.
    ListEnrollments {
        /// The contract to list.
        contract: String,
        /// The common name to look for.
        common_name: String,
        /// The call for the list must have begun after this time.
        after: Timestamp,
    },
    /// Read: our enrollment, from the list that all certificates of the contract share.
    Watch {
        /// The contract to list.
        contract: String,
        /// The enrollment to look for.
        enrollment: EnrollmentId,
        /// The call for the list must have begun after this time.
        after: Timestamp,
    },
    /// Read: our enrollment.
    ReadEnrollment(EnrollmentId),
    /// Read: a change.
    ReadChange(EnrollmentId, ChangeId),
    /// Read: the challenges of a change.
    ReadChallenges(EnrollmentId, ChangeId),
    /// Read: the warnings of a change, before or after verification.
    ReadWarnings(EnrollmentId, ChangeId, Warnings),
    /// Read: what waits on staging.
    ReadStaged(EnrollmentId, ChangeId),
    /// Read: what is deployed.
    ReadDeployments(EnrollmentId),
    /// Read, network: check whether names meet the requirements of their ways.
    Preflight(Vec<Target>),
    /// Read, network: fetch every token as the authority would.
    Probe {
        /// Tokens that the solver serves.
        tokens: Vec<Token>,
        /// Tokens that are served elsewhere.
        elsewhere: Vec<Token>,
        /// Whether to look for what may be in the way. At first the Ingress controller is probably still catching up.
        explain: bool,
    },
    /// Read, network: check whether the name servers have these TXT records.
    CheckRecords(Vec<Record>),
    /// Write, DNS: write a TXT record.
    WriteRecord(Box<Record>),
    /// Write, DNS: remove a TXT record that is no longer needed.
    RemoveRecord(Box<Record>),
    /// Write, cluster: set the finalizer and record the intent, before the create.
    RecordIntent(Box<Intent>),
    /// Write, CPS: create the enrollment.
    CreateEnrollment {
        /// The contract to bill it to.
        contract: String,
        /// The body of the request.
        body: Box<Enrollment>,
    },
    /// Read, network: check names from outside.
    Forecast {
        /// The names, and what their ways need.
        targets: Vec<Target>,
        /// The fingerprint of the deployed certificate.
        fingerprint: String,
        /// Whether to check the served certificates too.
        served: bool,
    },
    /// Write, cluster: record the ID of our enrollment.
    RecordEnrollment(EnrollmentId),
    /// Write, cluster: one object that publishes tokens.
    Publish(Box<Write>),
    /// Write, cluster: the ConfigMap that tells pipelines what is deployed.
    HandOff(Box<Write>),
    /// Write, CPS: acknowledge that the challenges are published.
    Acknowledge {
        /// Our enrollment.
        enrollment: EnrollmentId,
        /// The change that offers the challenges.
        change: ChangeId,
        /// What is published.
        proof: Box<Proof>,
    },
    /// Write, CPS: update the enrollment.
    UpdateEnrollment(Box<Update>),
    /// Write, CPS: acknowledge the warnings.
    AcknowledgeWarnings(EnrollmentId, ChangeId, Warnings),
    /// Write, CPS: let what is on staging go to production.
    AcknowledgeDeployment {
        /// Our enrollment.
        enrollment: EnrollmentId,
        /// The change that waits on staging.
        change: ChangeId,
        /// The hash of what was approved.
        hash: String,
    },
    /// Write, CPS: set when the change may go to production.
    Schedule(EnrollmentId, ChangeId, DeploymentSchedule),
    /// Write, cluster: record the certificate that a requested renewal replaces.
    RecordRenewal(Renewal),
    /// Write, cluster: forget our enrollment, which is gone, so that another can be created.
    ForgetEnrollment,
    /// Write, CPS: remove the enrollment, and cancel its pending change.
    DeleteEnrollment(EnrollmentId),
    /// Write, cluster: remove the finalizer, so that the resource can go.
    RemoveFinalizer,
}

/// An update of an enrollment.
#[derive(Clone, Debug)]
pub struct Update {
    /// Our enrollment.
    pub enrollment: EnrollmentId,
    /// The whole body of the request.
    pub body: Enrollment,
    /// Whether to cancel a pending change.
    pub replace: bool,
    /// Whether to order a new certificate although CPS is about to renew.
    pub override_renewal: bool,
    /// Whether to order a new certificate although nothing differs.
    pub renew: bool,
    /// The hash of the plan.
    pub plan: String,
}

/// The kind of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warnings {
    /// Before CPS orders the certificate.
    PreVerification,
    /// After the authority has issued the certificate.
    PostVerification,
}

impl Step {
    /// The name of [`Step::HandOff`], whose failure does not affect anything else.
    pub const HAND_OFF: &'static str = "HandOff";

    /// The name of [`Step::RemoveRecord`]. A resource that is being deleted gives up on it after some tries.
    pub const REMOVE_RECORD: &'static str = "RemoveRecord";

    /// The name for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Step::ListEnrollments { .. } => "ListEnrollments",
            Step::Watch { .. } => "Watch",
            Step::ReadEnrollment(_) => "ReadEnrollment",
            Step::ReadStaged(..) => "ReadStaged",
            Step::ReadChange(..) => "ReadChange",
            Step::ReadChallenges(..) => "ReadChallenges",
            Step::ReadWarnings(..) => "ReadWarnings",
            Step::ReadDeployments(_) => "ReadDeployments",
            Step::Preflight(_) => "Preflight",
            Step::Probe { .. } => "Probe",
            Step::CheckRecords(_) => "CheckRecords",
            Step::WriteRecord(_) => "WriteRecord",
            Step::RemoveRecord(_) => Self::REMOVE_RECORD,
            Step::Forecast { .. } => "Forecast",
            Step::RecordIntent(_) => "RecordIntent",
            Step::CreateEnrollment { .. } => "CreateEnrollment",
            Step::RecordEnrollment(_) => "RecordEnrollment",
            Step::Publish(_) => "Publish",
            Step::HandOff(_) => Self::HAND_OFF,
            Step::Acknowledge { .. } => "Acknowledge",
            Step::UpdateEnrollment(_) => "UpdateEnrollment",
            Step::AcknowledgeWarnings(..) => "AcknowledgeWarnings",
            Step::AcknowledgeDeployment { .. } => "AcknowledgeDeployment",
            Step::Schedule(..) => "Schedule",
            Step::RecordRenewal(_) => "RecordRenewal",
            Step::ForgetEnrollment => "ForgetEnrollment",
            Step::DeleteEnrollment(_) => "DeleteEnrollment",
            Step::RemoveFinalizer => "RemoveFinalizer",
        }
    }

    /// What the step changes.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Step::ListEnrollments { .. }
            | Step::Watch { .. }
            | Step::ReadEnrollment(_)
            | Step::ReadChange(..)
            | Step::ReadChallenges(..)
            | Step::ReadWarnings(..)
            | Step::ReadStaged(..)
            | Step::ReadDeployments(_)
            | Step::Preflight(_)
            | Step::Probe { .. }
            | Step::CheckRecords(_)
            | Step::Forecast { .. } => Effect::Nothing,
            Step::CreateEnrollment { .. }
            | Step::Acknowledge { .. }
            | Step::UpdateEnrollment(_)
            | Step::AcknowledgeWarnings(..)
            | Step::AcknowledgeDeployment { .. }
            | Step::Schedule(..)
            | Step::DeleteEnrollment(_) => Effect::Cps,
            Step::RecordIntent(_)
            | Step::RecordEnrollment(_)
            | Step::RecordRenewal(_)
            | Step::ForgetEnrollment
            | Step::Publish(_)
            | Step::HandOff(_)
            | Step::RemoveFinalizer => Effect::Cluster,
            Step::WriteRecord(_) | Step::RemoveRecord(_) => Effect::Dns,
        }
    }

    /// Whether the step changes something outside the operator.
    #[must_use]
    pub fn is_side_effect(&self) -> bool {
        self.effect() != Effect::Nothing
    }
}

/// What a step changes outside the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it only reads.
    Nothing,
    /// CPS.
    Cps,
    /// The cluster, through the API server.
    Cluster,
    /// DNS.
    Dns,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Step::Publish(write) | Step::HandOff(write) = self {
            write!(f, ": {write}")?;
        }
        if let Step::WriteRecord(record) | Step::RemoveRecord(record) = self {
            write!(f, ": {}", record.name)?;
        }
        Ok(())
    }
}
