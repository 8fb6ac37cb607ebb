//! What the operator records on the resource before a side effect, so that a crash after it leaves a record.

use akamai_cps_types::{Enrollment, EnrollmentId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desired;

/// The intent to create an enrollment. The operator records it before the POST, so that a crash in between leaves a
/// record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The contract, without the prefix `ctr_`.
    pub contract_id: String,
    /// The certificate's common name.
    pub common_name: String,
    /// SHA-256 of the body.
    pub body_hash: String,
    /// SHA-256 of the names. It still matches if `spec` or the account's defaults have changed since.
    pub names_hash: String,
    /// `names_hash` of earlier intents of this resource, whose creates may have succeeded without an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_names: Vec<String>,
    /// When the operator recorded the intent.
    pub time: Timestamp,
    /// The enrollments with this common name that existed before. None of them can be ours.
    #[serde(default)]
    pub existing: Vec<EnrollmentId>,
}

impl Intent {
    /// Whether an enrollment has the names of this intent or of an earlier one.
    #[must_use]
    pub fn has_names_of(&self, found: &Enrollment) -> bool {
        let names = desired::names_hash(&found.csr);
        names == self.names_hash || self.earlier_names.contains(&names)
    }

    /// The names for the next intent's `earlier_names`: those of this intent and of the last few before it.
    #[must_use]
    pub fn names_so_far(&self) -> Vec<String> {
        let mut names = self.earlier_names.clone();
        names.retain(|earlier| *earlier != self.names_hash);
        names.push(self.names_hash.clone());
        names.split_off(names.len().saturating_sub(8))
    }
}

/// A renewal that the user requested by annotation. The operator records it before the order, so that it orders only
/// once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewal {
    /// The value of the user's annotation.
    pub before: Timestamp,
    /// The serial number of the certificate that was in production then.
    pub serial_number: String,
}
