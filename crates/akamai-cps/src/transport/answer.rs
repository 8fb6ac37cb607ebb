//! Reads an answer up to a size limit. If the answer is lost, says how.

use http::{HeaderMap, StatusCode};

/// The largest answer to read: the list of a contract with thousands of enrollments.
const LARGEST: usize = 64 * 1024 * 1024;
/// The largest error answer to read.
const LARGEST_ERROR: usize = 64 * 1024;

/// A complete answer with any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Loss {
    /// What failed, without the URL, which may contain the account key.
    pub(crate) reason: String,
    /// Whether Akamai may have carried out the request.
    pub(crate) sent: bool,
    /// Whether another try can help.
    pub(crate) may_pass: bool,
}

/// Reads the whole answer. An error answer first passes through `redact`.
pub(crate) async fn read(
    response: reqwest::Result<reqwest::Response>,
    redact: impl Fn(&str) -> String,
) -> Result<Answer, Loss> {
    let mut response = response.map_err(|error| {
        let sent = !(error.is_connect() || error.is_builder());
        Loss { reason: reason(&error), sent, may_pass: true }
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let largest = if status.is_success() { LARGEST } else { LARGEST_ERROR };
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= largest => body.extend_from_slice(&chunk),
            // The status of an error matters most, and the beginning of its text is enough.
            Ok(Some(_)) | Err(_) if !status.is_success() => break,
            Ok(Some(_)) => {
                let reason = format!("the answer is larger than {} MiB", LARGEST >> 20);
                return Err(Loss { reason, sent: true, may_pass: false });
            }
            Ok(None) => break,
            Err(error) => return Err(Loss { reason: reason(&error), sent: true, may_pass: true }),
        }
    }
    if !status.is_success() {
        body = redact(&String::from_utf8_lossy(&body)).into_bytes();
    }
    Ok(Answer { status, headers, body })
}

/// What went wrong, in the same words each time. reqwest's own text may contain the URL and with it the account key.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time" } else { "no answer in time" }.to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let kind = if error.is_connect() { "no connection" } else { "the connection was lost" };
    // Without a cause, the text is reqwest's own.
    if std::ptr::addr_eq(cause, error) {
        return kind.to_owned();
    }
    format!("{kind}: {cause}").chars().take(200).collect()
}
