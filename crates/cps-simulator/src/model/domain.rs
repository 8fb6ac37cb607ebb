//! The names of a change, the state of their validation, and the challenges that prove them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The state of the validation of one name.
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
    pub(crate) fn new(name: &str) -> Self {
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

/// A token, and what a client must publish for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub token: String,
    /// HTTP-01: the key authorization; DNS-01: the TXT value.
    pub response: String,
    /// Why the authority refused the challenge.
    #[serde(default)]
    pub error: Option<String>,
}

impl Challenge {
    /// Computes the response from the token and the account's thumbprint (RFC 8555, sections 8.1, 8.3 and 8.4).
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
