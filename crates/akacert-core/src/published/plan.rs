//! Which requests are missing between what is published and what should be. Pure.
//!
//! What serves comes before what routes; on removal, what routes goes first. Not here: what should be there (`wanted`),
//! sending (`publisher`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use akamai_cps_types::EnrollmentId;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::content::Content;
use super::http_route::HTTPRoute;
use super::objects::{self, CERTIFICATE_NAMESPACE_ANNOTATION};
use super::wanted::{self, Wanted};
use super::{Blocked, Kind, Object, Observed, Rules, Write, compare};
use akacert_api::AkamaiCertificate;
use akacert_api::names::{
    CERTIFICATE_UID_LABEL, COMPONENT_LABEL, MANAGED_BY_LABEL, REDIRECT_COMPONENT, SOLVER_COMPONENT,
};
use akacert_api::status::DeploymentStatus;
use akacert_api::way::Way;

/// The requests that publish what is wanted, in their order; none when all is as it should be. Do the first, look, and
/// ask again. Nothing is removed: what is not wanted any more may still be needed.
///
/// The Service comes before its EndpointSlices, because it owns them: until it exists, the answer ends with it.
///
/// # Errors
/// [`Blocked`], when nothing may be written.
pub fn plan(
    certificate: &AkamaiCertificate,
    wanted: &Wanted,
    observed: &Observed,
    rules: &Rules,
) -> Result<Vec<Write>, Blocked> {
    let objects = wanted::objects(certificate, wanted, rules);
    let is_empty = objects.config_map.is_none()
        && !objects.leads_to_the_solver
        && objects.http_routes.is_empty()
        && objects.dns_endpoints.is_empty()
        && objects.snippets.is_none();
    if is_empty {
        return Ok(Vec::new());
    }
    if observed.namespace_terminating {
        return Err(Blocked::NamespaceTerminating);
    }
    may_publish(certificate, rules)?;
    let needed = [
        (Kind::HttpRoute, !objects.http_routes.is_empty()),
        (Kind::DnsEndpoint, !objects.dns_endpoints.is_empty()),
    ];
    let is_missing = |(kind, is_needed): &(Kind, bool)| *is_needed && observed.missing_kinds.contains(kind);
    if let Some((kind, _)) = needed.into_iter().find(is_missing) {
        return Err(Blocked::KindMissing { kind });
    }
    let mut writes = Vec::new();
    if let Some(config_map) = objects.config_map {
        writes.extend(apply(Kind::ConfigMap, config_map, observed.config_map.as_ref(), Object::ConfigMap)?);
    }
    if objects.leads_to_the_solver && !objects::uses_own_service(certificate, rules) {
        let service = objects::service(&certificate.namespace().unwrap_or_default());
        writes.extend(apply(Kind::Service, service, observed.service.as_ref(), Object::Service)?);
        let Some(service) = &observed.service else { return Ok(writes) };
        writes.extend(plan_endpoint_slices(service, observed)?);
    }
    writes.extend(apply_all(Kind::Ingress, objects.ingresses, &observed.ingresses, Object::Ingress)?);
    writes.extend(apply_all(Kind::HttpRoute, objects.http_routes, &observed.http_routes, Object::HttpRoute)?);
    writes.extend(apply_all(
        Kind::DnsEndpoint,
        objects.dns_endpoints,
        &observed.dns_endpoints,
        Object::DnsEndpoint,
    )?);
    writes.extend(apply_all(Kind::Snippets, objects.snippets, &observed.snippets, Object::Snippets)?);
    Ok(writes)
}

fn apply_all<K>(
    kind: Kind,
    wanted: impl IntoIterator<Item = K>,
    observed: &[Arc<K>],
    object: impl Fn(K) -> Object,
) -> Result<Vec<Write>, Blocked>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize,
{
    let mut writes = Vec::new();
    for wanted in wanted {
        let found = observed.iter().find(|found| found.name_any() == wanted.name_any());
        writes.extend(apply(kind, wanted, found, &object)?);
    }
    Ok(writes)
}

