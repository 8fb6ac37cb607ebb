//! Why Edge DNS refuses a request.

use super::name_server::UpdateError;
use super::zones::ZoneError;

/// A refusal; its text is the `detail` of the answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Zone(#[from] ZoneError),
    #[error("Unable to find record set with name {name} and type {kind}")]
    UnknownRecordSet { name: String, kind: String },
    #[error("[Record set with name {0} and type TXT: record does not exist]")]
    Missing(String),
    #[error("[Duplicate record set found with name {0} and type TXT]")]
    Duplicate(String),
    #[error("The zone is being modified by another request. Please try your request again.")]
    Concurrent,
    #[error("{0}")]
    NameServer(UpdateError),
    #[error("The simulator was stopped.")]
    Interrupted,
}
