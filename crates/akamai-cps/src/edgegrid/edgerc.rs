//! Reads credentials from `.edgerc` text and from environment variables. It opens no file: the caller passes the
//! text.

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::credentials::{Credentials, CredentialsError};

impl Credentials {
    /// Reads a section of `.edgerc` text. Names may have `-` for `_`; values may contain `=`, `:` and `#`.
    ///
    /// # Errors
    /// The section or one of its required values is missing or malformed.
    pub fn from_edgerc(text: &str, section: &str) -> Result<Self, CredentialsError> {
        let lines =
            section_lines(text, section).ok_or_else(|| CredentialsError::NoSection(section.to_owned()))?;
        Self::from_values(|name| {
            // The last value wins, as in the Python client.
            lines
                .iter()
                .rev()
                .find(|(key, _)| key.replace('-', "_") == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    /// Reads `AKAMAI_HOST`, `AKAMAI_CLIENT_TOKEN` and so on. For a section other than `default` it first looks for
    /// `AKAMAI_{SECTION}_HOST` and so on. `variable` looks one up, such as `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    /// A required variable is missing or malformed.
    pub fn from_environment(
        section: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CredentialsError> {
        let section = section.to_ascii_uppercase().replace('-', "_");
        Self::from_values(|name| {
            let name = name.to_ascii_uppercase();
            let own = || variable(&format!("AKAMAI_{section}_{name}"));
            let of_section = if section == "DEFAULT" || section.is_empty() { None } else { own() };
            of_section.or_else(|| variable(&format!("AKAMAI_{name}")))
        })
    }

    fn from_values(value: impl Fn(&str) -> Option<String>) -> Result<Self, CredentialsError> {
        let secret = |name: &str| {
            let text = Zeroizing::new(value(name).unwrap_or_default());
            SecretString::from(text.as_str())
        };
        let credentials = Self::new(
            &value("host").unwrap_or_default(),
            secret("client_token"),
            secret("client_secret"),
            secret("access_token"),
        )?;
        let max_body = match value("max_body").filter(|text| !text.trim().is_empty()) {
            // Older clients wrote 0 for the default.
            Some(text) => match text.trim().parse() {
                Ok(0) => Self::DEFAULT_MAX_BODY,
                Ok(bytes) => bytes,
                Err(_) => {
                    return Err(CredentialsError::Malformed(
                        "max_body".to_owned(),
                        "a number of bytes is expected",
                    ));
                }
            },
            None => Self::DEFAULT_MAX_BODY,
        };
        Ok(Self { max_body, ..credentials.with_account_key(value("account_key")) })
    }
}

/// The names and values of a section; `None` if it does not exist.
fn section_lines<'a>(text: &'a str, section: &str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut lines = Vec::new();
    let (mut found, mut inside) = (false, false);
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = header.trim() == section;
            found |= inside;
        } else if inside && let Some((name, value)) = line.split_once('=') {
            // White space has to come before a comment after a value, because the value may contain the sign itself.
            let value =
                value.split_once(" ;").or_else(|| value.split_once("\t;")).map_or(value, |(value, _)| value);
            lines.push((name.trim(), value.trim()));
        }
    }
    found.then_some(lines)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const EDGERC: &str = "\u{feff}# a comment\n\
        [default]\r\nhost = https://AKAB-1.luna.akamaiapis.net/\r\nclient_token=ct\nclient_secret = a=b:c#d=\naccess_token = at\n\
        [other]\n; another comment\nhost = other.luna.akamaiapis.net\nclient-token = oct\nclient-secret = ocs\n\
        access-token = oat\nmax-body = 2048 ; bytes\naccount_key = 1-ABCD:1-2RBL  ; the account\nheaders_to_sign =\n\
        [broken]\nhost = b.luna.akamaiapis.net\nclient_token = x\nclient_secret =\naccess_token = y\n";

    #[test]
    fn a_section_is_read_with_values_that_hold_separators() {
        let credentials = Credentials::from_edgerc(EDGERC, "default").unwrap();
        assert_eq!(credentials.host, "akab-1.luna.akamaiapis.net");
        assert_eq!(credentials.client_secret.expose_secret(), "a=b:c#d=");
        assert_eq!((credentials.max_body, credentials.account_key), (131_072, None));
    }

    #[test]
    fn names_may_be_written_with_a_dash_and_values_may_be_followed_by_a_comment() {
        let credentials = Credentials::from_edgerc(EDGERC, "other").unwrap();
        assert_eq!(credentials.access_token.expose_secret(), "oat");
        assert_eq!((credentials.max_body, credentials.account_key.as_deref()), (2048, Some("1-ABCD:1-2RBL")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |section| Credentials::from_edgerc(EDGERC, section).unwrap_err();
        assert_eq!(error("absent"), CredentialsError::NoSection("absent".to_owned()));
        assert_eq!(error("broken"), CredentialsError::Missing("client_secret".to_owned()));
    }

    #[test]
    fn an_error_never_holds_the_value() {
        let text = EDGERC.replace("client_token = x", "client_token = hunter2 hunter2");
        let error = Credentials::from_edgerc(&text, "broken").unwrap_err();
        assert_eq!(
            error.to_string(),
            "client_token is malformed: it holds spaces, semicolons or unusual characters"
        );
    }

    #[test]
    fn the_environment_of_a_section_falls_back_to_the_plain_names() {
        let variables = [
            ("AKAMAI_HOST", "plain.luna.akamaiapis.net"),
            ("AKAMAI_CCU_HOST", "ccu.luna.akamaiapis.net"),
            ("AKAMAI_CLIENT_TOKEN", "ct"),
            ("AKAMAI_CLIENT_SECRET", "cs\n"),
            ("AKAMAI_ACCESS_TOKEN", "at"),
            ("AKAMAI_MAX_BODY", "0"),
        ];
        let look_up =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        let credentials = Credentials::from_environment("ccu", look_up).unwrap();
        assert_eq!((credentials.host.as_str(), credentials.max_body), ("ccu.luna.akamaiapis.net", 131_072));
        assert_eq!(credentials.client_secret.expose_secret(), "cs");
        assert_eq!(
            Credentials::from_environment("default", look_up).unwrap().host,
            "plain.luna.akamaiapis.net"
        );
    }

    #[test]
    fn debug_output_holds_no_token() {
        let text = format!("{:?}", Credentials::from_edgerc(EDGERC, "other").unwrap());
        for secret in ["oct", "ocs", "oat"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("other.luna.akamaiapis.net"), "{text}");
    }
}