/// The EndpointSlices follow the solver's ready replicas; one that no replica answers on any more goes.
fn plan_endpoint_slices(service: &Service, observed: &Observed) -> Result<Vec<Write>, Blocked> {
    let wanted = objects::endpoint_slices(service, &observed.solver);
    let found = |name: &str| observed.endpoint_slices.iter().find(|slice| slice.name_any() == name);
    let names: BTreeSet<_> = wanted.iter().map(ResourceExt::name_any).collect();
    let mut writes = Vec::new();
    for slice in wanted {
        let existing = found(&slice.name_any()).cloned();
        writes.extend(apply(Kind::EndpointSlice, slice, existing.as_ref(), Object::EndpointSlice)?);
    }
    let leftover = |slice: &&Arc<EndpointSlice>| !names.contains(&slice.name_any());
    writes.extend(
        observed
            .endpoint_slices
            .iter()
            .filter(leftover)
            .filter_map(|slice| delete(Kind::EndpointSlice, slice)),
    );
    Ok(writes)
}

/// The requests that remove what is published for a certificate and not wanted, in their order; none when nothing is left.
///
/// The shared Service goes last, and only when no certificate of the namespace has anything published: two certificates
/// that end at once then never leave it to each other. Its EndpointSlices go with it, by garbage collection.
#[must_use]
pub fn plan_removal(
    certificate: &AkamaiCertificate,
    wanted: &Wanted,
    observed: &Observed,
    rules: &Rules,
) -> Vec<Write> {
    let objects = wanted::objects(certificate, wanted, rules);
    let mut writes = Vec::new();
    let of = certificate;
    writes.extend(delete_others(of, Kind::Ingress, &objects.ingresses, &observed.ingresses));
    writes.extend(delete_others(of, Kind::HttpRoute, &objects.http_routes, &observed.http_routes));
    writes.extend(delete_others(of, Kind::DnsEndpoint, &objects.dns_endpoints, &observed.dns_endpoints));
    writes.extend(delete_others(of, Kind::Snippets, objects.snippets.as_slice(), &observed.snippets));
    let config_map = objects::config_map(certificate, &Content::default(), rules);
    writes.extend(
        observed
            .config_map
            .iter()
            .filter(|found| objects.config_map.is_none() && is_ours(&config_map, found))
            .filter_map(|o| delete(Kind::ConfigMap, o)),
    );
    let shared = !observed.shared_in_use
        && !objects.leads_to_the_solver
        && !objects::uses_own_service(certificate, rules);
    let service = objects::service(&certificate.namespace().unwrap_or_default());
    writes.extend(
        observed
            .service
            .iter()
            .filter(|found| shared && is_ours(&service, found))
            .filter_map(|o| delete(Kind::Service, o)),
    );
    writes
}

fn delete_others<K: Resource<DynamicType = ()>>(
    certificate: &AkamaiCertificate,
    kind: Kind,
    wanted: &[K],
    observed: &[Arc<K>],
) -> Vec<Write> {
    let is_wanted = |found: &K| wanted.iter().any(|wanted| wanted.name_any() == found.name_any());
    observed
        .iter()
        .filter(|found| !is_wanted(found) && is_owned(certificate, found.as_ref()))
        .filter_map(|found| delete(kind, found))
        .collect()
}

/// Whether an object in the certificate's namespace is the certificate's, or was one's of the same name whose garbage
/// collection is still to come.
pub fn is_owned<K: Resource<DynamicType = ()>>(certificate: &AkamaiCertificate, found: &K) -> bool {
    found.namespace() == certificate.namespace()
        && found.owner_references().iter().any(|owner| {
            owner.controller == Some(true)
                && owner.kind == AkamaiCertificate::kind(&())
                && owner.name == certificate.name_any()
        })
}

/// Whether a removal is of something that stood for the life of the certificate: its successor has to be proven first.
#[must_use]
pub fn is_standing(write: &Write, observed: &Observed) -> bool {
    let Write::Delete { kind, name, .. } = write else { return false };
    let stands = |labels: &BTreeMap<String, String>| {
        labels.get(COMPONENT_LABEL).is_some_and(|component| component == REDIRECT_COMPONENT)
    };
    match kind {
        Kind::Ingress => observed.ingresses.iter().any(|o| o.name_any() == *name && stands(o.labels())),
        Kind::HttpRoute => observed.http_routes.iter().any(|o| o.name_any() == *name && stands(o.labels())),
        Kind::ConfigMap
        | Kind::EndpointSlice
        | Kind::Service
        | Kind::DnsEndpoint
        | Kind::Snippets
        | Kind::Handoff => false,
    }
}

