//! HTTPRoutes of Gateway API: as much of the kind as we write and read, the routes as they should be, and what a Gateway
//! says of one. Pure. Not here: Ingresses, Services (`objects`).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};

use super::objects;
use super::{Rules, Token};
use akacert_api::AkamaiCertificate;
use akacert_api::names::{COMPONENT_LABEL, REDIRECT_COMPONENT};
use akacert_api::validation::{GatewayRoute, ParentRef, Redirect};

/// An HTTPRoute may have as many host names (Gateway API, HTTPRouteSpec).
const MOST_HOSTS: usize = 16;

/// One certificate has at most a hundred names, and so at most seven routes a redirect.
const MOST_PARTS: usize = 10;

/// A rule may have as many matches (Gateway API, HTTPRouteRule).
const MOST_MATCHES: usize = 64;

/// What an HTTPRoute says (Gateway API, `gateway.networking.k8s.io/v1`).
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    plural = "httproutes",
    namespaced,
    status = "HttpRouteStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways.
    pub parent_refs: Vec<ParentRef>,
    /// The hosts.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// What happens to their requests.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The requests that it is about.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// What happens to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// Where they go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backend_refs: Vec<BackendRef>,
}

/// Requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// By their path.
    pub path: PathMatch,
}

/// Paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathMatch {
    /// `Exact` or `PathPrefix`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path.
    pub value: String,
}

/// Something that is done to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// `RequestRedirect`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where to.
    pub request_redirect: Option<RequestRedirect>,
}

/// A redirect; the path stays, and the port is that of the scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `http`.
    pub scheme: String,
    /// The host.
    pub hostname: String,
    /// 302.
    pub status_code: u16,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendRef {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
}

/// What the Gateways say of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRouteStatus {
    /// Each of them.
    #[serde(default)]
    pub parents: Vec<ParentStatus>,
}

/// What one Gateway says of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// Which.
    pub parent_ref: ParentRef,
    /// `Accepted` and `ResolvedRefs`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// The routes of tokens: exact paths to the solver. One route has at most so many hosts and paths, so there can be several.
pub(super) fn to_the_solver(
    certificate: &AkamaiCertificate,
    route: &GatewayRoute,
    tokens: &[&Token],
    rules: &Rules,
) -> Vec<HTTPRoute> {
    let mut by_host: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for token in tokens {
        by_host.entry(&token.host).or_default().insert(&token.path);
    }
    let mut parts: Vec<(BTreeSet<&str>, BTreeSet<&str>)> = Vec::new();
    for (host, paths) in by_host {
        for paths in paths.into_iter().collect::<Vec<_>>().chunks(MOST_MATCHES) {
            match parts.last_mut() {
                Some((hosts, known))
                    if hosts.len() < MOST_HOSTS && known.len() + paths.len() <= MOST_MATCHES =>
                {
                    hosts.insert(host);
                    known.extend(paths);
                }
                _ => parts.push((BTreeSet::from([host]), paths.iter().copied().collect())),
            }
        }
    }
    let backend = BackendRef {
        name: objects::service_name(certificate, rules).to_owned(),
        port: objects::service_port(certificate, rules),
    };
    let exact = |path: &str| Match { path: PathMatch { kind: "Exact".into(), value: path.into() } };
    let rule = |paths: &BTreeSet<&str>| Rule {
        matches: paths.iter().map(|path| exact(path)).collect(),
        filters: Vec::new(),
        backend_refs: vec![backend.clone()],
    };
    parts
        .iter()
        .enumerate()
        .map(|(index, (hosts, paths))| {
            let name = objects::route_name(certificate, "gateway", route, index);
            http_route(certificate, name, route, hosts, rule(paths))
        })
        .collect()
}

/// The routes of a standing redirect: everything below the challenges' path to CPS, without any backend.
pub(super) fn redirecting(
    certificate: &AkamaiCertificate,
    redirect: &Redirect,
    route: &GatewayRoute,
    hosts: &[&str],
    part: usize,
) -> Vec<HTTPRoute> {
    let to = RequestRedirect { scheme: "http".into(), hostname: redirect.host().into(), status_code: 302 };
    let rule = Rule {
        matches: vec![Match {
            path: PathMatch { kind: "PathPrefix".into(), value: super::content::CHALLENGES_PATH.into() },
        }],
        filters: vec![Filter { kind: "RequestRedirect".into(), request_redirect: Some(to) }],
        backend_refs: Vec::new(),
    };
    hosts
        .chunks(MOST_HOSTS)
        .enumerate()
        .map(|(index, hosts)| {
            let name = objects::route_name(certificate, "redirect", route, part * MOST_PARTS + index);
            let hosts = hosts.iter().copied().collect();
            let mut route = http_route(certificate, name, route, &hosts, rule.clone());
            route.labels_mut().insert(COMPONENT_LABEL.to_owned(), REDIRECT_COMPONENT.to_owned());
            route
        })
        .collect()
}

