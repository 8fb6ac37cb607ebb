//! Identifiers of CPS. CPS sends them as a number, as text, or as the last segment of a link. We send them as
//! numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The text is neither a CPS identifier nor a link that ends in one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no CPS identifier: a whole number, or a link that ends in one, is expected")]
pub struct IdError(String);

/// The last segment of a link, without its query. CPS refers to the same object by `/cps/v2/…`, by `/cps-api/…`, and
/// by a bare identifier.
#[must_use]
pub fn last_segment(link: &str) -> &str {
    let path = link.split(['?', '#']).next().unwrap_or_default();
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Reads a bare identifier or a link to it.
            fn from_str(text: &str) -> Result<Self, IdError> {
                last_segment(text.trim()).parse().map(Self).map_err(|_| IdError(text.chars().take(80).collect()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match Value::deserialize(deserializer)? {
                    Value::String(text) => text.parse().map_err(serde::de::Error::custom),
                    other => other.to_string().parse().map_err(serde::de::Error::custom),
                }
            }
        }
    };
}

numeric_id! {
    /// Identifies an enrollment.
    EnrollmentId
}
numeric_id! {
    /// Identifies a change of an enrollment.
    ChangeId
}

/// Identifies a contract, such as `1-1TJZH5`. It never has the prefix `ctr_` of other Akamai APIs: CPS takes a
/// contract with the prefix for one of another customer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ContractId(String);

impl ContractId {
    /// A contract, given with or without the prefix `ctr_`.
    pub fn new(id: impl AsRef<str>) -> Self {
        let id = id.as_ref().trim();
        Self(id.strip_prefix("ctr_").unwrap_or(id).to_owned())
    }

    /// The contract without the prefix, as CPS wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContractId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_a_number_from_text_and_from_a_link() {
        for json in
            ["10002", r#""10002""#, r#""/cps/v2/enrollments/10002""#, r#""/cps-api/enrollments/10002/""#]
        {
            assert_eq!(serde_json::from_str::<EnrollmentId>(json).unwrap(), EnrollmentId(10002), "{json}");
        }
        assert_eq!("/cps-api/enrollments/1/changes/7?x=1".parse(), Ok(ChangeId(7)));
    }

    #[test]
    fn an_id_is_written_as_a_number() {
        assert_eq!(serde_json::to_string(&ChangeId(7)).unwrap(), "7");
    }

    #[test]
    fn what_is_no_id_is_refused_with_a_bounded_message() {
        let error = "x".repeat(5000).parse::<EnrollmentId>().unwrap_err().to_string();
        assert!(error.contains("is no CPS identifier") && error.len() < 300, "{error}");
        assert!(serde_json::from_str::<EnrollmentId>("-1").is_err());
    }

    #[test]
    fn a_contract_loses_its_prefix_wherever_it_comes_from() {
        assert_eq!(ContractId::new("ctr_1-1TJZH5").as_str(), "1-1TJZH5");
        assert_eq!(ContractId::new(" 1-1TJZH5").to_string(), "1-1TJZH5");
        let read: ContractId = serde_json::from_str(r#""ctr_K-0N7RAK71""#).unwrap();
        assert_eq!(read, ContractId::new("K-0N7RAK71"));
    }
}
