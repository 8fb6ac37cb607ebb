//! The credentials of an Akamai API client. `edgerc` reads them from `.edgerc` text.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The credentials of an Akamai API client. `Debug` omits the tokens, and dropping the credentials wipes them from
/// memory.
#[derive(Clone)]
pub struct Credentials {
    /// The client's API host, such as `akab-….luna.akamaiapis.net`: in lower case, without scheme and slash.
    pub host: String,
    /// Identifies the client; sent with every request.
    pub client_token: SecretString,
    /// The signing key; never sent.
    pub client_secret: SecretString,
    /// Identifies the client's permissions; sent with every request.
    pub access_token: SecretString,
    /// The account to act for (`accountSwitchKey`), if the client may act for several.
    pub account_key: Option<String>,
    /// How many bytes of a body the signature covers.
    pub max_body: usize,
}

/// Why credentials cannot be used. The error names the field, and never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The `.edgerc` text does not have the section.
    #[error("there is no section [{0}] in the .edgerc; add it or name another section")]
    NoSection(String),
    /// A required value is absent or empty.
    #[error("{0} is missing or empty; copy it from the API client in Akamai Control Center")]
    Missing(String),
    /// A value is malformed.
    #[error("{0} is malformed: {1}")]
    Malformed(String, &'static str),
}

impl Credentials {
    /// How many bytes of a body Akamai hashes by default.
    pub const DEFAULT_MAX_BODY: usize = 131_072;

    /// Credentials from their four parts. If the host is a URL, its scheme and slash are removed.
    ///
    /// # Errors
    /// A part is missing, or contains characters that cannot be sent.
    pub fn new(
        host: &str,
        client_token: impl Into<SecretString>,
        client_secret: impl Into<SecretString>,
        access_token: impl Into<SecretString>,
    ) -> Result<Self, CredentialsError> {
        let credentials = Self {
            host: normalized_host(host)?,
            client_token: checked("client_token", client_token.into())?,
            client_secret: checked("client_secret", client_secret.into())?,
            access_token: checked("access_token", access_token.into())?,
            account_key: None,
            max_body: Self::DEFAULT_MAX_BODY,
        };
        Ok(credentials)
    }

    /// The same credentials, acting for another account.
    #[must_use]
    pub fn with_account_key(mut self, account_key: Option<String>) -> Self {
        self.account_key = account_key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        self
    }

    /// A digest of all parts except the host; a client uses the host of its base URL.
    pub(crate) fn digest(&self) -> Sha256 {
        let mut digest = Sha256::new();
        let secrets = [&self.client_token, &self.client_secret, &self.access_token];
        let parts = secrets.map(|secret| secret.expose_secret());
        for part in parts.into_iter().chain([self.account_key.as_deref().unwrap_or_default()]) {
            // The length before each part keeps different parts from having the same digest.
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        digest
    }

    /// Removes the tokens from a text that comes from outside, so that no answer can put them into a message.
    pub(crate) fn redact(&self, text: &str) -> String {
        [&self.client_secret, &self.access_token, &self.client_token]
            .into_iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "[redacted]"))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("host", &self.host)
            .field("account_key", &self.account_key)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

fn normalized_host(host: &str) -> Result<String, CredentialsError> {
    let host = host.trim();
    let host = host.strip_prefix("https://").unwrap_or(host).trim_end_matches('/').to_ascii_lowercase();
    if host.is_empty() {
        return Err(CredentialsError::Missing("host".to_owned()));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if !host.chars().all(plain) {
        return Err(CredentialsError::Malformed("host".to_owned(), "a host name without path is expected"));
    }
    Ok(host)
}

/// Removes surrounding white space (a Secret often ends in a newline), and rejects what a header cannot carry.
fn checked(field: &str, secret: SecretString) -> Result<SecretString, CredentialsError> {
    let value = secret.expose_secret();
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return Err(CredentialsError::Missing(field.to_owned()));
    }
    if !trimmed.chars().all(|c| c.is_ascii_graphic() && c != ';') {
        return Err(CredentialsError::Malformed(
            field.to_owned(),
            "it holds spaces, semicolons or unusual characters",
        ));
    }
    Ok(if trimmed.len() == value.len() { secret } else { SecretString::from(trimmed) })
}
