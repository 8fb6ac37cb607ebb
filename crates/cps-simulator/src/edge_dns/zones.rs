//! What Edge DNS remembers: zones and their TXT record sets. Plain data that can be dumped and loaded; how it
//! looks on the wire is in `api`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Refusal, txt};

/// The type of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ZoneKind {
    /// Its records are kept here.
    Primary,
    /// Its records come from a name server of the customer.
    Secondary,
    /// Its records are those of another zone.
    Alias,
}

/// The zones of the account by name, in lower case.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Zones(BTreeMap<String, Zone>);

/// A zone and what it holds.
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

/// A TXT record set as it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TxtSet {
    pub ttl: u32,
    pub rdata: Vec<String>,
}

/// What happens to the TXT record set of a name; without a set it goes away.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub name: String,
    pub set: Option<TxtSet>,
}

impl Zones {
    pub(crate) fn get(&self, name: &str) -> Result<&Zone, Refusal> {
        self.0.get(name).ok_or_else(|| Refusal::UnknownZone(name.to_owned()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Zone)> {
        self.0.iter()
    }

    /// Adds a zone; one that is there already keeps its records.
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

    /// Makes the changes, unless the zone is gone.
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
    /// # Errors
    /// When its records come from elsewhere.
    pub(crate) fn check_writable(&self) -> Result<(), Refusal> {
        if self.kind == ZoneKind::Primary { Ok(()) } else { Err(Refusal::ReadOnly(self.kind)) }
    }
}

impl TxtSet {
    /// The set as it is answered: every string quoted, with escapes.
    ///
    /// # Errors
    /// When it is none that can be served.
    pub(crate) fn written_out(self) -> Result<Self, Refusal> {
        let Self { ttl, rdata } = self;
        if i32::try_from(ttl).is_err() {
            return Err(Refusal::Invalid(format!("The TTL value provided ({ttl}) is not valid")));
        }
        if rdata.is_empty() {
            return Err(Refusal::Invalid("rdata must not be empty".into()));
        }
        let written = |item: &String| match txt::parse(item) {
            Ok(strings) => Ok(txt::write(&strings)),
            Err(error) => Err(Refusal::Invalid(format!("Invalid rdata: {error}"))),
        };
        let rdata: Vec<String> = rdata.iter().map(written).collect::<Result<_, _>>()?;
        if rdata.iter().collect::<BTreeSet<_>>().len() < rdata.len() {
            return Err(Refusal::Invalid("[Duplicate rdata found]".into()));
        }
        Ok(Self { ttl, rdata })
    }
}

/// A name as Edge DNS takes it: complete, without the dot at its end, in the zone; the answer is in lower
/// case.
///
/// # Errors
/// When it is no such name.
pub(crate) fn check_name(name: &str, zone: &str) -> Result<String, Refusal> {
    let invalid = |what: &str| Err(Refusal::Invalid(format!("Invalid name [{name}]: {what}")));
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && (label == "*" || label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
    };
    if name.ends_with('.') {
        return invalid("it must not end in a dot");
    }
    if name.len() > 253 || !name.split('.').all(label) {
        return invalid("it is no domain name");
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
