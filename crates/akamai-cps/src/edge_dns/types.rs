//! The data that Edge DNS sends and accepts, and the results of changes.

use serde::{Deserialize, Serialize};

use super::rdata::unquote;
use super::zone::Zone;
use akamai_cps_types::tolerant::null_as_default;

/// A TXT record with its values decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxtRecord {
    /// The time to live of all values, in seconds.
    pub ttl: u32,
    /// The values in the order of Edge DNS. Bytes that are not UTF-8 become `\u{fffd}`.
    pub values: Vec<String>,
}

impl From<RecordSet> for TxtRecord {
    fn from(set: RecordSet) -> Self {
        let text = |rdata: &String| String::from_utf8_lossy(&unquote(rdata)).into_owned();
        Self { ttl: set.ttl, values: set.rdata.iter().map(text).collect() }
    }
}

/// The result of adding values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// All values were there already; nothing was written.
    AlreadyThere,
    /// A new record was created.
    Created,
    /// The record got the missing values.
    Extended,
}

/// The result of removing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// None of the values was there; nothing was written.
    NotThere,
    /// Other values remain.
    Reduced,
    /// The record is gone with its last value.
    Deleted,
}

/// All records of one name and type. The rdata stays as it was read, so that values of others are written back byte
/// for byte.
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

    /// Whether it contains a value, in any spelling.
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

/// How much of a list an answer contains.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) total_elements: Option<usize>,
}
