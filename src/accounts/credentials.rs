//! PURE: reads credentials from a Secret, and decides with the operator's flags where they may be sent.

use std::collections::BTreeMap;

use akamai_cps::Credentials;
use k8s_openapi::ByteString;

use akacert_api::account::Credentials as CredentialsSpec;

/// The operator calls only hosts below this domain, unless a flag allows another endpoint. Otherwise anyone who can
/// edit an account could send the Secret to any host.
const AKAMAI: &str = ".luna.akamaiapis.net";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https` or `http`.
    pub scheme: String,
    /// `HOST` or `HOST:PORT`, exactly as a Secret's `host` has it.
    pub authority: String,
}

/// The endpoints that operator flags allow, and the authorities that sign their certificates.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// In addition to Akamai's own.
    pub allowed: Vec<Endpoint>,
    /// The authorities' certificates, as PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// The value of a flag is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no endpoint: write https://HOST[:PORT] or http://HOST[:PORT]")]
pub struct EndpointsError(String);

impl Endpoint {
    /// Reads the value of a flag.
    ///
    /// # Errors
    /// The value is not `https://HOST[:PORT]` or `http://HOST[:PORT]`.
    pub fn parse(url: &str) -> Result<Self, EndpointsError> {
        let error = || EndpointsError(url.to_owned());
        let (scheme, authority) = url.split_once("://").ok_or_else(error)?;
        let authority = authority.trim_end_matches('/').to_ascii_lowercase();
        if !matches!(scheme, "http" | "https") || authority.is_empty() || !authority.chars().all(is_authority)
        {
            return Err(error());
        }
        Ok(Self { scheme: scheme.to_owned(), authority })
    }
}

fn is_authority(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')
}

/// What is wrong with a Secret, worded to follow the Secret's name in a message. Of the values it shows only the
/// host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key is missing, or its value is malformed.
    #[error("{0}")]
    Invalid(String),
    #[error(
        "has the host `{0}`, which is not below luna.akamaiapis.net, and no operator flag allows it: correct it, or have \
         the operator started with --allow-endpoint"
    )]
    EndpointNotAllowed(String),
}

/// Where to send requests with the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Akamai itself, at the credentials' host.
    Akamai,
    /// An endpoint that a flag allows, with its base URL.
    Allowed(String),
}

/// Reads the credentials from the content of a Secret.
///
/// # Errors
/// [`Problem::Invalid`], naming the key.
pub fn read(spec: &CredentialsSpec, data: &BTreeMap<String, ByteString>) -> Result<Credentials, Problem> {
    let text = |key: &str| -> Result<Option<String>, Problem> {
        data.get(key)
            .map(|value| {
                String::from_utf8(value.0.clone()).map_err(|_| {
                    Problem::Invalid(format!("has a key `{key}` whose value is not text: correct it"))
                })
            })
            .transpose()
    };
    let required = |key: &str, field: &str| {
        let missing = || format!("has no key `{key}`: add it, or name its key in spec.credentials.{field}");
        text(key)?.ok_or_else(|| Problem::Invalid(missing()))
    };
    let invalid = |error: &dyn std::fmt::Display| Problem::Invalid(format!("cannot be used: {error}"));
    if let Some(edgerc) = &spec.edgerc {
        let section = edgerc.section.as_deref().unwrap_or("default");
        return Credentials::from_edgerc(&required(&edgerc.key, "edgerc.key")?, section)
            .map_err(|error| invalid(&error));
    }
    let keys = spec.keys.clone().unwrap_or_default();
    let name = |key: Option<String>, default: &str| key.unwrap_or_else(|| default.to_owned());
    let credentials = Credentials::new(
        &required(&name(keys.host, "host"), "keys.host")?,
        required(&name(keys.client_token, "client_token"), "keys.clientToken")?,
        required(&name(keys.client_secret, "client_secret"), "keys.clientSecret")?,
        required(&name(keys.access_token, "access_token"), "keys.accessToken")?,
    )
    .map_err(|error| invalid(&error))?;
    Ok(credentials.with_account_key(text(&name(keys.account_key, "account_key"))?))
}

