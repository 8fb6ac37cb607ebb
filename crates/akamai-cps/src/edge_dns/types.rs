//! What Edge DNS sends and takes, and what a change of a record came to.

use serde::{Deserialize, Serialize};

use super::rdata::unquote;
use super::zone::Zone;
use akamai_cps_types::tolerant::null_as_default;

/// A TXT record with its values as they are meant, not as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxtRecord {
    /// The time to live of all values, in seconds.
    pub ttl: u32,
    /// The values in the order of Edge DNS. Bytes that are no UTF-8 are shown as `\u{fffd}`.
    pub values: Vec<String>,
}

impl From<RecordSet> for TxtRecord {
    fn from(set: RecordSet) -> Self {
        let text = |rdata: &String| String::from_utf8_lossy(&unquote(rdata)).into_owned();
        Self { ttl: set.ttl, values: set.rdata.iter().map(text).collect() }
    }
}

/// What adding values came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// All values were there; nothing was written.
    AlreadyThere,
    /// There was no record.
    Created,
    /// The record got the values that were missing.
    Extended,
}

/// What removing values came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// None of the values was there; nothing was written.
    NotThere,
    /// Other values are left.
    Reduced,
    /// The record is gone with its last value.
    Deleted,
}

/// All records of one name and type. The rdata stays as it was read, so that what belongs to others is written back
/// byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordSet {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) record_type: String,
    pub(super) ttl: u32,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) rdata: Vec<String>,
}

impl RecordSet {
    /// A TXT record without values.
    pub(super) fn txt(name: &str, ttl: u32) -> Self {
        Self { name: name.to_owned(), record_type: "TXT".to_owned(), ttl, rdata: Vec::new() }
    }

    /// Whether a value is among its own, however it is written.
    pub(super) fn holds(&self, value: &str) -> bool {
        self.rdata.iter().any(|rdata| unquote(rdata) == value.as_bytes())
    }
}

/// A list of zones.
#[derive(Debug, Deserialize)]
pub(super) struct ZoneList {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) metadata: Metadata,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) zones: Vec<Zone>,
}

/// How much of a list was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) total_elements: Option<usize>,
}
