//! Verifies EdgeGrid signatures (EG1-HMAC-SHA256), timestamps and nonces. It shares no code with the client, so that a
//! mistake in the client's signatures cannot hide here.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::config::Credentials;
use crate::lock::lock;

/// How many bytes of a body the hash covers.
const MAX_BODY: usize = 131_072;

/// The parts of a request that its signature covers, exactly as received.
pub(crate) struct Signed<'a> {
    pub method: &'a str,
    pub scheme: &'a str,
    pub host: &'a str,
    pub path_and_query: &'a str,
    pub body: &'a [u8],
    pub authorization: Option<&'a str>,
}

/// Why the gateway refuses a request; the text is the `detail` of its 401.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AuthError {
    #[error("Invalid authorization header")]
    Malformed,
    #[error("Inactive client token")]
    UnknownClient,
    #[error("Invalid timestamp")]
    Timestamp,
    #[error("The signature does not match")]
    Signature,
    #[error("Nonce was already used")]
    NonceReused,
}

/// The known clients, and the nonces that they used recently.
pub(crate) struct Verifier {
    credentials: Vec<Credentials>,
    skew: Duration,
    nonces: Mutex<HashMap<String, Instant>>,
}

impl Verifier {
    pub(crate) fn new(credentials: Vec<Credentials>, skew: Duration) -> Self {
        Self { credentials, skew, nonces: Mutex::default() }
    }

    /// Accepts a request or says why not. It accepts each nonce once.
    pub(crate) fn verify(&self, request: &Signed<'_>, now: Timestamp) -> Result<(), AuthError> {
        let header = request.authorization.ok_or(AuthError::Malformed)?;
        let fields = header.strip_prefix("EG1-HMAC-SHA256 ").ok_or(AuthError::Malformed)?;
        let (unsigned_fields, signature) = fields.split_once("signature=").ok_or(AuthError::Malformed)?;
        let field = |name: &str| {
            unsigned_fields
                .split(';')
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
                .ok_or(AuthError::Malformed)
        };
        let (client, access) = (field("client_token")?, field("access_token")?);
        let (timestamp, nonce) = (field("timestamp")?, field("nonce")?);

        let known = self.credentials.iter().find(|c| c.client_token == client && c.access_token == access);
        let credentials = known.ok_or(AuthError::UnknownClient)?;
        let sent = parse_timestamp(timestamp).ok_or(AuthError::Timestamp)?;
        if sent.duration_since(now).unsigned_abs() > self.skew {
            return Err(AuthError::Timestamp);
        }
        let unsigned = &header[..header.len() - "signature=".len() - signature.len()];
        let expected = signature_of(request, &credentials.client_secret, timestamp, unsigned);
        if expected != signature {
            return Err(AuthError::Signature);
        }
        self.use_nonce(nonce)
    }

    fn use_nonce(&self, nonce: &str) -> Result<(), AuthError> {
        let mut nonces = lock(&self.nonces);
        let now = Instant::now();
        nonces.retain(|_, used| now.duration_since(*used) <= self.skew * 2);
        match nonces.insert(nonce.to_owned(), now) {
            None => Ok(()),
            Some(_) => Err(AuthError::NonceReused),
        }
    }
}

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y%m%dT%H:%M:%S+0000", text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

fn hmac_base64(key: &[u8], message: &[u8]) -> String {
    // HMAC takes a key of any length, so this cannot fail.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(message);
            BASE64_STANDARD.encode(mac.finalize().into_bytes())
        },
    )
}

