//! PURE: zones, and which of them a name belongs to.

use serde::Deserialize;

use super::Error;
use crate::operation;
use akamai_cps_types::tolerant::text_enum;

text_enum! {
    /// Where the records of a zone come from.
    ZoneType {
        /// From Edge DNS itself. Only such a zone can be written to.
        Primary = "PRIMARY",
        /// From the customer's name servers.
        Secondary = "SECONDARY",
        /// From another zone.
        Alias = "ALIAS",
    }
}

/// A zone of Edge DNS. Nothing else of it is kept, because a secondary zone comes with its TSIG key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Zone {
    /// The zone's name.
    #[serde(rename = "zone")]
    pub name: String,
    /// Where its records come from.
    #[serde(rename = "type")]
    pub zone_type: ZoneType,
}

impl Zone {
    /// Whether records can be written to it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.zone_type == ZoneType::Primary
    }
}

/// The zone to which the records of a name have to be written. It is also `None` if the name belongs to a zone that
/// cannot be written to: name servers would never serve what is written to the zone above.
#[must_use]
pub fn zone_of<'a>(zones: &'a [Zone], fqdn: &str) -> Option<&'a Zone> {
    closest_zone(zones, fqdn).filter(|zone| zone.is_writable())
}

/// The zone that a name belongs to, whatever its type. Of the zones whose name is a suffix of the name, it is the
/// longest.
#[must_use]
pub fn closest_zone<'a>(zones: &'a [Zone], fqdn: &str) -> Option<&'a Zone> {
    let fqdn = normalized(fqdn);
    let holds = |zone: &&Zone| is_within(&fqdn, &normalized(&zone.name));
    // The longest name wins. If several contracts have a zone of the same name, only one that can be written to is of
    // use.
    zones.iter().filter(holds).max_by_key(|zone| (normalized(&zone.name).len(), zone.is_writable()))
}

/// A name in a zone, as it is sent: in lower case, without the trailing dot.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) zone: String,
    pub(super) name: String,
}

impl Place {
    /// Rejects text that is not a name, or a name outside the zone, because both become part of a path.
    pub(super) fn new(zone: &str, name: &str) -> Result<Self, Error> {
        let place = Self { zone: normalized(zone), name: normalized(name) };
        let invalid = |reason: String| {
            Err(Error::InvalidRequest {
                operation: operation::GET_TXT.name,
                reason: reason.chars().take(400).collect(),
            })
        };
        for name in [&place.zone, &place.name] {
            if !is_name(name) {
                return invalid(format!("`{name}` is no DNS name in ASCII; correct the name"));
            }
        }
        if !is_within(&place.name, &place.zone) {
            return invalid(format!(
                "`{}` is not in the zone {}; choose its own zone",
                place.name, place.zone
            ));
        }
        Ok(place)
    }
}

fn normalized(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_within(name: &str, zone: &str) -> bool {
    let before = name.strip_suffix(zone);
    !zone.is_empty() && before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*');
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, zone_type: &str) -> Zone {
        Zone { name: name.to_owned(), zone_type: zone_type.into() }
    }

    fn zones() -> Vec<Zone> {
        vec![
            zone("example.com", "PRIMARY"),
            zone("Shop.Example.com.", "PRIMARY"),
            zone("_acme-challenge.www.example.com", "PRIMARY"),
            zone("secondary.example.com", "SECONDARY"),
            zone("below.secondary.example.com", "PRIMARY"),
            zone("alias.example.com", "ALIAS"),
            zone("both.example.com", "ALIAS"),
            zone("both.example.com", "PRIMARY"),
            zone("both.example.com", "SECONDARY"),
            zone("new.example.com", "TERTIARY"),
        ]
    }

    #[test]
    fn the_longest_zone_that_ends_a_name_at_a_dot_is_the_names_own() {
        let cases = [
            ("example.com", Some("example.com")),
            ("_acme-challenge.example.com.", Some("example.com")),
            ("_ACME-Challenge.A.Example.COM", Some("example.com")),
            ("_acme-challenge.shop.example.com", Some("Shop.Example.com.")),
            ("_acme-challenge.workshop.example.com", Some("example.com")),
            ("_acme-challenge.www.example.com", Some("_acme-challenge.www.example.com")),
            ("www.example.com", Some("example.com")),
            ("badexample.com", None),
            ("example.org", None),
            ("com", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(zone_of(&zones(), name).map(|zone| zone.name.as_str()), expected, "{name}");
        }
        assert_eq!(zone_of(&[zone("", "PRIMARY")], "example.com"), None);
    }

    #[test]
    fn a_name_in_a_zone_that_cannot_be_written_has_no_zone() {
        for name in ["a.secondary.example.com", "a.alias.example.com", "a.new.example.com"] {
            assert_eq!(zone_of(&zones(), name), None, "{name}");
            assert!(closest_zone(&zones(), name).is_some(), "{name}");
        }
        for name in ["a.below.secondary.example.com", "a.both.example.com"] {
            assert_eq!(zone_of(&zones(), name).unwrap().zone_type, ZoneType::Primary, "{name}");
        }
    }

    #[test]
    fn what_is_no_name_in_the_zone_never_gets_into_a_path() {
        let place = Place::new("Example.COM.", "_ACME-challenge.*.Example.com.").unwrap();
        assert_eq!(
            (place.zone.as_str(), place.name.as_str()),
            ("example.com", "_acme-challenge.*.example.com")
        );
        let long = format!("{}.example.com", "a".repeat(64));
        for name in [
            "../example.com",
            "a/b.example.com",
            "a..example.com",
            ".example.com",
            "é.example.com",
            "",
            &long,
        ] {
            let error = Place::new("example.com", name).unwrap_err().to_string();
            assert!(error.ends_with("is no DNS name in ASCII; correct the name)"), "{error}");
        }
        assert!(Place::new("..", "..").is_err());
        assert_eq!(
            Place::new("example.com", "a.example.org").unwrap_err().to_string(),
            "edge-dns.get-txt: the request cannot be made (`a.example.org` is not in the zone example.com; choose its own \
             zone)"
        );
    }
}
