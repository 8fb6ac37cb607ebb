//! The objects that publish, as they should be: names, labels, contents. Pure.
//! Not here: whether one has to be written (`compare`, `plan`), kinds of other projects (`http_route`, `dns_endpoint`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use akamai_cps_types::EnrollmentId;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::content::{self, CHALLENGES_PATH, Content};
use super::replicas::PORT_NAME;
use super::snippets;
use super::{Rules, SolverEndpoint, Token};
use akacert_api::AkamaiCertificate;
use akacert_api::names::{
    CERTIFICATE_UID_LABEL, CHALLENGES_COMPONENT, COMPONENT_LABEL, ENDPOINT_SLICE_MANAGED_BY,
    ENDPOINT_SLICE_MANAGED_BY_LABEL, HANDOFF_COMPONENT, MANAGED_BY, MANAGED_BY_LABEL, REDIRECT_COMPONENT,
    SERVICE_NAME_LABEL, SNIPPETS_COMPONENT, SOLVER_COMPONENT,
};
use akacert_api::policy::Handoff;
use akacert_api::status::DeploymentStatus;
use akacert_api::validation::{IngressRoute, PathType};

/// Name of the Service that the certificates of a namespace share.
pub const SHARED_SERVICE: &str = "akacert-solver";

/// Annotation on a ConfigMap: the certificate's namespace, since an owner reference cannot cross namespaces.
pub const CERTIFICATE_NAMESPACE_ANNOTATION: &str = "akacert.io/certificate-namespace";

/// Annotation on a ConfigMap: the certificate's name.
pub const CERTIFICATE_NAME_ANNOTATION: &str = "akacert.io/certificate-name";

/// Port of the Service that the certificates of a namespace share.
const SHARED_PORT: u16 = 80;

/// Port of the solver's own Service, as chart and manifests have it. An HTTPRoute needs the number.
const OWN_PORT: u16 = 8080;

/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// More replicas of the solver than this make nothing better.
const MOST_ENDPOINTS: usize = 100;

/// Name of the ConfigMap with a certificate's tokens.
#[must_use]
pub fn config_map_name(certificate: &AkamaiCertificate) -> String {
    format!("akacert-{}", certificate.uid().unwrap_or_default())
}

/// Name of a certificate's Ingress: stable, and bounded by a hash where the certificate's name is very long.
#[must_use]
pub fn ingress_name(certificate: &AkamaiCertificate) -> String {
    bounded(certificate, "")
}

/// Name of a route that is not the only one: a hash of what it looks like, so that another one stands beside it until the
/// first is not needed any more.
pub(super) fn route_name<R: Serialize>(
    certificate: &AkamaiCertificate,
    kind: &str,
    route: &R,
    index: usize,
) -> String {
    let route = serde_json::to_string(route).unwrap_or_default();
    bounded(certificate, &format!("-{}", hash(&format!("{kind} {index} {route}"), 5)))
}

fn bounded(certificate: &AkamaiCertificate, end: &str) -> String {
    let name = format!("akacert-{}", certificate.name_any());
    if name.len() + end.len() <= LONGEST_NAME {
        return format!("{name}{end}");
    }
    let hash = hash(&name, 8);
    let kept: String = name.chars().take(LONGEST_NAME - hash.len() - end.len() - 1).collect();
    format!("{}-{hash}{end}", kept.trim_end_matches(['.', '-']))
}

fn hash(text: &str, bytes: usize) -> String {
    Sha256::digest(text.as_bytes()).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// Name of the Service by which a certificate's routes reach the solver.
pub(super) fn service_name<'a>(certificate: &AkamaiCertificate, rules: &'a Rules) -> &'a str {
    if uses_own_service(certificate, rules) { &rules.solver_service } else { SHARED_SERVICE }
}

/// Whether a certificate's Ingress goes straight to the solver's own Service, because it is in the same namespace.
pub(super) fn uses_own_service(certificate: &AkamaiCertificate, rules: &Rules) -> bool {
    certificate.metadata.namespace.as_deref() == Some(rules.operator_namespace.as_str())
}

/// The port of that Service.
pub(super) fn service_port(certificate: &AkamaiCertificate, rules: &Rules) -> u16 {
    if uses_own_service(certificate, rules) { OWN_PORT } else { SHARED_PORT }
}

