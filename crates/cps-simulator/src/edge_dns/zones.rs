//! The state of Edge DNS: zones and their TXT record sets. It is plain data, which the control endpoint dumps and
//! loads.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::txt;
use crate::config::ZoneKind;

/// Why a zone refuses a request. The text is the `detail` of the answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZoneError {
    #[error("Unable to find zone '{0}'")]
    Unknown(String),
    #[error("The zone's type is {0:?}: its records cannot be written.")]
    ReadOnly(ZoneKind),
    #[error("{0}")]
    Invalid(String),
}

/// The zones of the account by name, in lower case.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Zones(BTreeMap<String, Zone>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Zone {
    #[serde(rename = "type")]
    pub kind: ZoneKind,
    pub contract: String,
    pub version: String,
    pub modified: Timestamp,
    /// TXT record sets by name, in lower case.
    #[serde(default)]
    pub txt: BTreeMap<String, TxtSet>,
}

/// A TXT record set in the form of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TxtSet {
    pub ttl: u32,
    pub rdata: Vec<String>,
}

/// A new TXT record set for a name. `None` removes the present one.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub name: String,
    pub set: Option<TxtSet>,
}

impl Zones {
    pub(crate) fn get(&self, name: &str) -> Result<&Zone, ZoneError> {
        self.0.get(name).ok_or_else(|| ZoneError::Unknown(name.to_owned()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Zone)> {
        self.0.iter()
    }

    /// Adds a zone. A zone of this name keeps its records and gets the new type.
    pub(crate) fn add(&mut self, name: &str, kind: ZoneKind, contract: &str) {
        let new = || Zone {
            kind,
            contract: contract.to_owned(),
            version: new_version(),
            modified: Timestamp::now(),
            txt: BTreeMap::new(),
        };
        self.0.entry(name.to_ascii_lowercase()).or_insert_with(new).kind = kind;
    }

    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Makes the changes, unless the zone no longer exists.
    pub(crate) fn apply(&mut self, zone: &str, changes: Vec<Change>) {
        let Some(zone) = self.0.get_mut(zone) else { return };
        for Change { name, set } in changes {
            match set {
                Some(set) => zone.txt.insert(name, set),
                None => zone.txt.remove(&name),
            };
        }
        (zone.version, zone.modified) = (new_version(), Timestamp::now());
    }
}

fn new_version() -> String {
    Uuid::new_v4().to_string()
}

impl Zone {
    /// Refuses zones whose records come from elsewhere.
    pub(crate) fn check_writable(&self) -> Result<(), ZoneError> {
        if self.kind == ZoneKind::Primary { Ok(()) } else { Err(ZoneError::ReadOnly(self.kind)) }
    }
}

impl TxtSet {
    /// Checks the set, and writes it in the form of an answer: every string in quotes, with escapes.
    pub(crate) fn written_out(self) -> Result<Self, ZoneError> {
        let Self { ttl, rdata } = self;
        if i32::try_from(ttl).is_err() {
            return Err(ZoneError::Invalid(format!("The TTL value provided ({ttl}) is not valid")));
        }
        if rdata.is_empty() {
            return Err(ZoneError::Invalid("rdata must not be empty".into()));
        }
        let written = |item: &String| match txt::parse(item) {
            Ok(strings) => Ok(txt::write(&strings)),
            Err(error) => Err(ZoneError::Invalid(format!("Invalid rdata: {error}"))),
        };
        let rdata: Vec<String> = rdata.iter().map(written).collect::<Result<_, _>>()?;
        if rdata.iter().collect::<BTreeSet<_>>().len() < rdata.len() {
            return Err(ZoneError::Invalid("[Duplicate rdata found]".into()));
        }
        Ok(Self { ttl, rdata })
    }
}

/// Checks a name as Edge DNS does: it must be complete, in the zone, and without a dot at the end. The result is in
/// lower case.
pub(crate) fn check_name(name: &str, zone: &str) -> Result<String, ZoneError> {
    let invalid = |what: &str| Err(ZoneError::Invalid(format!("Invalid name [{name}]: {what}")));
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && (label == "*" || label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
    };
    if name.ends_with('.') {
        return invalid("it must not end in a dot");
    }
    if name.len() > 253 || !name.split('.').all(label) {
        return invalid("it is not a domain name");
    }
    let name = name.to_ascii_lowercase();
    let inside = name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if inside { Ok(name) } else { invalid("it is not in the zone") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_its_zone_and_ends_without_a_dot() {
        for name in ["edge.test", "_acme-challenge.WWW.edge.test", "*.edge.test"] {
            assert_eq!(check_name(name, "edge.test").unwrap(), name.to_lowercase());
        }
        for name in ["edge.test.", "www.other.test", "wedge.test", "www", "a..edge.test", "", "a b.edge.test"]
        {
            assert!(check_name(name, "edge.test").is_err(), "{name}");
        }
    }
}
