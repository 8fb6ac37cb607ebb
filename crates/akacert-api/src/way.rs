//! PURE: which way each name of a certificate goes.

use super::certificate::CertificateSpec;
use super::validation::{Dns01, Edge, SelfCheck};
use super::validation::{DnsEndpoint, EdgeDns, GatewayRoute, Http01, IngressRoute, Redirect, Rfc2136};

/// How one name is proven to the authority.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way<'a> {
    /// CPS validates the name by itself.
    Edge,
    /// The solver serves the tokens, through an Ingress.
    Ingress(&'a IngressRoute),
    /// The solver serves the tokens, through an HTTPRoute.
    Gateway(&'a GatewayRoute),
    /// A standing redirect leads to CPS, which serves the tokens.
    Redirect(&'a Redirect),
    /// Something outside the cluster serves the name.
    External,
    /// The operator writes a TXT record to Akamai Edge DNS.
    EdgeDns(&'a EdgeDns),
    /// external-dns writes a TXT record.
    DnsEndpoint(&'a DnsEndpoint),
    /// The operator writes a TXT record by DNS updates.
    Rfc2136(&'a Rfc2136),
    /// Somebody else creates a TXT record.
    Manual,
}

impl<'a> Way<'a> {
    /// The name in `status.domains` and in the documentation: the path below `spec.validation`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Way::Edge => "edge",
            Way::Ingress(_) => "http01.ingress",
            Way::Gateway(_) => "http01.gateway",
            Way::Redirect(_) => "http01.redirect",
            Way::External => "http01.external",
            Way::EdgeDns(_) => "dns01.edgeDns",
            Way::DnsEndpoint(_) => "dns01.dnsEndpoint",
            Way::Rfc2136(_) => "dns01.rfc2136",
            Way::Manual => "dns01.manual",
        }
    }

    /// Whether a TXT record proves the name.
    #[must_use]
    pub fn is_dns(&self) -> bool {
        matches!(self, Way::EdgeDns(_) | Way::DnsEndpoint(_) | Way::Rfc2136(_) | Way::Manual)
    }

    /// Whether the solver serves the tokens.
    #[must_use]
    pub fn is_served(&self) -> bool {
        matches!(self, Way::Ingress(_) | Way::Gateway(_))
    }

    /// The settings of the HTTPRoutes, if the way needs some.
    #[must_use]
    pub fn gateway(&self) -> Option<&'a GatewayRoute> {
        match self {
            Way::Gateway(route) => Some(route),
            Way::Redirect(redirect) => redirect.gateway.as_ref(),
            Way::Edge
            | Way::Ingress(_)
            | Way::External
            | Way::EdgeDns(_)
            | Way::DnsEndpoint(_)
            | Way::Rfc2136(_)
            | Way::Manual => None,
        }
    }

    /// What its Ingress looks like, if it needs one.
    #[must_use]
    pub fn ingress(&self) -> Option<&'a IngressRoute> {
        match self {
            Way::Ingress(route) => Some(route),
            Way::Redirect(redirect) => redirect.ingress.as_ref(),
            Way::Edge
            | Way::Gateway(_)
            | Way::External
            | Way::EdgeDns(_)
            | Way::DnsEndpoint(_)
            | Way::Rfc2136(_)
            | Way::Manual => None,
        }
    }

    /// Whether the authority fetches a token by HTTP.
    #[must_use]
    pub fn is_http(&self) -> bool {
        !self.is_dns() && !matches!(self, Way::Edge)
    }

    fn of(edge: Option<&'a Edge>, http01: Option<&'a Http01>, dns01: Option<&'a Dns01>) -> Option<Self> {
        let http = http01.and_then(|http| {
            http.ingress
                .as_ref()
                .map(Way::Ingress)
                .or(http.gateway.as_ref().map(Way::Gateway))
                .or(http.redirect.as_ref().map(Way::Redirect))
                .or(http.external.as_ref().map(|_| Way::External))
        });
        let dns = dns01.and_then(|dns| {
            dns.edge_dns
                .as_ref()
                .map(Way::EdgeDns)
                .or(dns.dns_endpoint.as_ref().map(Way::DnsEndpoint))
                .or(dns.rfc2136.as_ref().map(Way::Rfc2136))
                .or(dns.manual.as_ref().map(|_| Way::Manual))
        });
        http.or(dns).or(edge.map(|_| Way::Edge))
    }
}

impl CertificateSpec {
    /// The way of a name: that of the first group that lists the name, otherwise that of the certificate.
    #[must_use]
    pub fn way(&self, name: &str) -> Way<'_> {
        let Some(validation) = &self.validation else { return Way::Edge };
        let group = validation.domains.iter().find(|group| group.names.iter().any(|listed| listed == name));
        group
            .and_then(|group| Way::of(group.edge.as_ref(), group.http01.as_ref(), group.dns01.as_ref()))
            .or_else(|| {
                Way::of(validation.edge.as_ref(), validation.http01.as_ref(), validation.dns01.as_ref())
            })
            .unwrap_or(Way::Edge)
    }

    /// Every name with its way.
    pub fn ways(&self) -> impl Iterator<Item = (&str, Way<'_>)> {
        self.names().into_iter().map(|name| (name, self.way(name)))
    }

    /// Whether the operator checks everything itself before it acknowledges.
    #[must_use]
    pub fn self_check(&self) -> bool {
        self.validation.as_ref().and_then(|validation| validation.self_check) != Some(SelfCheck::Off)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(validation: Value) -> CertificateSpec {
        serde_json::from_value(json!({
            "accountRef": {"kind": "ClusterAkamaiAccount", "name": "a"},
            "commonName": "www.example.com", "dnsNames": ["*.example.com", "api.example.com"],
            "validation": validation
        }))
        .unwrap()
    }

    #[test]
    fn each_way_has_the_name_of_its_path_in_spec() {
        let ingress = json!({"className": "traefik"});
        let gateway = json!({"parentRefs": [{"name": "public"}]});
        let rfc2136 = json!({"server": "192.0.2.53", "keyName": "k", "keySecretRef": {"name": "tsig"}});
        for (validation, name) in [
            (json!({}), "edge"),
            (json!({"edge": {}}), "edge"),
            (json!({"http01": {"ingress": ingress}}), "http01.ingress"),
            (json!({"http01": {"gateway": gateway}}), "http01.gateway"),
            (json!({"http01": {"redirect": {"gateway": gateway}}}), "http01.redirect"),
            (json!({"http01": {"external": {}}}), "http01.external"),
            (json!({"dns01": {"edgeDns": {}}}), "dns01.edgeDns"),
            (json!({"dns01": {"dnsEndpoint": {}}}), "dns01.dnsEndpoint"),
            (json!({"dns01": {"rfc2136": rfc2136}}), "dns01.rfc2136"),
            (json!({"dns01": {"manual": {}}}), "dns01.manual"),
        ] {
            assert_eq!(spec(validation).way("www.example.com").name(), name);
        }
    }

    #[test]
    fn the_first_group_that_lists_a_name_decides() {
        let spec = spec(json!({
            "http01": {"external": {}},
            "domains": [
                {"names": ["*.example.com"], "dns01": {"edgeDns": {}}},
                {"names": ["*.example.com", "api.example.com"], "dns01": {"manual": {}}}
            ]
        }));
        let ways: Vec<_> = spec.ways().map(|(name, way)| (name, way.name())).collect();
        assert_eq!(
            ways,
            [
                ("www.example.com", "http01.external"),
                ("*.example.com", "dns01.edgeDns"),
                ("api.example.com", "dns01.manual")
            ]
        );
    }

    #[test]
    fn without_validation_cps_validates_by_itself() {
        let mut spec = spec(json!({}));
        spec.validation = None;
        assert_eq!(spec.way("www.example.com"), Way::Edge);
        assert!(spec.self_check());
    }
}