fn label_map<const N: usize>(labels: [(&str, &str); N]) -> BTreeMap<String, String> {
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The ConfigMap that the solver serves, and that remembers the TXT records that have to be removed.
pub(super) fn config_map(certificate: &AkamaiCertificate, content: &Content, rules: &Rules) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(config_map_name(certificate)),
            namespace: Some(rules.operator_namespace.clone()),
            labels: Some(label_map([
                (MANAGED_BY_LABEL, MANAGED_BY),
                (COMPONENT_LABEL, CHALLENGES_COMPONENT),
                (CERTIFICATE_UID_LABEL, &certificate.uid().unwrap_or_default()),
            ])),
            annotations: Some(label_map([
                (CERTIFICATE_NAMESPACE_ANNOTATION, &certificate.namespace().unwrap_or_default()),
                (CERTIFICATE_NAME_ANNOTATION, &certificate.name_any()),
            ])),
            ..ObjectMeta::default()
        },
        data: Some(content::data(content)),
        ..ConfigMap::default()
    }
}

/// The ConfigMap that shows how to redirect to CPS where names are served elsewhere. It holds no token.
pub(super) fn redirect_snippets(
    certificate: &AkamaiCertificate,
    hosts: &[&str],
    dcv_host: &str,
) -> ConfigMap {
    let mut metadata = owned(certificate, bounded(certificate, "-redirect"), None);
    metadata.labels.get_or_insert_default().insert(COMPONENT_LABEL.to_owned(), SNIPPETS_COMPONENT.to_owned());
    ConfigMap { metadata, data: Some(snippets::texts(hosts, dcv_host)), ..ConfigMap::default() }
}

/// The ConfigMap that tells pipelines what is deployed.
pub(super) fn handoff(
    certificate: &AkamaiCertificate,
    handoff: &Handoff,
    enrollment: EnrollmentId,
    production: &DeploymentStatus,
) -> ConfigMap {
    let data = [
        ("enrollmentId", enrollment.to_string()),
        ("commonName", certificate.spec.common_name.clone()),
        ("dnsNames", production.dns_names.join(",")),
        ("fingerprint", production.fingerprint.clone()),
        ("serialNumber", production.serial_number.clone()),
        ("notAfter", format!("{:.0}", production.not_after.0)),
    ];
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(handoff.config_map_name.clone()),
            namespace: certificate.namespace(),
            labels: Some(label_map([
                (MANAGED_BY_LABEL, MANAGED_BY),
                (COMPONENT_LABEL, HANDOFF_COMPONENT),
                (CERTIFICATE_UID_LABEL, &certificate.uid().unwrap_or_default()),
            ])),
            owner_references: certificate.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ..ConfigMap::default()
    }
}

/// An Ingress of tokens: a rule a host, a path a token.
pub(super) fn ingress(
    certificate: &AkamaiCertificate,
    name: String,
    route: &IngressRoute,
    tokens: &[&Token],
    rules: &Rules,
) -> Ingress {
    let path_type = route.path_type.unwrap_or(PathType::Exact);
    let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for token in tokens {
        paths.entry(&token.host).or_default().insert(&token.path);
    }
    ingress_of(certificate, name, route, &paths, path_type, rules)
}

/// The Ingress of a standing redirect: everything below the challenges' path to the solver, which redirects.
pub(super) fn redirecting_ingress(
    certificate: &AkamaiCertificate,
    route: &IngressRoute,
    hosts: &[&str],
    part: usize,
    rules: &Rules,
) -> Ingress {
    let path_type = match route.path_type {
        Some(PathType::ImplementationSpecific) => PathType::ImplementationSpecific,
        _ => PathType::Prefix,
    };
    let name = route_name(certificate, "redirect", route, part);
    let paths = hosts.iter().map(|host| (*host, BTreeSet::from([CHALLENGES_PATH]))).collect();
    let mut ingress = ingress_of(certificate, name, route, &paths, path_type, rules);
    ingress.labels_mut().insert(COMPONENT_LABEL.to_owned(), REDIRECT_COMPONENT.to_owned());
    ingress
}

