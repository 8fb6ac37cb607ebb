//! Why Edge DNS does not do what it is asked for, and how it says so.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::name_server::UpdateError;
use super::zones::ZoneKind;
use crate::problem::Problem;

/// A refusal; its text is the `detail` of the answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Unable to find zone '{0}'")]
    UnknownZone(String),
    #[error("Unable to find record set with name {name} and type {kind}")]
    UnknownRecordSet { name: String, kind: String },
    #[error("There is no such operation.")]
    UnknownOperation,
    #[error("The method is not allowed here.")]
    IllegalMethod,
    #[error("The zone's type is {0:?}: its records cannot be written.")]
    ReadOnly(ZoneKind),
    #[error("{0}")]
    Invalid(String),
    #[error("[Record set with name {0} and type TXT: record does not exist]")]
    Missing(String),
    #[error("[Duplicate record set found with name {0} and type TXT]")]
    Duplicate(String),
    #[error("The zone is being modified by another request. Please try your request again.")]
    Concurrent,
    #[error("The answer is application/json, which the request does not accept.")]
    NotAcceptable,
    #[error("The body must be application/json.")]
    UnsupportedMediaType,
    #[error("{0}")]
    NameServer(UpdateError),
    #[error("The simulator was stopped.")]
    Interrupted,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        // Of the last segments of `type` those of 404, 405, 500 and a concurrent modification are known.
        let (status, slug, title) = match &refusal {
            Refusal::UnknownZone(_) | Refusal::UnknownRecordSet { .. } | Refusal::UnknownOperation => {
                (StatusCode::NOT_FOUND, "notFound", "Not Found")
            }
            Refusal::IllegalMethod => (StatusCode::METHOD_NOT_ALLOWED, "illegalMethod", "Illegal Method"),
            Refusal::ReadOnly(_) | Refusal::Invalid(_) | Refusal::Missing(_) => {
                (StatusCode::BAD_REQUEST, "invalidOperation", "Invalid Operation")
            }
            Refusal::Duplicate(_) => (StatusCode::CONFLICT, "modificationConflict", "Modification Conflict"),
            Refusal::Concurrent => {
                (StatusCode::CONFLICT, "concurrentZoneModification", "Concurrent Zone Modification")
            }
            Refusal::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "notAcceptable", "Not Acceptable"),
            Refusal::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupportedMediaType", "Unsupported Media Type")
            }
            Refusal::NameServer(_) | Refusal::Interrupted => {
                (StatusCode::INTERNAL_SERVER_ERROR, "serverError", "Server Error")
            }
        };
        Self::edge_dns(status, slug, title, refusal.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
