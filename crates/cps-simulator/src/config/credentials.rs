//! The accepted API clients, and their form in an `.edgerc` file.

use std::fmt;

/// One API client: the content of a section of an `.edgerc` file.
#[derive(Clone)]
pub struct Credentials {
    pub client_token: String,
    /// The HMAC key is this text itself, not what its base64 decodes to.
    pub client_secret: String,
    pub access_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("client_token", &self.client_token).finish_non_exhaustive()
    }
}

/// Why an `.edgerc` file cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EdgercError {
    #[error("section [{section}] has no {key}: add the line `{key} = …`")]
    MissingKey { section: String, key: &'static str },
    #[error("no section found: an .edgerc file starts with a line like [default]")]
    NoSection,
}

impl Credentials {
    /// Reads every section of an `.edgerc` file. A key may have `-` in place of `_`.
    ///
    /// # Errors
    /// When there is no section, or a section lacks one of the three values.
    pub fn from_edgerc(text: &str) -> Result<Vec<Self>, EdgercError> {
        let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                sections.push((name.trim().to_owned(), Vec::new()));
            } else if !line.starts_with(['#', ';'])
                && let Some((key, value)) = line.split_once('=')
                && let Some((_, entries)) = sections.last_mut()
            {
                entries.push((key.trim().replace('-', "_"), value.trim().to_owned()));
            }
        }
        if sections.is_empty() {
            return Err(EdgercError::NoSection);
        }
        sections
            .iter()
            .map(|(section, entries)| {
                let value = |key: &'static str| {
                    entries
                        .iter()
                        .find(|(name, value)| name == key && !value.is_empty())
                        .map(|(_, value)| value.clone())
                        .ok_or(EdgercError::MissingKey { section: section.clone(), key })
                };
                Ok(Self {
                    client_token: value("client_token")?,
                    client_secret: value("client_secret")?,
                    access_token: value("access_token")?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_a_client_and_values_may_contain_equals_signs() {
        let text = "[default]\nhost = h\nclient_token = ct\nclient-secret = a=b=\naccess_token = at\n\n; note\n[two]\nclient_token=ct2\nclient_secret=s2\naccess_token=at2\n";
        let read = Credentials::from_edgerc(text).unwrap();
        let values: Vec<_> =
            read.iter().map(|c| (&*c.client_token, &*c.client_secret, &*c.access_token)).collect();
        assert_eq!(values, [("ct", "a=b=", "at"), ("ct2", "s2", "at2")]);
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = Credentials::from_edgerc("[x]\nclient_token=ct\n").unwrap_err();
        assert_eq!(error.to_string(), "section [x] has no client_secret: add the line `client_secret = …`");
    }

    #[test]
    fn the_secret_is_not_in_debug_output() {
        let read = Credentials::from_edgerc("[x]\nclient_token=ct\nclient_secret=S3\naccess_token=at\n");
        assert!(!format!("{read:?}").contains("S3"));
    }
}
