//! The bodies that acknowledge an input.

use serde::Serialize;

/// `acknowledgement.v1`, and `acknowledgement-with-hash.v1` when there is a hash.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Acknowledgement<'a> {
    acknowledgement: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'a str>,
}

impl<'a> Acknowledgement<'a> {
    /// An acknowledgement, with the hash of what was approved if the operation takes one.
    pub(super) fn new(hash: Option<&'a str>) -> Self {
        Self { acknowledgement: "acknowledge", hash }
    }
}