/// Where the operator may send credentials for this host.
///
/// # Errors
/// [`Problem::EndpointNotAllowed`]: nowhere.
pub fn destination(host: &str, endpoints: &Endpoints) -> Result<Destination, Problem> {
    let host = host.to_ascii_lowercase();
    if let Some(endpoint) = endpoints.allowed.iter().find(|endpoint| endpoint.authority == host) {
        return Ok(Destination::Allowed(format!("{}://{}", endpoint.scheme, endpoint.authority)));
    }
    let label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match host.strip_suffix(AKAMAI) {
        Some(client) if client.split('.').all(label) => Ok(Destination::Akamai),
        _ => Err(Problem::EndpointNotAllowed(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akamai_cps::edgegrid::Credentials as Parsed;
    use serde_json::json;

    fn secret(entries: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect()
    }

    fn spec(json: serde_json::Value) -> CredentialsSpec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_hosts_of_akamai_are_called() {
        let endpoints = Endpoints::default();
        assert_eq!(destination("akab-x-y.luna.akamaiapis.net", &endpoints), Ok(Destination::Akamai));
        assert_eq!(destination("AKAB-X.Luna.AkamaiAPIs.net", &endpoints), Ok(Destination::Akamai));
        for host in [
            "luna.akamaiapis.net",
            ".luna.akamaiapis.net",
            "evil.com",
            "luna.akamaiapis.net.evil.com",
            "evil.com/.luna.akamaiapis.net",
            "user@x.luna.akamaiapis.net",
            "evil.com#.luna.akamaiapis.net",
            "x.luna.akamaiapis.net:8443",
            "x.luna.akamaiapis.net.",
            "x luna.akamaiapis.net",
            "xluna.akamaiapis.net",
        ] {
            assert_eq!(
                destination(host, &endpoints),
                Err(Problem::EndpointNotAllowed(host.to_owned())),
                "{host}"
            );
        }
    }

    #[test]
    fn an_allowed_endpoint_is_called_by_its_own_scheme() {
        let endpoints =
            Endpoints { allowed: vec![Endpoint::parse("http://10.77.0.2:8080/").unwrap()], ca_pem: None };
        assert_eq!(
            destination("10.77.0.2:8080", &endpoints),
            Ok(Destination::Allowed("http://10.77.0.2:8080".into()))
        );
        assert!(destination("10.77.0.2", &endpoints).is_err());
    }

    #[test]
    fn a_flag_that_is_no_endpoint_is_refused() {
        for flag in ["10.77.0.2:8080", "ftp://x", "https://", "https://user@x", "https://x/path"] {
            assert!(Endpoint::parse(flag).is_err(), "{flag}");
        }
    }

    #[test]
    fn keys_are_named_as_akamai_names_them_unless_renamed() {
        let data = secret(&[
            ("host", "a.luna.akamaiapis.net\n"),
            ("client_token", "ct"),
            ("client_secret", "cs"),
            ("accessToken", "at"),
        ]);
        let renamed = spec(json!({"secretRef": {"name": "s"}, "keys": {"accessToken": "accessToken"}}));
        let credentials: Parsed = read(&renamed, &data).unwrap();
        assert_eq!(credentials.host, "a.luna.akamaiapis.net");
        let plain = spec(json!({"secretRef": {"name": "s"}}));
        assert_eq!(
            read(&plain, &data).unwrap_err().to_string(),
            "has no key `access_token`: add it, or name its key in spec.credentials.keys.accessToken"
        );
    }

    #[test]
    fn a_whole_edgerc_can_be_one_key() {
        let data = secret(&[(
            "edgerc",
            "[cps]\nhost = a.luna.akamaiapis.net\nclient_token = ct\nclient_secret = cs=\naccess_token = at\naccount_key = 1-A:1-B\n",
        )]);
        let credentials = read(
            &spec(json!({"secretRef": {"name": "s"}, "edgerc": {"key": "edgerc", "section": "cps"}})),
            &data,
        )
        .unwrap();
        assert_eq!(credentials.account_key.as_deref(), Some("1-A:1-B"));
    }
}
