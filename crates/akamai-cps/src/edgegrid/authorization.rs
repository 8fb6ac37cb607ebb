//! The server's side of EdgeGrid: parses an `Authorization` header and checks its signature. The server itself judges
//! clock skew and nonce replay, and knows which client it expects.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Credentials;
use super::signature::{Message, parse_timestamp, signature};

/// A parsed `Authorization` header.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Identifies the client.
    pub client_token: String,
    /// Identifies the client's permissions.
    pub access_token: String,
    /// The time as it was sent.
    pub timestamp: String,
    /// The client's random value, which makes a replay visible.
    pub nonce: String,
    /// The signature, base64.
    pub signature: String,
    /// Everything before `signature=`, as it was sent.
    pub unsigned_header: String,
}

/// Why a header is not an EdgeGrid authorization.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// It has another scheme, or none.
    #[error("the Authorization header is not EG1-HMAC-SHA256")]
    Scheme,
    /// A field is missing, empty, or repeated.
    #[error("the Authorization header has no usable {0}")]
    Field(&'static str),
}

/// Why a signature is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The header names another client.
    #[error("the header names another client token or access token")]
    Token,
    /// The signature does not match the message.
    #[error("The signature does not match")]
    Signature,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("timestamp", &self.timestamp).finish_non_exhaustive()
    }
}

impl Authorization {
    /// Parses a header value.
    ///
    /// # Errors
    /// It is not an EdgeGrid header, or is incomplete.
    pub fn parse(header: &str) -> Result<Self, AuthorizationError> {
        let fields = header.strip_prefix("EG1-HMAC-SHA256 ").ok_or(AuthorizationError::Scheme)?;
        let field = |name: &'static str| {
            let mut found =
                fields.split(';').filter_map(|field| field.split_once('=')).filter(|(key, _)| *key == name);
            match (found.next(), found.next()) {
                (Some((_, value)), None) if !value.is_empty() => Ok(value.to_owned()),
                _ => Err(AuthorizationError::Field(name)),
            }
        };
        let start = header.rfind("signature=").ok_or(AuthorizationError::Field("signature"))?;
        Ok(Self {
            client_token: field("client_token")?,
            access_token: field("access_token")?,
            timestamp: field("timestamp")?,
            nonce: field("nonce")?,
            signature: field("signature")?,
            unsigned_header: header[..start].to_owned(),
        })
    }

    /// The time; `None` if it does not have EdgeGrid's format.
    pub fn time(&self) -> Option<jiff::Timestamp> {
        parse_timestamp(&self.timestamp)
    }
}

/// Checks that a message has the signature of these credentials.
///
/// # Errors
/// The tokens are another client's, or the signature does not match.
pub fn verify(
    credentials: &Credentials,
    message: &Message<'_>,
    authorization: &Authorization,
) -> Result<(), VerifyError> {
    use secrecy::ExposeSecret;

    let tokens = same(credentials.client_token.expose_secret(), &authorization.client_token)
        && same(credentials.access_token.expose_secret(), &authorization.access_token);
    if !tokens {
        return Err(VerifyError::Token);
    }
    let expected = signature(credentials, message, &authorization.timestamp, &authorization.unsigned_header);
    if same(&expected, &authorization.signature) { Ok(()) } else { Err(VerifyError::Signature) }
}

/// Whether two texts are equal. Compares in constant time, so that the duration does not reveal how much is equal.
fn same(left: &str, right: &str) -> bool {
    let mac = |text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"comparison").ok()?;
        mac.update(text.as_bytes());
        Some(mac)
    };
    let (Some(left), Some(right)) = (mac(left), mac(right)) else { return false };
    left.verify(&right.finalize().into_bytes()).is_ok()
}
