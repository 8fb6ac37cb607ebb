//! What is looked at from outside, and what it showed, as data. Not here: the looking.

use akacert_api::certificate::CertificateSpec;
use akacert_api::way::Way;

/// A name, and what its way of validation needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name, lower case; a wildcard begins with `*.`.
    pub name: String,
    /// What is needed.
    pub need: Need,
}

/// What a way of validation needs of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// It answers on port 80.
    Http,
    /// It redirects what authorities ask for to the same path at a host.
    Redirect {
        /// The host, such as `dcv.akamai.com`.
        host: String,
    },
    /// Its zone can take a TXT record.
    Dns,
    /// It leads to Akamai.
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

    /// Whether it stands for every name one label below.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.name.starts_with("*.")
    }

    /// As CAA records call it (RFC 8657).
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.need {
            Need::Http | Need::Redirect { .. } | Need::Edge => "http-01",
            Need::Dns => "dns-01",
        }
    }
}

/// What a name shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// It is CNAMEd to Akamai: CPS validates it by itself.
    pub automatic: bool,
    /// Why the authority could not prove it, or would not issue for it.
    pub failure: Option<String>,
    /// How it is served, if that was asked.
    pub served: Option<Served>,
}

/// How a name is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Why it is not served with the deployed certificate.
    pub failure: Option<String>,
    /// Plain HTTP answers with something else than a redirect to HTTPS.
    pub plain_http: bool,
}
