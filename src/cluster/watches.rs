//! The watches behind [`super::Publisher`]: one a kind, bounded by labels. They fill stores, and wake the certificates
//! that an event is about. Not here: what the stores mean (`publisher`).

use std::net::IpAddr;
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

use crate::cluster::optional::{Optional, when_served};
use crate::cluster::scope::{Scope, Watch, everywhere};
use akacert_api::AkamaiCertificate;
use akacert_api::names::{
    CERTIFICATE_UID_LABEL, CHALLENGES_COMPONENT, COMPONENT_LABEL, HANDOFF_COMPONENT, MANAGED_BY,
    MANAGED_BY_LABEL, SERVICE_NAME_LABEL, SNIPPETS_COMPONENT, SOLVER_COMPONENT,
};
use akacert_core::published::{
    CERTIFICATE_NAME_ANNOTATION, CERTIFICATE_NAMESPACE_ANNOTATION, DNSEndpoint, HTTPRoute, PORT_NAME, Rules,
    SolverEndpoint,
};

/// The certificates that something happened to: to be fed to the controller.
pub struct Wake(mpsc::UnboundedReceiver<ObjectRef<AkamaiCertificate>>);

impl Stream for Wake {
    type Item = ObjectRef<AkamaiCertificate>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// The stores.
#[derive(Clone)]
pub(super) struct Watches {
    pub(super) config_maps: Store<ConfigMap>,
    pub(super) ingresses: Store<Ingress>,
    pub(super) http_routes: Optional<HTTPRoute>,
    pub(super) dns_endpoints: Optional<DNSEndpoint>,
    pub(super) snippets: Store<ConfigMap>,
    pub(super) services: Store<Service>,
    pub(super) endpoint_slices: Store<EndpointSlice>,
    pub(super) solver: Store<EndpointSlice>,
    pub(super) ingress_classes: Store<IngressClass>,
    pub(super) handoffs: Store<ConfigMap>,
    /// Counts events, so that one can wait for the next.
    pub(super) events: watch::Receiver<u64>,
}

impl Watches {
    /// Starts the watches; they run until shutdown.
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
        let ours = format!("{MANAGED_BY_LABEL}={MANAGED_BY}");

        let (config_maps, run_config_maps) = reflector::store();
        let config_maps_in_namespaces = config_maps.clone();
        let publishing = move |namespace: Option<&str>| published_in(&config_maps_in_namespaces, namespace);
        let shared_object = {
            let publishing = publishing.clone();
            move |namespace: Option<String>| publishing(namespace.as_deref())
        };

        let labelled = |labels: &str| watcher::Config::default().labels(labels);
        let tokens = labelled(&format!("{ours},{COMPONENT_LABEL}={CHALLENGES_COMPONENT}"));
        runner.run(own.watch(client, &tokens, &config_maps), run_config_maps, |config_map: &ConfigMap| {
            certificate_of(config_map).into_iter().collect()
        });
        let of_certificates = labelled(&format!("{ours},{CERTIFICATE_UID_LABEL}"));
        let ingresses = runner.store(
            |seen| scope.watch(client, &of_certificates, seen),
            |ingress: &Ingress| owning_certificate(ingress).into_iter().collect(),
        );
        let http_routes = runner.optional(
            client,
            |seen| scope.watch(client, &of_certificates, seen),
            |route: &HTTPRoute| owning_certificate(route).into_iter().collect(),
        );
        let dns_endpoints = runner.optional(
            client,
            |seen| scope.watch(client, &of_certificates, seen),
            |endpoint: &DNSEndpoint| owning_certificate(endpoint).into_iter().collect(),
        );
        let shown = labelled(&format!("{ours},{COMPONENT_LABEL}={SNIPPETS_COMPONENT}"));
        let snippets = runner.store(
            |seen| scope.watch(client, &shown, seen),
            |snippets: &ConfigMap| owning_certificate(snippets).into_iter().collect(),
        );
        let shared = labelled(&format!("{ours},{COMPONENT_LABEL}={SOLVER_COMPONENT}"));
        let of_namespace = shared_object.clone();
        let services = runner.store(
            |seen| scope.watch(client, &shared, seen),
            move |service: &Service| of_namespace(service.namespace()),
        );
        let of_namespace = shared_object;
        let endpoint_slices = runner.store(
            |seen| scope.watch(client, &shared, seen),
            move |slice: &EndpointSlice| of_namespace(slice.namespace()),
        );
        let of_the_solver = labelled(&format!("{SERVICE_NAME_LABEL}={}", rules.solver_service));
        let solver = runner
            .store(|seen| own.watch(client, &of_the_solver, seen), move |_: &EndpointSlice| publishing(None));
        // A class that comes or goes is seen when a certificate is looked at for another reason.
        let ingress_classes =
            runner.store(|_| everywhere(client, &watcher::Config::default()), |_: &IngressClass| vec![]);
        let handed_off = labelled(&format!("{ours},{COMPONENT_LABEL}={HANDOFF_COMPONENT}"));
        let handoffs = runner.store(
            |seen| scope.watch(client, &handed_off, seen),
            |handoff: &ConfigMap| owning_certificate(handoff).into_iter().collect(),
        );
        let stores = Self {
            config_maps,
            ingresses,
            http_routes,
            dns_endpoints,
            snippets,
            services,
            endpoint_slices,
            solver,
            ingress_classes,
            handoffs,
            events,
        };
        (stores, Wake(woken))
    }

