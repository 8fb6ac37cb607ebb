//! What to check from outside, and the result, as plain data.

use akacert_api::certificate::CertificateSpec;
use akacert_api::way::Way;

/// A name, and what its way of validation needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in lower case. A wildcard begins with `*.`.
    pub name: String,
    /// The requirement of its way.
    pub need: Need,
}

/// What a way of validation needs from a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The name answers on port 80.
    Http,
    /// The name redirects challenge paths to the same path at another host.
    Redirect {
        /// The host, such as `dcv.akamai.com`.
        host: String,
    },
    /// The name's zone can have a TXT record.
    Dns,
    /// The name leads to Akamai.
    Edge,
}

impl Target {
    /// The names of a certificate, and what their ways need.
    #[must_use]
    pub fn all(spec: &CertificateSpec) -> Vec<Self> {
        spec.ways()
            .map(|(name, way)| {
                let need = match way {
                    Way::Edge => Need::Edge,
                    Way::Redirect(redirect) => Need::Redirect { host: redirect.host().to_owned() },
                    Way::EdgeDns(_) | Way::DnsEndpoint(_) | Way::Rfc2136(_) | Way::Manual => Need::Dns,
                    Way::Ingress(_) | Way::Gateway(_) | Way::External => Need::Http,
                };
                Self { name: name.to_owned(), need }
            })
            .collect()
    }

    /// Whether the name is a wildcard, which covers every name one label below.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.name.starts_with("*.")
    }

    /// The method's name in CAA records (RFC 8657).
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.need {
            Need::Http | Need::Redirect { .. } | Need::Edge => "http-01",
            Need::Dns => "dns-01",
        }
    }
}

/// The result of a check from outside for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameForecast {
    /// The name is a CNAME to Akamai, so CPS validates it by itself.
    pub automatic: bool,
    /// Why the authority could not validate the name, or would not issue for it.
    pub failure: Option<String>,
    /// How the name is served, if that was checked.
    pub served: Option<Served>,
}

/// How a name is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Why it is not served with the deployed certificate.
    pub failure: Option<String>,
    /// Plain HTTP answers with something other than a redirect to HTTPS.
    pub plain_http: bool,
}
