//! PURE: values that the API and CPS spell differently.

use std::fmt;

use akacert_api::certificate::{Geography, OcspStapling, SecureNetwork, TlsVersion};

/// A value of the API that CPS spells its own way.
pub trait Spelled: Copy + fmt::Debug + 'static {
    /// Every value of the type.
    const ALL: &'static [Self];

    /// CPS's spelling.
    fn in_cps(self) -> &'static str;

    /// Translates CPS's spelling into the API's, if the API has the value.
    fn in_api(text: &str) -> Option<String> {
        let known = Self::ALL.iter().find(|value| value.in_cps() == text);
        // The names of the variants are the API's spelling.
        known.map(|value| format!("{value:?}"))
    }
}

impl Spelled for Geography {
    const ALL: &'static [Self] = &[Self::Core, Self::ChinaAndCore, Self::RussiaAndCore];

    fn in_cps(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::ChinaAndCore => "china+core",
            Self::RussiaAndCore => "russia+core",
        }
    }
}

impl Spelled for SecureNetwork {
    const ALL: &'static [Self] = &[Self::StandardTLS, Self::EnhancedTLS];

    fn in_cps(self) -> &'static str {
        match self {
            Self::StandardTLS => "standard-tls",
            Self::EnhancedTLS => "enhanced-tls",
        }
    }
}

impl Spelled for OcspStapling {
    const ALL: &'static [Self] = &[Self::On, Self::Off, Self::NotSet];

    fn in_cps(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::NotSet => "not-set",
        }
    }
}

impl Spelled for TlsVersion {
    const ALL: &'static [Self] = &[Self::TLSv1, Self::TLSv1_1, Self::TLSv1_2, Self::TLSv1_3];

    fn in_cps(self) -> &'static str {
        match self {
            Self::TLSv1 => "TLSv1",
            Self::TLSv1_1 => "TLSv1_1",
            Self::TLSv1_2 => "TLSv1_2",
            Self::TLSv1_3 => "TLSv1_3",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that every value survives the way to CPS's spelling and back, and that the schema spells it the same.
    fn assert_round_trip<T: Spelled + serde::Serialize>() {
        for value in T::ALL {
            let in_schema = serde_json::to_value(value).unwrap();
            assert_eq!(in_schema, serde_json::json!(T::in_api(value.in_cps()).unwrap()));
        }
    }

    #[test]
    fn what_cps_says_is_shown_as_the_user_would_write_it() {
        assert_round_trip::<Geography>();
        assert_round_trip::<SecureNetwork>();
        assert_round_trip::<OcspStapling>();
        assert_round_trip::<TlsVersion>();
    }

    #[test]
    fn a_word_that_is_new_in_cps_has_none_in_the_api() {
        assert_eq!(SecureNetwork::in_api("quantum-tls"), None);
    }
}