fn ingress_of(
    certificate: &AkamaiCertificate,
    name: String,
    route: &IngressRoute,
    paths: &BTreeMap<&str, BTreeSet<&str>>,
    path_type: PathType,
    rules: &Rules,
) -> Ingress {
    let service = service_name(certificate, rules);
    let rule = |(host, paths): (&&str, &BTreeSet<&str>)| IngressRule {
        host: Some((*host).to_owned()),
        http: Some(HTTPIngressRuleValue {
            paths: paths.iter().map(|path| ingress_path(path, path_type.as_str(), service)).collect(),
        }),
    };
    let mut annotations = route.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !belongs_to_deployer(key));
    let mut metadata = owned(certificate, name, route.labels.as_ref());
    metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: Some(route.class_name.clone()),
            rules: Some(paths.iter().map(rule).collect()),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

/// Metadata of an object in the certificate's namespace that goes with the certificate.
pub(super) fn owned(
    certificate: &AkamaiCertificate,
    name: String,
    labels: Option<&BTreeMap<String, String>>,
) -> ObjectMeta {
    let mut labels = labels.cloned().unwrap_or_default();
    labels.retain(|key, _| !belongs_to_deployer(key));
    labels.extend(label_map([
        (MANAGED_BY_LABEL, MANAGED_BY),
        (CERTIFICATE_UID_LABEL, &certificate.uid().unwrap_or_default()),
    ]));
    ObjectMeta {
        name: Some(name),
        namespace: certificate.namespace(),
        labels: Some(labels),
        owner_references: certificate.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// What Argo CD and Helm track their own objects by: with it, they would take ours for theirs and prune it.
fn belongs_to_deployer(key: &str) -> bool {
    key == "app.kubernetes.io/instance"
        || key.starts_with("argocd.argoproj.io/")
        || key.starts_with("meta.helm.sh/")
}

fn ingress_path(path: &str, path_type: &str, service: &str) -> HTTPIngressPath {
    HTTPIngressPath {
        path: Some(path.to_owned()),
        path_type: path_type.to_owned(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: service.to_owned(),
                port: Some(ServiceBackendPort { name: Some(PORT_NAME.to_owned()), number: None }),
            }),
            resource: None,
        },
    }
}

fn shared_labels() -> BTreeMap<String, String> {
    label_map([(MANAGED_BY_LABEL, MANAGED_BY), (COMPONENT_LABEL, SOLVER_COMPONENT)])
}

/// The headless Service, without selector, that the certificates of a namespace share.
pub(super) fn service(namespace: &str) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some(SHARED_SERVICE.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(shared_labels()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            ports: Some(vec![ServicePort {
                name: Some(PORT_NAME.to_owned()),
                port: i32::from(SHARED_PORT),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The EndpointSlices of the shared Service: one for each address family and port that the solver answers on.
///
/// The Service owns them, so that garbage collection removes them with it, without a request of ours.
pub(super) fn endpoint_slices(service: &Service, solver: &[SolverEndpoint]) -> Vec<EndpointSlice> {
    let mut groups: BTreeMap<(&str, u16), BTreeSet<IpAddr>> = BTreeMap::new();
    for endpoint in solver {
        let family = if endpoint.ip.is_ipv4() { "IPv4" } else { "IPv6" };
        groups.entry((family, endpoint.port)).or_default().insert(endpoint.ip);
    }
    let owner = service.owner_ref(&());
    groups
        .into_iter()
        .map(|((family, port), ips)| endpoint_slice(service, &owner, family, port, &ips))
        .collect()
}

fn endpoint_slice(
    service: &Service,
    owner: &Option<OwnerReference>,
    family: &str,
    port: u16,
    ips: &BTreeSet<IpAddr>,
) -> EndpointSlice {
    let mut labels = shared_labels();
    labels.extend(label_map([
        (SERVICE_NAME_LABEL, SHARED_SERVICE),
        (ENDPOINT_SLICE_MANAGED_BY_LABEL, ENDPOINT_SLICE_MANAGED_BY),
    ]));
    let endpoint = |ip: &IpAddr| Endpoint {
        addresses: vec![ip.to_string()],
        conditions: Some(EndpointConditions { ready: Some(true), ..EndpointConditions::default() }),
        ..Endpoint::default()
    };
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(format!("{SHARED_SERVICE}-{}-{port}", family.to_ascii_lowercase())),
            namespace: service.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: owner.clone().map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        endpoints: ips.iter().take(MOST_ENDPOINTS).map(endpoint).collect(),
        ports: Some(vec![EndpointPort {
            name: Some(PORT_NAME.to_owned()),
            port: Some(i32::from(port)),
            protocol: Some("TCP".to_owned()),
            ..EndpointPort::default()
        }]),
    }
}
