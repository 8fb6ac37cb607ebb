//! What CPS remembers: enrollments, their changes and deployments. Plain data that can be dumped and
//! loaded; how it looks on the wire is in `view`, what moves it is in `lifecycle`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::edge_dns::Zones;
use crate::warnings::Shown;

/// All enrollments, the last number given out, and the zones of Edge DNS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    pub last_id: u64,
    pub enrollments: BTreeMap<u64, Enrollment>,
    #[serde(default)]
    pub edge_dns: Zones,
}

impl Default for State {
    fn default() -> Self {
        Self { last_id: 10_000, enrollments: BTreeMap::new(), edge_dns: Zones::default() }
    }
}

impl State {
    /// The next number: enrollments and changes count together, so that no two are equal.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A change together with its enrollment.
    pub(crate) fn change_mut(&mut self, enrollment: u64, change: u64) -> Option<(&mut Enrollment, usize)> {
        let enrollment = self.enrollments.get_mut(&enrollment)?;
        let index = enrollment.changes.iter().position(|c| c.id == change)?;
        Some((enrollment, index))
    }

    /// The body to answer a request for `token` with, as `dcv.akamai.com` does.
    pub(crate) fn token_body(&self, token: &str) -> Option<String> {
        self.enrollments
            .values()
            .flat_map(|e| e.changes.iter().flat_map(|c| &c.domains))
            .filter_map(|domain| domain.http01.as_ref())
            .find(|challenge| challenge.token == token)
            .map(|challenge| challenge.response.clone())
    }
}

/// An enrollment: the normalised body, and what CPS knows beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Enrollment {
    pub id: u64,
    pub contract: String,
    /// The body of the enrollment without read-only fields, all others present.
    pub body: Map<String, Value>,
    pub slot: u64,
    pub slot_assigned: bool,
    /// Set through the control endpoint: names of it are still served, so it cannot be removed.
    pub live: bool,
    /// Set through the control endpoint: when CPS renews by itself, in place of the usual time.
    #[serde(default)]
    pub renewal_start: Option<Timestamp>,
    /// Pending changes, and finished ones as long as they can still be read.
    pub changes: Vec<Change>,
    pub staging: Option<Deployment>,
    pub production: Option<Deployment>,
}

impl Enrollment {
    /// One that nothing has happened to yet.
    pub(crate) fn new(id: u64, contract: String, body: Map<String, Value>) -> Self {
        Self {
            id,
            contract,
            body,
            slot: id + 100_000,
            slot_assigned: false,
            live: false,
            renewal_start: None,
            changes: Vec::new(),
            staging: None,
            production: None,
        }
    }

    pub(crate) fn common_name(&self) -> &str {
        self.body.get("csr").and_then(|csr| csr["cn"].as_str()).unwrap_or_default()
    }

    /// The names of the certificate, common name included.
    pub(crate) fn names(&self) -> Vec<String> {
        let sans = self.body.get("csr").and_then(|csr| csr["sans"].as_array());
        sans.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| !change.finished)
    }

    pub(crate) fn ever_deployed(&self) -> bool {
        self.staging.is_some() || self.production.is_some()
    }
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChangeKind {
    NewCertificate,
    ModifyCertificate,
    ModifySan,
    Renewal,
    /// Deploys network settings with the certificate there is.
    Network,
    Removal,
}

/// Where a change is: those of CPS's statuses that this simulator passes through.
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
    /// Offered, and an acknowledgement is accepted.
    Open,
    /// Offered, but between two sets of tokens: an acknowledgement gives 409.
    Closed,
}

/// When the result of a change may go to production; an end that is open is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
}

impl Schedule {
    /// Whether the deployment may begin at a time.
    pub(crate) fn allows(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= time)
            && self.not_after.is_none_or(|not_after| time < not_after)
    }
}

/// A change of an enrollment.
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
    /// The body before this change; a cancelled change brings it back.
    pub previous: Option<Map<String, Value>>,
    /// When it may go to production.
    #[serde(default)]
    pub schedule: Schedule,
    /// What it stops at.
    #[serde(default)]
    pub warnings: Option<Shown>,
    /// What was asked for since the change last looked; reset with every new set of tokens.
    pub asked: Asked,
}

/// What a client or the control endpoint asked a waiting change to do.
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
            _ => names.iter().map(|name| Domain::new(name)).collect(),
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

/// How far the validation of one name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Validation {
    Preparing,
    AwaitingUser,
    NotReady,
    InProgress,
    Validated,
    Failed,
    Expired,
}

/// One entry of `dv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Domain {
    pub name: String,
    pub validation: Validation,
    pub error: Option<String>,
    pub requested: Timestamp,
    pub validated: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    pub http01: Option<Challenge>,
    pub dns01: Option<Challenge>,
}

impl Domain {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            validation: Validation::Preparing,
            error: None,
            requested: Timestamp::now(),
            validated: None,
            expires: None,
            http01: None,
            dns01: None,
        }
    }
}

/// A token and what has to be published for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub token: String,
    /// HTTP-01: the key authorization; DNS-01: the TXT value.
    pub response: String,
    /// Why the authority refused it.
    #[serde(default)]
    pub error: Option<String>,
}

impl Challenge {
    /// What has to be published for a token of an account (RFC 8555, sections 8.1, 8.3 and 8.4).
    pub(crate) fn new(token: String, thumbprint: &str, dns: bool) -> Self {
        let key_authorization = format!("{token}.{thumbprint}");
        let response = if dns {
            BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&key_authorization))
        } else {
            key_authorization
        };
        Self { token, response, error: None }
    }
}

/// A certificate as the authority returned it, with the key it was made for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Issued {
    pub certificate: String,
    pub chain: String,
    pub key: String,
    pub not_after: Timestamp,
}

/// What is on a network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    pub issued: Issued,
    pub network: Value,
    pub names: Vec<String>,
}
