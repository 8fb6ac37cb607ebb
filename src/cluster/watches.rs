//! The watches behind [`super::Publisher`]: one per kind, limited by labels. They fill stores, and wake the
//! certificates that an event concerns.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::index::Index;
use super::optional::{Served, when_served};
use crate::cluster::scope::{Scope, Watch, everywhere};
use akacert_api::AkamaiCertificate;
use akacert_api::names::{
    CERTIFICATE_UID_LABEL, CHALLENGES_COMPONENT, COMPONENT_LABEL, HANDOFF_COMPONENT, MANAGED_BY,
    MANAGED_BY_LABEL, SERVICE_NAME_LABEL, SNIPPETS_COMPONENT, SOLVER_COMPONENT,
};
use akacert_core::published::{
    CERTIFICATE_NAME_ANNOTATION, CERTIFICATE_NAMESPACE_ANNOTATION, DNSEndpoint, HTTPRoute, Rules,
    SolverEndpoint, ready_endpoints,
};

/// The certificates to wake, for the controller.
pub struct Wake(mpsc::UnboundedReceiver<ObjectRef<AkamaiCertificate>>);

impl Stream for Wake {
    type Item = ObjectRef<AkamaiCertificate>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// The keys of the indexes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Owner {
        namespace: String,
        name: String,
    },
    /// The namespace of the certificate that the object is for.
    Namespace(String),
}

impl Key {
    /// The key of what a certificate owns. It has the name and not the UID: leftovers of an earlier certificate of
    /// the same name still wait for garbage collection, and block the name.
    pub(super) fn owner(certificate: &AkamaiCertificate) -> Self {
        Key::Owner { namespace: certificate.namespace().unwrap_or_default(), name: certificate.name_any() }
    }
}

/// The keys of an object that is found by its owner.
fn owned<K: Resource<DynamicType = ()>>(object: &K) -> Vec<Key> {
    let owner = owning_certificate(object);
    owner
        .map(|owner| Key::Owner { namespace: owner.namespace.unwrap_or_default(), name: owner.name })
        .into_iter()
        .collect()
}

/// The keys of an object that is found by its owner and by its namespace.
fn owned_in_namespace<K: Resource<DynamicType = ()>>(object: &K) -> Vec<Key> {
    let namespace = object.namespace().map(Key::Namespace);
    owned(object).into_iter().chain(namespace).collect()
}

/// The key of an object that is found by its namespace.
fn in_namespace<K: Resource<DynamicType = ()>>(object: &K) -> Vec<Key> {
    object.namespace().map(Key::Namespace).into_iter().collect()
}

/// The key of a ConfigMap: the namespace of its certificate.
fn about_namespace(config_map: &ConfigMap) -> Vec<Key> {
    certificate_of(config_map)
        .and_then(|certificate| certificate.namespace)
        .map(Key::Namespace)
        .into_iter()
        .collect()
}

#[derive(Clone)]
pub(super) struct Indexed<K: Resource<DynamicType = ()> + 'static> {
    pub(super) store: Store<K>,
    pub(super) by: Index<K, Key>,
}

/// The ConfigMaps with tokens.
impl Indexed<ConfigMap> {
    /// The certificates for which something is published in a namespace: what it shares concerns each of them.
    fn published_in(&self, namespace: Option<String>) -> Vec<ObjectRef<AkamaiCertificate>> {
        let found = namespace.map(|namespace| self.by.get(&Key::Namespace(namespace)));
        found.into_iter().flatten().filter_map(|found| certificate_of(&found)).collect()
    }

    /// The certificates for which something is published.
    fn published(&self) -> Vec<ObjectRef<AkamaiCertificate>> {
        self.store.state().iter().filter_map(|found| certificate_of(found)).collect()
    }
}

#[derive(Clone)]
pub(super) struct Watches {
    pub(super) config_maps: Indexed<ConfigMap>,
    pub(super) ingresses: Indexed<Ingress>,
    pub(super) http_routes: Indexed<HTTPRoute>,
    /// Whether the API server serves HTTPRoutes.
    pub(super) gateway_api: Served,
    pub(super) dns_endpoints: Indexed<DNSEndpoint>,
    /// Whether the API server serves DNSEndpoints.
    pub(super) external_dns: Served,
    pub(super) snippets: Indexed<ConfigMap>,
    pub(super) services: Store<Service>,
    pub(super) endpoint_slices: Indexed<EndpointSlice>,
    pub(super) solver: Store<EndpointSlice>,
    pub(super) ingress_classes: Store<IngressClass>,
    pub(super) handoffs: Indexed<ConfigMap>,
    /// Counts events, so that a caller can wait for the next.
    pub(super) events: watch::Receiver<u64>,
}

