//! Domain validation challenges: what has to be published where so that the authority believes a name is ours.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::{loose_text, loose_time, null_as_default, text_enum};

text_enum! {
    /// The ACME challenge type.
    ChallengeType {
        /// A token served over HTTP (RFC 8555 section 8.3).
        Http01 = "http-01",
        /// A TXT record (RFC 8555 section 8.4).
        Dns01 = "dns-01",
    }
}

/// The challenges of a change (`dv-challenges.v2`), one entry a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DvChallenges {
    /// One entry a name, the common name included. Names already validated may be missing.
    #[serde(default, deserialize_with = "null_as_default")]
    pub dv: Vec<DomainValidation>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How far the validation of one name is (`dv[]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainValidation {
    /// The name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub domain: String,
    /// In words, such as `Awaiting user`; for display only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `DATA_NOT_READY`, `IN_PROGRESS`, `RESPONSE_ERROR`, `VALIDATED` or `EXPIRED`. `RESPONSE_ERROR` is normal until
    /// the challenge is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_status: Option<String>,
    /// What the last look found, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the challenges were made.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub request_timestamp: Option<jiff::Timestamp>,
    /// When CPS looked last.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub validated_timestamp: Option<jiff::Timestamp>,
    /// When the challenges end; CPS makes new ones soon after.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub expires: Option<jiff::Timestamp>,
    /// The challenges; any one of them is enough. A type may be there twice.
    #[serde(default, deserialize_with = "null_as_default")]
    pub challenges: Vec<Challenge>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl DomainValidation {
    /// The authority has accepted the name. It says nothing about a certificate.
    pub fn is_validated(&self) -> bool {
        self.validation_status.as_deref() == Some("VALIDATED")
    }

    /// The challenges have ended; new ones come by themselves.
    pub fn is_expired(&self) -> bool {
        self.validation_status.as_deref() == Some("EXPIRED")
    }

    /// The challenges of a type that have to be published: pending ones with a token and a body, of a name that is
    /// not validated yet.
    pub fn to_publish(&self, challenge_type: ChallengeType) -> impl Iterator<Item = &Challenge> {
        let validated = self.is_validated();
        self.challenges.iter().filter(move |challenge| {
            !validated && challenge.challenge_type == challenge_type && challenge.is_publishable()
        })
    }
}

/// One challenge of a name (`challenges[]`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// The ACME challenge type.
    #[serde(rename = "type")]
    pub challenge_type: ChallengeType,
    /// `pending` while it has to be published; for display otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What went wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The token of the authority. Not what a TXT record has to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// http-01: the URL to serve the body at. dns-01: the name of the TXT record, with a trailing dot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_path: Option<String>,
    /// http-01: where Akamai itself serves the body, for a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_full_path: Option<String>,
    /// http-01: the body to serve, without a line end. dns-01: the content of the TXT record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// What the authority looked at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub validation_records: Vec<ValidationRecord>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Challenge {
    /// Whether it is pending and has everything that publishing needs.
    pub fn is_publishable(&self) -> bool {
        let filled = |field: &Option<String>| field.as_deref().is_some_and(|text| !text.is_empty());
        let pending = self.status.as_deref().is_none_or(|status| status.eq_ignore_ascii_case("pending"));
        pending && filled(&self.full_path) && filled(&self.response_body)
    }

    /// Host and path of an http-01 challenge: where the body has to be served. None for other types and for what is
    /// no plain HTTP URL on the default port.
    pub fn http_location(&self) -> Option<(&str, &str)> {
        if self.challenge_type != ChallengeType::Http01 {
            return None;
        }
        let rest = self.full_path.as_deref()?.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/')?);
        let host = host.strip_suffix(":80").unwrap_or(host);
        (!host.is_empty() && !host.contains([':', '@', '?', '#'])).then_some((host, path))
    }
}

/// What the authority looked at (`validationRecords[]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationRecord {
    /// The name that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The port, as text.
    #[serde(default, deserialize_with = "loose_text", skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The addresses the name had.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resolved_ip: Vec<String>,
    /// The address tried first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_ip: Option<String>,
    /// The address used in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_ip: Option<String>,
    /// The URL that was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The name servers that were asked.
    #[serde(default, deserialize_with = "null_as_default")]
    pub authorities: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
