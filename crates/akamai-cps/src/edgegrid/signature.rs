//! Computes EG1-HMAC-SHA256 signatures, for any HTTP client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Credentials;

const TIMESTAMP_FORMAT: &str = "%Y%m%dT%H:%M:%S+0000";

/// The parts of a request that are signed. Akamai's clients can sign headers too, but no CPS operation needs that.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The `Host` header, with the port if the header has one.
    pub host: &'a str,
    /// Path and query exactly as in the request line.
    pub path_and_query: &'a str,
    /// The whole body. Only the body of a POST is signed.
    pub body: &'a [u8],
}

/// Why a request cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Neither the URI nor the `Host` header has a host.
    #[error("the request names no host to sign")]
    NoHost,
    /// The tokens or the nonce have characters that a header cannot carry.
    #[error("the credentials or the nonce hold characters that cannot be sent in a header")]
    InvalidHeader,
}

/// Signs requests with one set of credentials.
#[derive(Clone, Debug)]
pub struct Signer {
    credentials: Credentials,
}

impl Signer {
    /// A signer for these credentials.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }

    /// The credentials of this signer.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The `Authorization` header for a request, marked as sensitive. The scheme comes from the URI, otherwise it is
    /// `https`. The host comes from the `Host` header, otherwise from the URI. Every attempt needs its own timestamp
    /// and nonce.
    ///
    /// # Errors
    /// The request has no host, or the tokens cannot be sent.
    pub fn sign(
        &self,
        request: &http::request::Parts,
        body: &[u8],
        timestamp: jiff::Timestamp,
        nonce: &str,
    ) -> Result<HeaderValue, SignError> {
        let header = request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let host = header.or_else(|| request.uri.authority().map(|authority| authority.as_str()));
        let message = Message {
            method: request.method.as_str(),
            scheme: request.uri.scheme_str().unwrap_or("https"),
            host: host.ok_or(SignError::NoHost)?,
            path_and_query: request.uri.path_and_query().map_or("/", |path| path.as_str()),
            body,
        };
        let text = Zeroizing::new(authorization(&self.credentials, &message, timestamp, nonce));
        let mut value = HeaderValue::from_str(&text).map_err(|_| SignError::InvalidHeader)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The whole `Authorization` header value for a message.
pub fn authorization(
    credentials: &Credentials,
    message: &Message<'_>,
    timestamp: jiff::Timestamp,
    nonce: &str,
) -> String {
    let timestamp = format_timestamp(timestamp);
    let unsigned = Zeroizing::new(unsigned_header(
        credentials.client_token.expose_secret(),
        credentials.access_token.expose_secret(),
        &timestamp,
        nonce,
    ));
    let signature = signature(credentials, message, &timestamp, &unsigned);
    format!("{}signature={signature}", *unsigned)
}

/// The header value up to and including the `;` after the nonce. This part is itself signed.
pub fn unsigned_header(client_token: &str, access_token: &str, timestamp: &str, nonce: &str) -> String {
    format!(
        "EG1-HMAC-SHA256 client_token={client_token};access_token={access_token};timestamp={timestamp};nonce={nonce};"
    )
}

/// The signature of a message. `timestamp` is the text inside `unsigned_header`. Both are text, so that a server can
/// check exactly the bytes that it received.
pub fn signature(
    credentials: &Credentials,
    message: &Message<'_>,
    timestamp: &str,
    unsigned_header: &str,
) -> String {
    let secret = credentials.client_secret.expose_secret();
    // The secret looks like base64, but is used without decoding. So is the key made from it.
    let key = Zeroizing::new(hmac_base64(secret.as_bytes(), timestamp));
    let host = &*message.host.to_ascii_lowercase();
    let hash = &*content_hash(message.method, message.body, credentials.max_body);
    let canonical_headers = "";
    let Message { method, scheme, path_and_query, .. } = *message;
    let data = Zeroizing::new(
        [method, scheme, host, path_and_query, canonical_headers, hash, unsigned_header].join("\t"),
    );
    hmac_base64(key.as_bytes(), &data)
}

/// The content hash of a message. It is empty unless the message is a POST with a body. Only the first `max_body`
/// bytes count.
pub fn content_hash(method: &str, body: &[u8], max_body: usize) -> String {
    if method != "POST" || body.is_empty() {
        return String::new();
    }
    STANDARD.encode(Sha256::digest(&body[..body.len().min(max_body)]))
}

/// Formats a time as EdgeGrid does: `20140321T19:34:21+0000`.
pub fn format_timestamp(timestamp: jiff::Timestamp) -> String {
    timestamp.strftime(TIMESTAMP_FORMAT).to_string()
}

/// Parses a time in EdgeGrid's format.
pub fn parse_timestamp(text: &str) -> Option<jiff::Timestamp> {
    let civil = jiff::civil::DateTime::strptime(TIMESTAMP_FORMAT, text).ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// HMAC-SHA256 in base64.
fn hmac_base64(key: &[u8], message: &str) -> String {
    // HMAC accepts keys of any length, so there is no error to report.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(message.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