/// The request that is missing until the ConfigMap that `spec.handoff` names, and no other, says what is deployed.
///
/// # Errors
/// [`Blocked::NameTaken`]: nobody's ConfigMap is overwritten.
pub fn plan_handoff(
    certificate: &AkamaiCertificate,
    enrollment: EnrollmentId,
    production: &DeploymentStatus,
    observed: &Observed,
) -> Result<Option<Write>, Blocked> {
    let wanted = certificate.spec.handoff.as_ref();
    let name = wanted.map(|handoff| handoff.config_map_name.as_str());
    let (present, others): (Vec<_>, Vec<_>) =
        observed.handoffs.iter().partition(|found| Some(found.name_any().as_str()) == name);
    if let Some(handoff) = wanted {
        let object = objects::handoff(certificate, handoff, enrollment, production);
        if let Some(write) = apply(Kind::Handoff, object, present.first().copied(), Object::Handoff)? {
            return Ok(Some(write));
        }
    }
    Ok(others.into_iter().find_map(|found| delete(Kind::Handoff, found)))
}

/// Everything of ours that the watches show.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// ConfigMaps in the operator's namespace.
    pub config_maps: Vec<Arc<ConfigMap>>,
    /// Ingresses of certificates.
    pub ingresses: Vec<Arc<Ingress>>,
    /// HTTPRoutes of certificates.
    pub http_routes: Vec<Arc<HTTPRoute>>,
    /// Shared Services.
    pub services: Vec<Arc<Service>>,
    /// Their EndpointSlices.
    pub endpoint_slices: Vec<Arc<EndpointSlice>>,
}

/// The requests that remove what a crash, or somebody who removed a finalizer, left behind: what is labelled with the
/// UID of a certificate that does not exist, and shared objects of namespaces where nothing is published.
///
/// Never anything of the operator's own namespace but ConfigMaps: the solver's Service is at home there.
#[must_use]
pub fn sweep(inventory: &Inventory, alive: &BTreeSet<String>, rules: &Rules) -> Vec<Write> {
    let dead = |labels: &BTreeMap<String, String>| {
        labels.get(CERTIFICATE_UID_LABEL).is_some_and(|uid| !alive.contains(uid))
    };
    let mut writes = Vec::new();
    let ingresses = inventory.ingresses.iter().filter(|ingress| dead(ingress.labels()));
    writes.extend(ingresses.filter_map(|ingress| delete(Kind::Ingress, ingress)));
    let routes = inventory.http_routes.iter().filter(|route| dead(route.labels()));
    writes.extend(routes.filter_map(|route| delete(Kind::HttpRoute, route)));
    let config_maps = inventory.config_maps.iter().filter(|config_map| dead(config_map.labels()));
    writes.extend(config_maps.filter_map(|config_map| delete(Kind::ConfigMap, config_map)));

    let publishing = publishing_namespaces(inventory, |labels| !dead(labels));
    let unused = |namespace: Option<String>| {
        namespace.is_some_and(|namespace| {
            namespace != rules.operator_namespace && !publishing.contains(&namespace)
        })
    };
    let services: Vec<_> = inventory.services.iter().filter(|service| unused(service.namespace())).collect();
    writes.extend(services.iter().filter_map(|service| delete(Kind::Service, *service)));
    // Those of a Service that is there go with it.
    let owned = |slice: &&Arc<EndpointSlice>| {
        inventory
            .services
            .iter()
            .any(|service| slice.owner_references().iter().any(|o| Some(&o.uid) == service.uid().as_ref()))
    };
    let slices = inventory.endpoint_slices.iter().filter(|slice| unused(slice.namespace()) && !owned(slice));
    writes.extend(slices.filter_map(|slice| delete(Kind::EndpointSlice, slice)));
    writes
}