    /// Waits until every store has been filled once.
    pub(super) async fn synced(&self) -> Result<(), reflector::store::WriterDropped> {
        self.config_maps.wait_until_ready().await?;
        self.ingresses.wait_until_ready().await?;
        self.http_routes.store.wait_until_ready().await?;
        self.dns_endpoints.store.wait_until_ready().await?;
        self.services.wait_until_ready().await?;
        self.endpoint_slices.wait_until_ready().await?;
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

/// Ready endpoints of one EndpointSlice, on its port for challenges.
pub(super) fn ready_endpoints(slice: &EndpointSlice) -> Vec<SolverEndpoint> {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let named = ports.iter().find(|port| port.name.as_deref() == Some(PORT_NAME)).or_else(|| ports.first());
    let Some(port) = named.and_then(|port| u16::try_from(port.port?).ok()) else { return Vec::new() };
    // An absent condition means ready (discovery/v1).
    let ready = slice.endpoints.iter().filter(|endpoint| {
        endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    });
    // All addresses of an endpoint mean the same replica; the first stands for it (discovery/v1).
    ready
        .filter_map(|endpoint| endpoint.addresses.first()?.parse::<IpAddr>().ok())
        .map(|ip| SolverEndpoint { ip, port })
        .collect()
}

/// The certificate that a ConfigMap is about.
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

/// The certificates for which something is published, in one namespace or in all.
fn published_in(
    config_maps: &Store<ConfigMap>,
    namespace: Option<&str>,
) -> Vec<ObjectRef<AkamaiCertificate>> {
    let certificates = config_maps.state().into_iter().filter_map(|config_map| certificate_of(&config_map));
    certificates
        .filter(|found| namespace.is_none_or(|wanted| found.namespace.as_deref() == Some(wanted)))
        .collect()
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
        self.run(watch(&store), writer, concerned);
        store
    }

    /// Of a kind that the cluster may not have.
    fn optional<K>(
        &self,
        client: &Client,
        watch: impl FnOnce(&Store<K>) -> Watch<K>,
        concerned: impl Fn(&K) -> Vec<ObjectRef<AkamaiCertificate>> + Send + 'static,
    ) -> Optional<K>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let (store, writer) = reflector::store();
        let (watch, served) = when_served(client.clone(), watch(&store));
        self.run(watch, writer, concerned);
        Optional { store, served }
    }

    fn run<K>(
        &self,
        watch: Watch<K>,
        writer: reflector::store::Writer<K>,
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
                counter.send_modify(|count| *count = count.wrapping_add(1));
                let changed = match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => Some(object),
                    // The first listing wakes nobody, since the controller starts with all certificates anyway. A later
                    // one follows a gap in the watch, in which anything may have changed.
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
                    // Refused only when nobody listens any more, that is, at shutdown.
                    let _ = wake.send(certificate);
                }
            }
        });
    }
}
