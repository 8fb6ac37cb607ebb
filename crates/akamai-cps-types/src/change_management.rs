//! Change management: what waits on staging for the acknowledgement that lets it go to production.

use serde::{Deserialize, Serialize};

use super::tolerant::{loose_bool, loose_time, null_as_default};
use super::{DnsNameSettings, Extra, OcspStapling};

/// What an acknowledgement would let through (`change-management-info.v5`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeManagementInfo {
    /// When CPS goes on without an acknowledgement; set only when a certificate is live already.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub acknowledgement_deadline: Option<jiff::Timestamp>,
    /// Stands for what was looked at; the acknowledgement carries it so that nothing unseen is acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_result_hash: Option<String>,
    /// What is about to go to production.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_state: Option<PendingState>,
    /// What CPS has to say about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_result: Option<ValidationResult>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is about to go to production (`pendingState`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingState {
    /// The certificates.
    #[serde(default, deserialize_with = "null_as_default")]
    pub pending_certificates: Vec<PendingCertificate>,
    /// How they will be served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_network_configuration: Option<PendingNetworkConfiguration>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A certificate on staging (`pendingCertificates[]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingCertificate {
    /// The kind of certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_type: Option<String>,
    /// The certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_certificate: Option<String>,
    /// `RSA` or `ECDSA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_algorithm: Option<String>,
    /// `SHA-256` or `SHA-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<String>,
    /// Whether OCSP answers are stapled.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub ocsp_stapled: Option<bool>,
    /// The OCSP responders of the certificate.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ocsp_uris: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How the certificates will be served (`pendingNetworkConfiguration`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingNetworkConfiguration {
    /// The server names that select the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name_settings: Option<DnsNameSettings>,
    /// The cipher profile that must be offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_have_ciphers: Option<String>,
    /// The cipher profile that is preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_ciphers: Option<String>,
    /// The network, in an older naming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// Whether OCSP answers are stapled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp_stapling: Option<OcspStapling>,
    /// Whether QUIC is offered.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub quic_enabled: Option<bool>,
    /// Served by server name only.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub sni_only: Option<bool>,
    /// TLS versions that are refused.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disallowed_tls_versions: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What CPS has to say about the pending state (`validationResult`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidationResult {
    /// What is wrong.
    #[serde(default, deserialize_with = "null_as_default")]
    pub errors: Vec<ValidationMessage>,
    /// What may be wrong.
    #[serde(default, deserialize_with = "null_as_default")]
    pub warnings: Vec<ValidationMessage>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One error or warning; its text may hold several, in brackets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationMessage {
    /// The text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// A code, often `no-code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_code: Option<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
