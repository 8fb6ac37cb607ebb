//! What is recorded on the resource before a side effect, so that a crash after it leaves a trace. Not here: when.

use akamai_cps_types::{Enrollment, EnrollmentId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desired;

/// The recorded intent to create an enrollment. Written before the POST, so that a crash in between leaves a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The contract, without `ctr_`.
    pub contract_id: String,
    /// The common name.
    pub common_name: String,
    /// SHA-256 of the body.
    pub body_hash: String,
    /// SHA-256 of the names, which still tell when the spec or the account's defaults have changed since.
    pub names_hash: String,
    /// The same of earlier intents of this resource, whose creates may have been carried out without an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_names: Vec<String>,
    /// When the intent was recorded.
    pub time: Timestamp,
    /// Enrollments with this common name that were there before; none of them can be ours.
    #[serde(default)]
    pub existing: Vec<EnrollmentId>,
}

impl Intent {
    /// Whether an enrollment has the names of this intent or of one before it.
    #[must_use]
    pub fn has_names_of(&self, found: &Enrollment) -> bool {
        let names = desired::names_hash(&found.csr);
        names == self.names_hash || self.earlier_names.contains(&names)
    }

    /// The names of the intents that another one replaces: those of this one and of the last few before it.
    #[must_use]
    pub fn names_so_far(&self) -> Vec<String> {
        let mut names = self.earlier_names.clone();
        names.retain(|earlier| *earlier != self.names_hash);
        names.push(self.names_hash.clone());
        names.split_off(names.len().saturating_sub(8))
    }
}

/// A renewal that the user asked for by annotation. Recorded before the order, so that it is ordered once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewal {
    /// What the user wrote.
    pub before: Timestamp,
    /// Serial number of the certificate that was in production then.
    pub serial_number: String,
}