impl Watches {
    /// Starts the watches, which run until shutdown.
    pub(super) fn start(
        client: &Client,
        rules: &Rules,
        scope: &Scope,
        shutdown: &CancellationToken,
    ) -> (Self, Wake) {
        let (wake, woken) = mpsc::unbounded_channel();
        let (counter, events) = watch::channel(0);
        let own = Scope::new(std::slice::from_ref(&rules.operator_namespace));
        let runner = Runner { counter, wake, shutdown: shutdown.clone() };
        let labelled = |labels: &str| watcher::Config::default().labels(labels);
        let ours = format!("{MANAGED_BY_LABEL}={MANAGED_BY}");
        let component = |component| labelled(&format!("{ours},{COMPONENT_LABEL}={component}"));
        let (tokens, shown, shared, handed_off) = (
            component(CHALLENGES_COMPONENT),
            component(SNIPPETS_COMPONENT),
            component(SOLVER_COMPONENT),
            component(HANDOFF_COMPONENT),
        );
        let of_certificates = labelled(&format!("{ours},{CERTIFICATE_UID_LABEL}"));
        let of_the_solver = labelled(&format!("{SERVICE_NAME_LABEL}={}", rules.solver_service));

        let config_maps = runner.indexed(
            |seen| own.watch(client, &tokens, seen),
            about_namespace,
            |config_map: &ConfigMap| certificate_of(config_map).into_iter().collect(),
        );
        let (all, of_services, of_slices) = (config_maps.clone(), config_maps.clone(), config_maps.clone());
        let (http_routes, gateway_api) =
            runner.optional(client, |seen| scope.watch(client, &of_certificates, seen));
        let (dns_endpoints, external_dns) =
            runner.optional(client, |seen| scope.watch(client, &of_certificates, seen));
        let stores = Self {
            config_maps,
            ingresses: runner.indexed(
                |seen| scope.watch(client, &of_certificates, seen),
                owned_in_namespace,
                owner_of::<Ingress>,
            ),
            http_routes,
            gateway_api,
            dns_endpoints,
            external_dns,
            snippets: runner.indexed(|seen| scope.watch(client, &shown, seen), owned, owner_of::<ConfigMap>),
            services: runner.store(
                |seen| scope.watch(client, &shared, seen),
                move |service: &Service| of_services.published_in(service.namespace()),
            ),
            endpoint_slices: runner.indexed(
                |seen| scope.watch(client, &shared, seen),
                in_namespace,
                move |slice: &EndpointSlice| of_slices.published_in(slice.namespace()),
            ),
            solver: runner.store(
                |seen| own.watch(client, &of_the_solver, seen),
                move |_: &EndpointSlice| all.published(),
            ),
            // A class that comes or goes is seen when a certificate is looked at for another reason.
            ingress_classes: runner
                .store(|_| everywhere(client, &watcher::Config::default()), |_: &IngressClass| vec![]),
            handoffs: runner.indexed(
                |seen| scope.watch(client, &handed_off, seen),
                owned,
                owner_of::<ConfigMap>,
            ),
            events,
        };
        (stores, Wake(woken))
    }

    /// Waits until every store has its first list.
    pub(super) async fn synced(&self) -> Result<(), reflector::store::WriterDropped> {
        self.config_maps.store.wait_until_ready().await?;
        self.ingresses.store.wait_until_ready().await?;
        self.http_routes.store.wait_until_ready().await?;
        self.dns_endpoints.store.wait_until_ready().await?;
        self.snippets.store.wait_until_ready().await?;
        self.handoffs.store.wait_until_ready().await?;
        self.services.wait_until_ready().await?;
        self.endpoint_slices.store.wait_until_ready().await?;
        self.ingress_classes.wait_until_ready().await?;
        self.solver.wait_until_ready().await
    }

