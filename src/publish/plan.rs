//! Which requests are missing between what is published and what should be. Pure.
//!
//! What serves comes before what routes; on removal, what routes goes first. Not here: sending (`publisher`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use akamai_cps::types::EnrollmentId;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::objects::{self, CERTIFICATE_NAMESPACE_ANNOTATION};
use super::{Blocked, Kind, Object, Observed, Settings, Token, Write, compare};
use crate::api::AkamaiCertificate;
use crate::api::names::{CERTIFICATE_UID_LABEL, COMPONENT_LABEL, MANAGED_BY_LABEL, SOLVER_COMPONENT};
use crate::api::status::DeploymentStatus;

/// The requests that publish the tokens, in their order; none when all is as it should be. Without tokens there is
/// nothing to publish. Do the first, look, and ask again.
///
/// The Service comes before its EndpointSlices, because it owns them: until it exists, the answer ends with it.
///
/// # Errors
/// [`Blocked`], when nothing may be written.
pub fn plan(
    certificate: &AkamaiCertificate,
    tokens: &[Token],
    observed: &Observed,
    settings: &Settings,
) -> Result<Vec<Write>, Blocked> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    if observed.namespace_terminating {
        return Err(Blocked::NamespaceTerminating);
    }
    permitted(certificate, settings)?;
    let namespace = certificate.namespace().unwrap_or_default();
    let config_map = objects::config_map(certificate, tokens, settings);
    let ingress = objects::ingress(certificate, tokens, settings);

    let mut writes = Vec::new();
    writes.extend(apply(Kind::ConfigMap, config_map, observed.config_map.as_ref(), Object::ConfigMap)?);
    if !objects::uses_own_service(certificate, settings) {
        writes.extend(apply(
            Kind::Service,
            objects::service(&namespace),
            observed.service.as_ref(),
            Object::Service,
        )?);
        let Some(service) = &observed.service else { return Ok(writes) };
        writes.extend(plan_endpoint_slices(service, observed)?);
    }
    writes.extend(apply(Kind::Ingress, ingress, observed.ingress.as_ref(), Object::Ingress)?);
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

/// The requests that remove what is published for a certificate, in their order; none when nothing is left.
///
/// The shared Service goes last, and only when no certificate of the namespace has anything published: two certificates
/// that end at once then never leave it to each other. Its EndpointSlices go with it, by garbage collection.
#[must_use]
pub fn plan_removal(certificate: &AkamaiCertificate, observed: &Observed, settings: &Settings) -> Vec<Write> {
    let mut writes = Vec::new();
    let ingress = objects::ingress(certificate, &[], settings);
    writes.extend(
        observed
            .ingress
            .iter()
            .filter(|found| is_ours(&ingress, found))
            .filter_map(|o| delete(Kind::Ingress, o)),
    );
    let config_map = objects::config_map(certificate, &[], settings);
    writes.extend(
        observed
            .config_map
            .iter()
            .filter(|found| is_ours(&config_map, found))
            .filter_map(|o| delete(Kind::ConfigMap, o)),
    );
    let shared = !observed.shared_in_use && !objects::uses_own_service(certificate, settings);
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
pub fn sweep(inventory: &Inventory, alive: &BTreeSet<String>, settings: &Settings) -> Vec<Write> {
    let dead = |labels: &BTreeMap<String, String>| {
        labels.get(CERTIFICATE_UID_LABEL).is_some_and(|uid| !alive.contains(uid))
    };
    let mut writes = Vec::new();
    let ingresses = inventory.ingresses.iter().filter(|ingress| dead(ingress.labels()));
    writes.extend(ingresses.filter_map(|ingress| delete(Kind::Ingress, ingress)));
    let config_maps = inventory.config_maps.iter().filter(|config_map| dead(config_map.labels()));
    writes.extend(config_maps.filter_map(|config_map| delete(Kind::ConfigMap, config_map)));

    let publishing = publishing_namespaces(inventory, |labels| !dead(labels));
    let unused = |namespace: Option<String>| {
        namespace.is_some_and(|namespace| {
            namespace != settings.operator_namespace && !publishing.contains(&namespace)
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
/// [`Blocked::AnnotationNotAllowed`].
pub fn permitted(certificate: &AkamaiCertificate, settings: &Settings) -> Result<(), Blocked> {
    annotation_not_allowed(certificate, settings)
        .map_or(Ok(()), |key| Err(Blocked::AnnotationNotAllowed { key }))
}

/// The first annotation for the Ingress that the operator's flags do not allow.
fn annotation_not_allowed(certificate: &AkamaiCertificate, settings: &Settings) -> Option<String> {
    let allowed = |key: &str| {
        settings.allowed_ingress_annotations.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => prefix.ends_with('/') && key.starts_with(prefix),
            None => allowed == key,
        })
    };
    let annotations = certificate.spec.validation.http01.ingress.annotations.as_ref()?;
    annotations.keys().find(|key| !allowed(key)).cloned()
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
        return Ok(Some(Write::Apply { object: object(desired), force: false }));
    };
    if !is_ours(&desired, observed.as_ref()) {
        return Err(name_taken(kind, &desired));
    }
    if compare::satisfies(&desired, observed.as_ref()) {
        return Ok(None);
    }
    Ok(Some(Write::Apply { object: object(desired), force: true }))
}

pub(super) fn name_taken<K: Resource<DynamicType = ()>>(kind: Kind, object: &K) -> Blocked {
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
pub(super) fn is_ours<K: Resource<DynamicType = ()>>(desired: &K, observed: &K) -> bool {
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
