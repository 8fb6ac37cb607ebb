//! Warnings that CPS wants acknowledged before it continues.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::null_as_default;

/// Warnings of a change (`warnings.v1`), before the order or after the certificate was issued.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Warnings {
    /// All warnings in one text. A warning can take several lines. The text may be empty although CPS asks for an
    /// acknowledgement; then read it again later.
    #[serde(default, deserialize_with = "null_as_default")]
    pub warnings: String,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Warnings {
    /// The lines of the text, without empty ones and without the header of some answers.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.warnings.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "[WARNINGS]")
    }

    /// Whether there is nothing to acknowledge yet.
    pub fn is_empty(&self) -> bool {
        self.lines().next().is_none()
    }
}