/// Namespaces of certificates for which something is published.
pub(super) fn publishing_namespaces(
    inventory: &Inventory,
    counts: impl Fn(&BTreeMap<String, String>) -> bool,
) -> BTreeSet<String> {
    let config_maps = inventory.config_maps.iter().filter(|config_map| counts(config_map.labels()));
    let ingresses = inventory.ingresses.iter().filter(|ingress| counts(ingress.labels()));
    config_maps
        .filter_map(|config_map| config_map.annotations().get(CERTIFICATE_NAMESPACE_ANNOTATION).cloned())
        .chain(ingresses.filter_map(|ingress| ingress.namespace()))
        .collect()
}

/// Whether what the user asks for may be published at all.
///
/// # Errors
/// [`Blocked::AnnotationNotAllowed`] or [`Blocked::ServerNotAllowed`].
pub fn may_publish(certificate: &AkamaiCertificate, rules: &Rules) -> Result<(), Blocked> {
    if let Some(key) = annotation_not_allowed(certificate, rules) {
        return Err(Blocked::AnnotationNotAllowed { key });
    }
    let servers = certificate.spec.ways().filter_map(|(_, way)| {
        let Way::Rfc2136(way) = way else { return None };
        Some(way.server.to_ascii_lowercase())
    });
    let refused = servers.into_iter().find(|server| !rules.allowed_dns_servers.contains(server));
    refused.map_or(Ok(()), |server| Err(Blocked::ServerNotAllowed { server }))
}

/// The first annotation for the Ingress that the operator's flags do not allow.
fn annotation_not_allowed(certificate: &AkamaiCertificate, rules: &Rules) -> Option<String> {
    let allowed = |key: &str| {
        rules.allowed_ingress_annotations.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => prefix.ends_with('/') && key.starts_with(prefix),
            None => allowed == key,
        })
    };
    let routes = certificate.spec.ways().filter_map(|(_, way)| way.ingress());
    routes
        .filter_map(|route| route.annotations.as_ref())
        .flatten()
        .map(|(key, _)| key)
        .find(|key| !allowed(key))
        .cloned()
}

fn apply<K>(
    kind: Kind,
    desired: K,
    observed: Option<&Arc<K>>,
    object: impl Fn(K) -> Object,
) -> Result<Option<Write>, Blocked>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize,
{
    let Some(observed) = observed else {
        return Ok(Some(Write::Apply(object(desired))));
    };
    if !is_ours(&desired, observed.as_ref()) {
        return Err(not_ours(kind, &desired));
    }
    if compare::satisfies(&desired, observed.as_ref()) {
        return Ok(None);
    }
    Ok(Some(Write::Apply(object(desired))))
}

/// That an object of the name that we need is not ours.
pub fn not_ours<K: Resource<DynamicType = ()>>(kind: Kind, object: &K) -> Blocked {
    Blocked::NameTaken { kind, namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

/// What is on its way out needs no request.
fn delete<K: Resource<DynamicType = ()>>(kind: Kind, object: &Arc<K>) -> Option<Write> {
    if object.meta().deletion_timestamp.is_some() {
        return None;
    }
    Some(Write::Delete {
        kind,
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
    })
}

/// Whether an object that exists under the name of a desired one was made by us for the same purpose.
///
/// An Ingress left by a former certificate of the same name, whose garbage collection is still to come, is ours too.
pub fn is_ours<K: Resource<DynamicType = ()>>(desired: &K, observed: &K) -> bool {
    let controller =
        |object: &K| object.owner_references().iter().find(|owner| owner.controller == Some(true)).cloned();
    if let (Some(wanted), Some(found)) = (controller(desired), controller(observed)) {
        return wanted.uid == found.uid || (wanted.kind == found.kind && wanted.name == found.name);
    }
    let same = |key: &str| {
        let wanted = desired.labels().get(key);
        wanted.is_some() && wanted == observed.labels().get(key)
    };
    let shared = desired.labels().get(COMPONENT_LABEL).is_some_and(|component| component == SOLVER_COMPONENT);
    same(MANAGED_BY_LABEL) && if shared { same(COMPONENT_LABEL) } else { same(CERTIFICATE_UID_LABEL) }
}
