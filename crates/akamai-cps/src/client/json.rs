//! JSON bodies: serialises those of requests, and parses those of successful answers.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::operation::Operation;
use crate::transport::Answer;

/// Parses a successful answer. If the answer to a write cannot be parsed, its outcome is unknown.
pub(crate) fn parse<T: DeserializeOwned>(operation: &'static Operation, answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        let (name, status) = (operation.name, answer.status.as_u16());
        // The text of the error may quote the answer.
        let reason: String =
            format!("HTTP {status}, not the JSON expected: {error}").chars().take(200).collect();
        if operation.method == http::Method::GET {
            Error::UnexpectedAnswer { operation: name, status, reason }
        } else {
            Error::OutcomeUnknown { operation: name, status: Some(status), reason }
        }
    })
}

pub(crate) fn to_body(operation: &'static Operation, body: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body)
        .map_err(|error| Error::InvalidRequest { operation: operation.name, reason: error.to_string() })
}