fn http_route(
    certificate: &AkamaiCertificate,
    name: String,
    route: &GatewayRoute,
    hosts: &BTreeSet<&str>,
    rule: Rule,
) -> HTTPRoute {
    let spec = HttpRouteSpec {
        parent_refs: route.parent_refs.clone(),
        hostnames: hosts.iter().map(|host| (*host).to_owned()).collect(),
        rules: vec![rule],
    };
    let mut object = HTTPRoute::new(&name, spec);
    object.metadata = objects::owned(certificate, name, route.labels.as_ref());
    object
}

/// Why a Gateway does not serve a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTrouble {
    /// What to report.
    pub message: String,
    /// The Gateway has not said anything yet: for some moments that is no trouble.
    pub is_silence: bool,
}

/// Why a Gateway does not serve a route; none when each of its Gateways does.
#[must_use]
pub fn trouble(route: &HTTPRoute) -> Option<RouteTrouble> {
    let refused = |message| RouteTrouble { message, is_silence: false };
    let namespace = route.namespace().unwrap_or_default();
    route.spec.parent_refs.iter().find_map(|parent| {
        let gateway = describe(parent, &namespace);
        let said = route
            .status
            .iter()
            .flat_map(|status| &status.parents)
            .find(|said| is_same(&said.parent_ref, parent, &namespace));
        let Some(said) = said else {
            let message = format!(
                "{gateway} has not said anything of HTTPRoute {} yet: see that it exists, and that its controller runs",
                route.name_any()
            );
            return Some(RouteTrouble { message, is_silence: true });
        };
        let about = |type_: &str| said.conditions.iter().find(|condition| condition.type_ == type_);
        if let Some(condition) = about("Accepted").filter(|accepted| accepted.status != "True") {
            return Some(refused(refusal(&gateway, &condition.reason, parent, &namespace)));
        }
        about("ResolvedRefs").filter(|resolved| resolved.status != "True").map(|unresolved| {
            refused(format!(
                "{gateway} cannot send requests to the solver ({}): look at its controller's log",
                unresolved.reason
            ))
        })
    })
}

fn describe(parent: &ParentRef, namespace: &str) -> String {
    let gateway = format!("Gateway {}/{}", parent.namespace.as_deref().unwrap_or(namespace), parent.name);
    match &parent.section_name {
        Some(listener) => format!("listener {listener} of {gateway}"),
        None => gateway,
    }
}

fn is_same(said: &ParentRef, parent: &ParentRef, namespace: &str) -> bool {
    let of = |reference: &ParentRef| reference.namespace.clone().unwrap_or_else(|| namespace.to_owned());
    said.name == parent.name && of(said) == of(parent) && said.section_name == parent.section_name
}

/// Which side has to change, by the reasons of Gateway API.
fn refusal(gateway: &str, reason: &str, parent: &ParentRef, namespace: &str) -> String {
    match reason {
        "NotAllowedByListeners" => format!(
            "{gateway} does not take routes of namespace {namespace}: its owner has to allow the namespace in the listener's \
             allowedRoutes, or choose another Gateway in parentRefs"
        ),
        "NoMatchingListenerHostname" => format!(
            "{gateway} has no listener for these hosts: its owner has to add one for HTTP on port 80, or choose another \
             Gateway in parentRefs"
        ),
        "NoMatchingParent" => format!(
            "{gateway} does not exist{}: correct parentRefs",
            if parent.section_name.is_some() { " or has no such listener" } else { "" }
        ),
        other => format!(
            "{gateway} refuses the HTTPRoute ({other}): look at the route's status, and correct parentRefs"
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn route(parents: &Value) -> HTTPRoute {
        serde_json::from_value(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "akacert-www", "namespace": "shop"},
            "spec": {"parentRefs": [{"name": "public", "namespace": "infra", "sectionName": "http"}]},
            "status": {"parents": parents}
        }))
        .unwrap()
    }

    fn said(type_: &str, status: &str, reason: &str) -> Value {
        json!([{
            "controllerName": "example.com/c",
            "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "namespace": "infra",
                "sectionName": "http"},
            "conditions": [{"type": type_, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-11-25T12:00:00Z"}]
        }])
    }

    #[test]
    fn a_route_that_its_gateway_takes_is_no_trouble() {
        assert_eq!(trouble(&route(&said("Accepted", "True", "Accepted"))), None);
    }

    #[test]
    fn what_a_gateway_says_becomes_what_its_side_or_ours_has_to_do() {
        for (said, message) in [
            (
                json!([]),
                "listener http of Gateway infra/public has not said anything of HTTPRoute akacert-www yet: see that it \
                 exists, and that its controller runs",
            ),
            (
                said("Accepted", "False", "NotAllowedByListeners"),
                "listener http of Gateway infra/public does not take routes of namespace shop: its owner has to allow the \
                 namespace in the listener's allowedRoutes, or choose another Gateway in parentRefs",
            ),
            (
                said("Accepted", "False", "NoMatchingParent"),
                "listener http of Gateway infra/public does not exist or has no such listener: correct parentRefs",
            ),
            (
                said("ResolvedRefs", "False", "BackendNotFound"),
                "listener http of Gateway infra/public cannot send requests to the solver (BackendNotFound): look at its \
                 controller's log",
            ),
        ] {
            assert_eq!(trouble(&route(&said)).unwrap().message, message);
        }
    }
}
