//! The steps: each is one read or one side effect. Not here: when (`super`), how (the shell), what is remembered of the
//! answer (`super::absorb`).

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
    /// Read: the contract's enrollments with our common name, from a list begun after a time.
    ListEnrollments {
        /// The contract.
        contract: String,
        /// The common name.
        common_name: String,
        /// The list must be younger than this.
        after: Timestamp,
    },
    /// Read: our enrollment, as the list of its contract shows it that all its certificates share.
    Watch {
        /// The contract.
        contract: String,
        /// The enrollment.
        enrollment: EnrollmentId,
        /// The list must be younger than this.
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
    /// Read, network: whether names are as their ways of validation need them.
    Preflight(Vec<Target>),
    /// Read, network: fetch every token as the authority would.
    Probe {
        /// Those that the solver serves.
        tokens: Vec<Token>,
        /// Those that are served elsewhere.
        elsewhere: Vec<Token>,
        /// Whether what may be in the way is looked for: at first the Ingress controller may just be catching up.
        explain: bool,
    },
    /// Read, network: whether the name servers have these TXT records.
    CheckRecords(Vec<Record>),
    /// Write, DNS: a TXT record.
    WriteRecord(Box<Record>),
    /// Write, DNS: a TXT record that is not needed any more.
    RemoveRecord(Box<Record>),
    /// Write, cluster: finalizer and intent, before the create.
    RecordIntent(Box<Intent>),
    /// Write, CPS: the create.
    CreateEnrollment {
        /// The contract.
        contract: String,
        /// The body.
        body: Box<Enrollment>,
    },
    /// Read, network: what names show to the world.
    LookOutside {
        /// The names, and what their ways need.
        targets: Vec<Target>,
        /// Fingerprint of the certificate that is deployed.
        fingerprint: String,
        /// Whether how they are served is looked at too.
        served: bool,
    },
    /// Write, cluster: the ID of our enrollment.
    RecordEnrollment(EnrollmentId),
    /// Write, cluster: one object that publishes tokens.
    Publish(Box<Write>),
    /// Write, cluster: the ConfigMap that tells pipelines what is deployed.
    HandOff(Box<Write>),
    /// Write, CPS: the challenges are published.
    Acknowledge {
        /// The enrollment.
        enrollment: EnrollmentId,
        /// The change.
        change: ChangeId,
        /// What is published.
        proof: Box<Proof>,
    },
    /// Write, CPS: the enrollment as it is to be.
    UpdateEnrollment(Box<Update>),
    /// Write, CPS: its warnings may be passed over.
    AcknowledgeWarnings(EnrollmentId, ChangeId, Warnings),
    /// Write, CPS: what is on staging may go to production.
    AcknowledgeDeployment {
        /// The enrollment.
        enrollment: EnrollmentId,
        /// The change.
        change: ChangeId,
        /// Stands for what was looked at.
        hash: String,
    },
    /// Write, CPS: when the result of the change may go to production.
    Schedule(EnrollmentId, ChangeId, DeploymentSchedule),
    /// Write, cluster: the certificate that a requested renewal replaces.
    RecordRenewal(Renewal),
    /// Write, cluster: our enrollment is gone and another one may be created.
    ForgetEnrollment,
    /// Write, CPS: remove the enrollment, cancelling what is pending.
    DeleteEnrollment(EnrollmentId),
    /// Write, cluster: let the resource go.
    RemoveFinalizer,
}

/// An update of an enrollment.
#[derive(Clone, Debug)]
pub struct Update {
    /// The enrollment.
    pub enrollment: EnrollmentId,
    /// All of it, as it is to be.
    pub body: Enrollment,
    /// Whether a change that is under way is cancelled.
    pub replace: bool,
    /// Whether a new certificate is ordered while CPS is about to renew.
    pub override_renewal: bool,
    /// Whether a new certificate is ordered although nothing differs.
    pub renew: bool,
    /// Hash of the plan.
    pub plan: String,
}

/// Which warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warnings {
    /// Before the order.
    PreVerification,
    /// After the certificate was issued.
    PostVerification,
}

impl Step {
    /// The name of [`Step::HandOff`], which may fail without consequences for the rest.
    pub const HAND_OFF: &'static str = "HandOff";

    /// The name of [`Step::RemoveRecord`], which a resource that is being deleted does not wait for for ever.
    pub const REMOVE_RECORD: &'static str = "RemoveRecord";

    /// A name for logs, metrics and the memory of failures.
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
            Step::LookOutside { .. } => "LookOutside",
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

    /// What it changes.
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
            | Step::LookOutside { .. } => Effect::Nothing,
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

    /// Whether it changes something outside the operator.
    #[must_use]
    pub fn is_side_effect(&self) -> bool {
        self.effect() != Effect::Nothing
    }
}

/// What a step changes outside the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads.
    Nothing,
    /// It writes to CPS.
    Cps,
    /// It writes to the API server.
    Cluster,
    /// It writes to DNS.
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