    /// The solver's ready replicas, in a stable order.
    pub(super) fn solver_endpoints(&self) -> Vec<SolverEndpoint> {
        let mut endpoints: Vec<_> =
            self.solver.state().iter().flat_map(|slice| ready_endpoints(slice)).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints
    }
}

/// The certificate that a ConfigMap is for.
fn certificate_of(config_map: &ConfigMap) -> Option<ObjectRef<AkamaiCertificate>> {
    let annotations = config_map.annotations();
    let name = annotations.get(CERTIFICATE_NAME_ANNOTATION)?;
    Some(ObjectRef::new(name).within(annotations.get(CERTIFICATE_NAMESPACE_ANNOTATION)?))
}

/// The certificate that owns an object.
fn owning_certificate<K: Resource>(object: &K) -> Option<ObjectRef<AkamaiCertificate>> {
    let kind = AkamaiCertificate::kind(&());
    let owner = object
        .owner_references()
        .iter()
        .find(|owner| owner.kind == kind && owner.controller == Some(true))?;
    Some(ObjectRef::new(&owner.name).within(&object.namespace()?))
}

/// The certificate that owns an object, as a list of certificates to wake.
fn owner_of<K: Resource>(object: &K) -> Vec<ObjectRef<AkamaiCertificate>> {
    owning_certificate(object).into_iter().collect()
}

struct Runner {
    counter: watch::Sender<u64>,
    wake: mpsc::UnboundedSender<ObjectRef<AkamaiCertificate>>,
    shutdown: CancellationToken,
}

impl Runner {
    fn store<K>(
        &self,
        watch: impl FnOnce(&Store<K>) -> Watch<K>,
        concerned: impl Fn(&K) -> Vec<ObjectRef<AkamaiCertificate>> + Send + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let (store, writer) = reflector::store();
        self.run(watch(&store), writer, |_| {}, concerned);
        store
    }

    /// Adds an index to a watch.
    fn indexed<K>(
        &self,
        watch: impl FnOnce(&Store<K>) -> Watch<K>,
        keys_of: fn(&K) -> Vec<Key>,
        concerned: impl Fn(&K) -> Vec<ObjectRef<AkamaiCertificate>> + Send + 'static,
    ) -> Indexed<K>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let (store, writer) = reflector::store();
        let by = Index::new(store.clone(), keys_of);
        let index = by.clone();
        self.run(watch(&store), writer, move |event| index.follow(event), concerned);
        Indexed { store, by }
    }

    /// An indexed watch of a kind that the cluster may lack.
    fn optional<K>(&self, client: &Client, watch: impl FnOnce(&Store<K>) -> Watch<K>) -> (Indexed<K>, Served)
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let mut served = None;
        let indexed = self.indexed(
            |seen| {
                let (watch, flag) = when_served(client.clone(), watch(seen));
                served = Some(flag);
                watch
            },
            owned,
            owner_of::<K>,
        );
        (indexed, served.unwrap_or_default())
    }

    fn run<K>(
        &self,
        watch: Watch<K>,
        writer: reflector::store::Writer<K>,
        mut follow: impl FnMut(&watcher::Event<K>) + Send + 'static,
        concerned: impl Fn(&K) -> Vec<ObjectRef<AkamaiCertificate>> + Send + 'static,
    ) where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let stream = watch.reflect(writer);
        let (counter, wake, shutdown) = (self.counter.clone(), self.wake.clone(), self.shutdown.clone());
        tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream.take_until(shutdown.cancelled_owned()));
            let mut synced = false;
            while let Some(event) = stream.next().await {
                if let Ok(event) = &event {
                    follow(event);
                }
                counter.send_modify(|count| *count = count.wrapping_add(1));
                let changed = match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => Some(object),
                    // The first list wakes nobody, because the controller starts with all certificates anyway. A
                    // later list follows a gap in the watch, in which anything may have changed.
                    Ok(watcher::Event::InitApply(object)) => synced.then_some(object),
                    Ok(watcher::Event::InitDone) => {
                        synced = true;
                        None
                    }
                    Ok(watcher::Event::Init) => None,
                    Err(error) => {
                        tracing::warn!(kind = %K::kind(&()), %error, "a watch broke; it is started again");
                        None
                    }
                };
                for certificate in changed.iter().flat_map(&concerned) {
                    // Fails only during shutdown, when nobody receives any more.
                    let _ = wake.send(certificate);
                }
            }
        });
    }
}
