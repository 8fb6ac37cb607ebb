//! Warnings CPS wants to have acknowledged before it goes on.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::null_as_default;

/// Warnings of a change (`warnings.v1`), before the order or after the certificate was issued.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Warnings {
    /// All warnings in one text; one warning may take several lines. May be empty although CPS asks for an
    /// acknowledgement: then ask again later.
    #[serde(default, deserialize_with = "null_as_default")]
    pub warnings: String,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Warnings {
    /// The lines of the text that say something, without the header some answers start with.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.warnings.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "[WARNINGS]")
    }

    /// Whether there is nothing to acknowledge yet.
    pub fn is_empty(&self) -> bool {
        self.lines().next().is_none()
    }
}
