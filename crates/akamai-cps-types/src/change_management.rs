//! Change management: the certificate on staging, whose acknowledgement lets it go to production.

use serde::{Deserialize, Serialize};

use super::tolerant::{loose_bool, loose_time, null_as_default};
use super::{DnsNameSettings, Extra, OcspStapling};

/// What an acknowledgement lets go to production (`change-management-info.v5`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeManagementInfo {
    /// When CPS continues without an acknowledgement; set only if a certificate is already live.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub acknowledgement_deadline: Option<jiff::Timestamp>,
    /// A hash of this information. The acknowledgement repeats it, so that nobody acknowledges what they have not
    /// seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_result_hash: Option<String>,
    /// What will go to production.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_state: Option<PendingState>,
    /// CPS's messages about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_result: Option<ValidationResult>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What will go to production (`pendingState`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingState {
    /// The certificates.
    #[serde(default, deserialize_with = "null_as_default")]
    pub pending_certificates: Vec<PendingCertificate>,
    /// How the edge will serve them.
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
    /// The hash, `SHA-256` or `SHA-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<String>,
    /// Whether the edge staples OCSP responses.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub ocsp_stapled: Option<bool>,
    /// The OCSP responders of the certificate.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ocsp_uris: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How the edge will serve the certificates (`pendingNetworkConfiguration`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingNetworkConfiguration {
    /// The server names that select the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name_settings: Option<DnsNameSettings>,
    /// The cipher profile that the edge must offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_have_ciphers: Option<String>,
    /// The cipher profile that the edge prefers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_ciphers: Option<String>,
    /// The network, by an older name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// Whether the edge staples OCSP responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp_stapling: Option<OcspStapling>,
    /// Whether the edge offers QUIC.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub quic_enabled: Option<bool>,
    /// Whether the certificate is served only by server name indication.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub sni_only: Option<bool>,
    /// The TLS versions that the edge refuses.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disallowed_tls_versions: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// CPS's messages about the pending state (`validationResult`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidationResult {
    /// Messages about what is wrong.
    #[serde(default, deserialize_with = "null_as_default")]
    pub errors: Vec<ValidationMessage>,
    /// Messages about what may be wrong.
    #[serde(default, deserialize_with = "null_as_default")]
    pub warnings: Vec<ValidationMessage>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One error or warning. Its text can contain several, in brackets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationMessage {
    /// The text of the message.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// A code, often `no-code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_code: Option<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
