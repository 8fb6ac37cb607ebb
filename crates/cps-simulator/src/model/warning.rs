//! Warnings at which a change stops.

use serde::{Deserialize, Serialize};

/// When CPS warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before CPS orders the certificate.
    PreVerification,
    /// After the authority has issued the certificate, and before CPS removes an enrollment.
    PostVerification,
}

/// What a client meets first when it reads or acknowledges a warning. CPS was seen to do each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hesitation {
    /// The first read gets 404.
    NotFound,
    /// The first read gets an empty text.
    Empty,
    /// The first acknowledgement gets 409.
    Conflict,
}

/// The warnings that a change shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub stage: Stage,
    /// One warning per line, as CPS writes them.
    pub text: String,
    pub hesitation: Option<Hesitation>,
}