/// The signature that a client with this secret would send; `unsigned` is the header up to and including the last `;`.
fn signature_of(request: &Signed<'_>, secret: &str, timestamp: &str, unsigned: &str) -> String {
    let content_hash = if request.method == "POST" && !request.body.is_empty() {
        let hashed = &request.body[..request.body.len().min(MAX_BODY)];
        BASE64_STANDARD.encode(Sha256::digest(hashed))
    } else {
        String::new()
    };
    let data =
        [request.method, request.scheme, request.host, request.path_and_query, "", &content_hash, unsigned]
            .join("\t");
    let key = hmac_base64(secret.as_bytes(), timestamp.as_bytes());
    hmac_base64(key.as_bytes(), data.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSIGNED: &str = "EG1-HMAC-SHA256 client_token=akab-client-token-xxx-xxxxxxxxxxxxxxxx;access_token=akab-access-token-xxx-xxxxxxxxxxxxxxxx;timestamp=20140321T19:34:21+0000;nonce=nonce-xx-xxxx-xxxx-xxxx-xxxxxxxxxxxx;";

    fn verifier() -> Verifier {
        let credentials = Credentials {
            client_token: "akab-client-token-xxx-xxxxxxxxxxxxxxxx".into(),
            client_secret: format!("{}=", "x".repeat(43)),
            access_token: "akab-access-token-xxx-xxxxxxxxxxxxxxxx".into(),
        };
        Verifier::new(vec![credentials], Duration::from_secs(30))
    }

    fn verify(
        verifier: &Verifier,
        method: &str,
        path: &str,
        body: &str,
        signature: &str,
        now: &str,
    ) -> Result<(), AuthError> {
        let authorization = format!("{UNSIGNED}signature={signature}");
        let request = Signed {
            method,
            scheme: "https",
            host: "akaa-baseurl-xxxxxxxxxxx-xxxxxxxxxxxxx.luna.akamaiapis.net",
            path_and_query: path,
            body: body.as_bytes(),
            authorization: Some(&authorization),
        };
        verifier.verify(&request, now.parse().unwrap())
    }

    const NOW: &str = "2014-03-21T19:34:21Z";

    #[test]
    fn the_published_signatures_are_accepted() {
        let ack = "/cps/v2/enrollments/10002/changes/10002/input/update/lets-encrypt-challenges-completed?accountSwitchKey=1-ABCD:1-2RBL";
        let put = "/cps/v2/enrollments/10002?allow-cancel-pending-changes=true";
        let vectors = [
            ("GET", "/", "", "tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU="),
            ("GET", "/testapi/v1/t1?p1=1&p2=2", "", "hKDH1UlnQySSHjvIcZpDMbQHihTQ0XyVAKZaApabdeA="),
            ("POST", "/testapi/v1/t3", &"data".repeat(8), "hXm4iCxtpN22m4cbZb4lVLW5rhX8Ca82vCFqXzSTPe4="),
            ("POST", "/testapi/v1/t6", "", "1gEDxeQGD5GovIkJJGcBaKnZ+VaPtrc4qBUHixjsPCQ="),
            ("PUT", "/testapi/v1/t6", "any body", "GNBWEYSEWOLtu+7dD52da2C39aX/Jchpon3K/AmBqBU="),
            (
                "POST",
                ack,
                "{\"acknowledgement\":\"acknowledge\"}",
                "aY/sFvPIsREIAX3ij2uXgTSZZzxBbalbF1ldjSWH8vs=",
            ),
            ("PUT", put, "any body", "HGz+YIWlPk2TN7h8ebP3OzPtHJ7mzTGY+szphFPfkAI="),
        ];
        for (method, path, body, signature) in vectors {
            assert_eq!(verify(&verifier(), method, path, body, signature, NOW), Ok(()), "{method} {path}");
        }
    }

    #[test]
    fn a_changed_path_does_not_match() {
        let signature = "tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU=";
        assert_eq!(verify(&verifier(), "GET", "/x", "", signature, NOW), Err(AuthError::Signature));
    }

    #[test]
    fn a_clock_more_than_30_seconds_off_is_refused() {
        let signature = "tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU=";
        let late = verify(&verifier(), "GET", "/", "", signature, "2014-03-21T19:34:52Z");
        assert_eq!(late, Err(AuthError::Timestamp));
        assert_eq!(verify(&verifier(), "GET", "/", "", signature, "2014-03-21T19:34:51Z"), Ok(()));
    }

    #[test]
    fn a_nonce_works_once() {
        let signature = "tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU=";
        let verifier = verifier();
        assert_eq!(verify(&verifier, "GET", "/", "", signature, NOW), Ok(()));
        assert_eq!(verify(&verifier, "GET", "/", "", signature, NOW), Err(AuthError::NonceReused));
    }
}
