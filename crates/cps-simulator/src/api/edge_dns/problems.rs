//! The errors of Edge DNS in its own form of problem+json.

use http::StatusCode;

use crate::api::Problem;
use crate::edge_dns::{Refusal, ZoneError};

/// The last segment of `type` is known only for 404, 405, 500 and a concurrent modification.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Zone(error) => error.into(),
            Refusal::UnknownRecordSet { .. } => not_found(detail),
            Refusal::Missing(_) => invalid(detail),
            Refusal::Duplicate(_) => {
                Self::edge_dns(StatusCode::CONFLICT, "modificationConflict", "Modification Conflict", detail)
            }
            Refusal::Concurrent => Self::edge_dns(
                StatusCode::CONFLICT,
                "concurrentZoneModification",
                "Concurrent Zone Modification",
                detail,
            ),
            Refusal::NameServer(_) | Refusal::Interrupted => {
                Self::edge_dns(StatusCode::INTERNAL_SERVER_ERROR, "serverError", "Server Error", detail)
            }
        }
    }
}

impl From<ZoneError> for Problem {
    fn from(error: ZoneError) -> Self {
        let detail = error.to_string();
        match error {
            ZoneError::Unknown(_) => not_found(detail),
            ZoneError::ReadOnly(_) | ZoneError::Invalid(_) => invalid(detail),
        }
    }
}

fn not_found(detail: String) -> Problem {
    Problem::edge_dns(StatusCode::NOT_FOUND, "notFound", "Not Found", detail)
}

pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::edge_dns(StatusCode::BAD_REQUEST, "invalidOperation", "Invalid Operation", detail)
}

pub(super) fn unknown_operation() -> Problem {
    not_found("There is no such operation.".into())
}

pub(super) fn illegal_method() -> Problem {
    let detail = "The method is not allowed here.";
    Problem::edge_dns(StatusCode::METHOD_NOT_ALLOWED, "illegalMethod", "Illegal Method", detail)
}

pub(super) fn not_acceptable() -> Problem {
    let detail = "The answer is application/json, which the request does not accept.";
    Problem::edge_dns(StatusCode::NOT_ACCEPTABLE, "notAcceptable", "Not Acceptable", detail)
}

pub(super) fn unsupported_media_type() -> Problem {
    let detail = "The body must be application/json.";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::edge_dns(status, "unsupportedMediaType", "Unsupported Media Type", detail)
}
