//! An enrollment: the completed body from the client, and what CPS keeps with it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::certificate::Deployment;
use super::change::Change;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Enrollment {
    pub id: u64,
    pub contract: String,
    /// All fields of the body except the read-only ones; absent fields are filled in.
    pub body: Map<String, Value>,
    pub slot: u64,
    pub slot_assigned: bool,
    /// Set through the control endpoint: the network still serves its names, so CPS refuses to remove it.
    pub live: bool,
    /// Set through the control endpoint: when CPS renews by itself, instead of the usual time.
    #[serde(default)]
    pub renewal_start: Option<Timestamp>,
    /// Pending changes, and finished ones while a client can still read them.
    pub changes: Vec<Change>,
    pub staging: Option<Deployment>,
    pub production: Option<Deployment>,
}

impl Enrollment {
    /// An enrollment without changes and deployments.
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

    /// `autoRenewalStartTime`: `lead` before the production certificate expires, unless the control endpoint set a time.
    pub(crate) fn renews_at(&self, lead: Duration) -> Option<Timestamp> {
        let lead = SignedDuration::try_from(lead).unwrap_or(SignedDuration::MAX);
        let production = self.production.as_ref()?;
        self.renewal_start.or_else(|| production.issued.not_after.checked_sub(lead).ok())
    }
}
