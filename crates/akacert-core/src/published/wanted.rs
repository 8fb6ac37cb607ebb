//! All objects that should be there for a certificate: those of the pending change, and those that stand for the life of
//! the certificate. Pure. Not here: what each looks like (`objects`), which requests are missing (`plan`).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::Ingress;

use super::content::{By, Content, Record, Redirection, Token};
use super::dns_endpoint::{self, DNSEndpoint};
use super::http_route::{self, HTTPRoute};
use super::{Rules, objects};
use akacert_api::AkamaiCertificate;
use akacert_api::certificate::CertificateSpec;
use akacert_api::validation::{DCV_HOST, DnsEndpoint, GatewayRoute, IngressRoute, Redirect};
use akacert_api::way::Way;

/// What is to be published for a certificate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Tokens that the solver answers with.
    pub tokens: Vec<Token>,
    /// TXT records, whoever writes them.
    pub records: Vec<Record>,
    /// Redirects that the solver goes on answering with, until what comes in their place is proven.
    pub kept: Vec<Redirection>,
    /// What the ConfigMap goes on holding, without anything that leads there.
    pub held: Content,
    /// Whether what stands for the life of the certificate is wanted: not once it is deleted.
    pub standing: bool,
}

impl Wanted {
    /// What stands for the life of the certificate, and nothing else.
    #[must_use]
    pub fn standing() -> Self {
        Self { standing: true, ..Self::default() }
    }
}

/// The objects.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) config_map: Option<ConfigMap>,
    /// Whether requests are led to the solver.
    pub(super) leads_to_the_solver: bool,
    pub(super) ingresses: Vec<Ingress>,
    pub(super) http_routes: Vec<HTTPRoute>,
    pub(super) dns_endpoints: Vec<DNSEndpoint>,
    pub(super) snippets: Option<ConfigMap>,
}

/// The objects that should be there.
pub(super) fn objects(certificate: &AkamaiCertificate, wanted: &Wanted, rules: &Rules) -> Objects {
    let mut content = Content {
        tokens: wanted.tokens.iter().cloned().collect(),
        records: wanted.records.iter().filter(|record| record.by.is_ours()).cloned().collect(),
        ..Content::default()
    };
    let mut all = Objects::default();
    challenges(certificate, wanted, rules, &mut all);
    if wanted.standing {
        let redirects = redirects(certificate);
        for (place, (redirect, hosts)) in redirects.iter().enumerate() {
            // Those by the same route differ in where they lead to, and their objects in a number.
            let by_the_same =
                |other: &Redirect| other.gateway == redirect.gateway && other.ingress == redirect.ingress;
            let part = redirects.iter().take(place).filter(|(other, _)| by_the_same(other)).count();
            if let Some(route) = &redirect.gateway {
                all.http_routes.extend(http_route::redirecting(certificate, redirect, route, hosts, part));
            }
            if let Some(route) = &redirect.ingress {
                let ingress = objects::redirecting_ingress(certificate, route, hosts, part, rules);
                all.ingresses.push(ingress);
                all.leads_to_the_solver = true;
                let to =
                    |host: &&str| Redirection { host: (*host).to_owned(), to: redirect.host().to_owned() };
                content.redirects.extend(hosts.iter().map(to));
            }
        }
        let external: Vec<&str> = certificate
            .spec
            .ways()
            .filter(|(_, way)| matches!(way, Way::External))
            .map(|(name, _)| name)
            .collect();
        all.snippets =
            (!external.is_empty()).then(|| objects::redirect_snippets(certificate, &external, DCV_HOST));
    }
    content.tokens.extend(wanted.held.tokens.iter().cloned());
    content.records.extend(wanted.held.records.iter().cloned());
    for kept in &wanted.kept {
        all.leads_to_the_solver = true;
        if !content.redirects.iter().any(|known| known.host == kept.host) {
            content.redirects.insert(kept.clone());
        }
    }
    all.config_map = (!content.is_empty()).then(|| objects::config_map(certificate, &content, rules));
    all
}

/// The objects of the pending change.
fn challenges(certificate: &AkamaiCertificate, wanted: &Wanted, rules: &Rules, all: &mut Objects) {
    let mut ingresses: Vec<(&IngressRoute, Vec<&Token>)> = Vec::new();
    let mut gateways: Vec<(&GatewayRoute, Vec<&Token>)> = Vec::new();
    for token in &wanted.tokens {
        match certificate.spec.way(&token.host) {
            Way::Ingress(route) => add(&mut ingresses, route, token),
            Way::Gateway(route) => add(&mut gateways, route, token),
            Way::Redirect(redirect) if is_served(&certificate.spec, &token.host) => {
                redirect.ingress.iter().for_each(|route| add(&mut ingresses, route, token));
                redirect.gateway.iter().for_each(|route| add(&mut gateways, route, token));
            }
            // It goes another way by now, and stays answered in case the authority still asks.
            Way::Edge
            | Way::Redirect(_)
            | Way::External
            | Way::EdgeDns(_)
            | Way::DnsEndpoint(_)
            | Way::Rfc2136(_)
            | Way::Manual => {}
        }
    }
    for (route, tokens) in ingresses {
        let name = if Some(route) == main_ingress(certificate) {
            objects::ingress_name(certificate)
        } else {
            objects::route_name(certificate, "ingress", route, 0)
        };
        all.ingresses.push(objects::ingress(certificate, name, route, &tokens, rules));
        all.leads_to_the_solver = true;
    }
    for (route, tokens) in gateways {
        all.http_routes.extend(http_route::to_the_solver(certificate, route, &tokens, rules));
        all.leads_to_the_solver = true;
    }
    let mut endpoints: BTreeMap<&DnsEndpoint, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for record in &wanted.records {
        if let By::DnsEndpoint(way) = &record.by {
            let values = endpoints.entry(way).or_default().entry(&record.name).or_default();
            values.extend(record.values.iter().map(String::as_str));
        }
    }
    all.dns_endpoints = endpoints
        .into_iter()
        .map(|(way, records)| dns_endpoint::dns_endpoint(certificate, way, &records))
        .collect();
}

/// The Ingress of the whole certificate, beside which those of some names stand.
fn main_ingress(certificate: &AkamaiCertificate) -> Option<&IngressRoute> {
    certificate.spec.validation.as_ref()?.http01.as_ref()?.ingress.as_ref()
}

/// Whether the solver serves the tokens of a name: by its way, or because its redirect no longer stands. A pending change
/// may still have a name that `spec` has not.
pub fn is_served(spec: &CertificateSpec, name: &str) -> bool {
    let way = spec.way(name);
    way.is_served() || (matches!(way, Way::Redirect(_)) && !spec.names().contains(&name))
}

/// The redirects that stand for the life of the certificate, each with its hosts.
pub(super) fn redirects(certificate: &AkamaiCertificate) -> Vec<(&Redirect, Vec<&str>)> {
    let mut redirects = Vec::new();
    for (name, way) in certificate.spec.ways() {
        if let Way::Redirect(redirect) = way {
            add(&mut redirects, redirect, name);
        }
    }
    redirects
}

fn add<'a, K: PartialEq, V>(groups: &mut Vec<(&'a K, Vec<V>)>, key: &'a K, value: V) {
    match groups.iter_mut().find(|(known, _)| *known == key) {
        Some((_, values)) => values.push(value),
        None => groups.push((key, vec![value])),
    }
}
