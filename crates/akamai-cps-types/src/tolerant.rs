//! Reads loosely typed JSON: null as absent, numbers and booleans as text, several forms of times, and enums with
//! unknown values.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Defines an enum over text values that keeps an unknown value in `Other`.
#[macro_export]
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A value this client does not know, as Akamai wrote it.
            Other(String),
        }

        impl $name {
            /// The value as Akamai writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer).map(Self::from)
            }
        }
    };
}
#[doc(inline)]
pub use text_enum;

/// Reads null as the type's default. With `#[serde(default)]`, an absent field gets it too.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads `true`, `"true"` and null, because change management info sends booleans as text.
pub fn loose_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let Some(found) = Option::<Value>::deserialize(deserializer)? else { return Ok(None) };
    let written = || found.as_str()?.to_ascii_lowercase().parse().ok();
    match found.as_bool().or_else(written) {
        Some(value) => Ok(Some(value)),
        None => Err(serde::de::Error::custom(format!("expected a boolean, found {found}"))),
    }
}

/// Reads text or a number as text: `orgId`, ports and error codes come in both forms.
pub fn loose_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let found = Option::<Value>::deserialize(deserializer)?;
    Ok(found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned)))
}

/// Reads a number that may be sent as text. An empty text is `None`.
pub fn loose_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match loose_text(deserializer)? {
        None => Ok(None),
        Some(text) if text.trim().is_empty() => Ok(None),
        Some(text) => text.trim().parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// Reads an RFC 3339 time (also with a lower-case `z`), or a date as its first moment in UTC. Anything else is
/// `None`, because no time is worth losing the rest of an answer.
pub fn loose_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    let Some(text) = loose_text(deserializer)? else { return Ok(None) };
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    Ok(text.parse().ok().or_else(|| day().map(|day| day.timestamp())))
}
