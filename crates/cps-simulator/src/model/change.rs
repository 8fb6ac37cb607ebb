//! A change of an enrollment: its kind, the step it is in, and what it waits for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::certificate::Issued;
use super::domain::Domain;
use super::warning::Shown;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChangeKind {
    NewCertificate,
    ModifyCertificate,
    ModifySan,
    Renewal,
    /// Deploys other network settings with the same certificate.
    Network,
    Removal,
}

/// The statuses of CPS that this simulator goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    CreateSlotFiles,
    GenerateCsr,
    PreVerification,
    ReviewPreVerification,
    DomainValidation,
    CheckForCert,
    CheckForCertError,
    ReviewCert,
    DeployStaging,
    AckChangeManagement,
    LiveCheck,
    DeployProduction,
    Complete,
    DeprovisionCert,
    AbandonSlots,
}

/// Whether `allowedInput` offers the input of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Offer {
    /// `allowedInput` is empty.
    None,
    /// The change offers the input and accepts an acknowledgement.
    Open,
    /// The change offers the input, but is between two sets of tokens: an acknowledgement gets 409.
    Closed,
}

/// When the result of a change may go to production. `None` sets no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
}

impl Schedule {
    /// Whether the deployment may begin at `time`.
    pub(crate) fn allows(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= time)
            && self.not_after.is_none_or(|not_after| time < not_after)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    pub id: u64,
    pub kind: ChangeKind,
    pub step: Step,
    pub offer: Offer,
    pub finished: bool,
    pub error: Option<ChangeError>,
    pub domains: Vec<Domain>,
    pub issued: Option<Issued>,
    /// The enrollment's body before this change; cancelling the change brings it back.
    pub previous: Option<Map<String, Value>>,
    #[serde(default)]
    pub schedule: Schedule,
    /// The warnings at which the change has stopped.
    #[serde(default)]
    pub warnings: Option<Shown>,
    /// Requests that the change has not answered yet. Every new set of tokens resets them.
    pub asked: Asked,
}

/// What a client or the control endpoint has asked a waiting change to do.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    pub acknowledged: bool,
    pub rotate: bool,
    pub expire: bool,
}

impl Change {
    pub(crate) fn new(id: u64, kind: ChangeKind, names: &[String]) -> Self {
        let domains = match kind {
            ChangeKind::Network | ChangeKind::Removal => Vec::new(),
            ChangeKind::NewCertificate
            | ChangeKind::ModifyCertificate
            | ChangeKind::ModifySan
            | ChangeKind::Renewal => names.iter().map(|name| Domain::new(name)).collect(),
        };
        let step = if kind == ChangeKind::Removal { Step::DeprovisionCert } else { Step::CreateSlotFiles };
        Self {
            id,
            kind,
            step,
            offer: Offer::None,
            finished: false,
            error: None,
            domains,
            issued: None,
            previous: None,
            schedule: Schedule::default(),
            warnings: None,
            asked: Asked::default(),
        }
    }
}

/// `statusInfo.error`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChangeError {
    pub code: String,
    pub description: String,
    pub timestamp: Timestamp,
}
