//! The watches behind [`super::Publisher`]: one for each row of [`Kind`], limited by labels, one of the solver's replicas,
//! and one of the Ingress classes. They fill stores, and wake the
//! certificates that an event concerns.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::index::Index;
use super::optional::{Served, when_served};
use crate::cluster::scope::{Scope, Watch, everywhere};
use akacert_api::AkamaiCertificate;
use akacert_api::names::SERVICE_NAME_LABEL;
use akacert_core::published::{
    CERTIFICATE_NAME_ANNOTATION, CERTIFICATE_NAMESPACE_ANNOTATION, DNSEndpoint, HTTPRoute, Kind, Owner,
    Rules, SolverEndpoint, ready_endpoints,
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
    /// The namespace of the certificates that the object is for.
    Namespace(String),
}

impl Key {
    /// The key of what a certificate owns. It has the name and not the UID: leftovers of an earlier certificate of
    /// the same name still wait for garbage collection, and block the name.
    pub(super) fn owner(certificate: &AkamaiCertificate) -> Self {
        Key::Owner { namespace: certificate.namespace().unwrap_or_default(), name: certificate.name_any() }
    }

    /// The keys under which an object is found. One that the certificate's UID names is not looked up by its owner.
    fn all_of<K: Resource>(object: &K, owner: Owner) -> Vec<Self> {
        let certificate = certificate_of(object, owner);
        let namespace = match owner {
            Owner::Shared => object.namespace(),
            Owner::Referenced | Owner::Annotated => {
                certificate.as_ref().and_then(|found| found.namespace.clone())
            }
        };
        let owner = certificate
            .filter(|_| owner == Owner::Referenced)
            .map(|found| Key::Owner { namespace: found.namespace.unwrap_or_default(), name: found.name });
        owner.into_iter().chain(namespace.map(Key::Namespace)).collect()
    }
}

/// The certificate that an object is for; none: all of its namespace share it.
fn certificate_of<K: Resource>(object: &K, owner: Owner) -> Option<ObjectRef<AkamaiCertificate>> {
    match owner {
        Owner::Referenced => {
            let kind = AkamaiCertificate::kind(&());
            let is_certificate =
                |owner: &&OwnerReference| owner.kind == kind && owner.controller == Some(true);
            let owner = object.owner_references().iter().find(is_certificate)?;
            Some(ObjectRef::new(&owner.name).within(&object.namespace()?))
        }
        Owner::Annotated => {
            let annotations = object.annotations();
            let name = annotations.get(CERTIFICATE_NAME_ANNOTATION)?;
            Some(ObjectRef::new(name).within(annotations.get(CERTIFICATE_NAMESPACE_ANNOTATION)?))
        }
        Owner::Shared => None,
    }
}

#[derive(Clone)]
pub(super) struct Indexed<K: Resource<DynamicType = ()> + 'static> {
    pub(super) store: Store<K>,
    pub(super) by: Index<K, Key>,
}

/// The ConfigMaps with tokens.
impl Indexed<ConfigMap> {
    /// The certificates for which something is published in a namespace: what it shares concerns each of them.
    fn certificates_in(&self, namespace: Option<String>) -> Vec<ObjectRef<AkamaiCertificate>> {
        let found = namespace.map(|namespace| self.by.get(&Key::Namespace(namespace)));
        found.into_iter().flatten().filter_map(|found| certificate_of(&*found, Owner::Annotated)).collect()
    }

    /// The certificates for which something is published.
    fn certificates(&self) -> Vec<ObjectRef<AkamaiCertificate>> {
        self.store.state().iter().filter_map(|found| certificate_of(&**found, Owner::Annotated)).collect()
    }
}

#[derive(Clone)]
pub(super) struct Watches {
    pub(super) config_maps: Indexed<ConfigMap>,
    pub(super) ingresses: Indexed<Ingress>,
    pub(super) http_routes: Indexed<HTTPRoute>,
    pub(super) dns_endpoints: Indexed<DNSEndpoint>,
    pub(super) snippets: Indexed<ConfigMap>,
    pub(super) handoffs: Indexed<ConfigMap>,
    pub(super) services: Indexed<Service>,
    pub(super) endpoint_slices: Indexed<EndpointSlice>,
    pub(super) solver: Store<EndpointSlice>,
    pub(super) ingress_classes: Store<IngressClass>,
    /// The kinds that a cluster may lack.
    optional: Vec<(Kind, Served)>,
    /// How many first lists are still missing.
    unlisted: watch::Receiver<usize>,
    /// Counts events, so that a caller can wait for the next.
    pub(super) events: watch::Receiver<u64>,
}

/// The watches ended before their first lists, because of a shutdown.
#[derive(Debug, thiserror::Error)]
#[error("the watches ended")]
pub struct Ended;

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
        let (missing, unlisted) = watch::channel(0);
        let own = Scope::new(std::slice::from_ref(&rules.operator_namespace));
        let mut runner = Runner {
            client: client.clone(),
            scope: scope.clone(),
            own: own.clone(),
            optional: Vec::new(),
            unlisted: missing,
            counter,
            wake,
            shutdown: shutdown.clone(),
        };
        let config_maps = runner.of_certificates(Kind::ConfigMap);
        let of_the_solver =
            watcher::Config::default().labels(&format!("{SERVICE_NAME_LABEL}={}", rules.solver_service));
        let all = config_maps.clone();
        let stores = Self {
            ingresses: runner.of_certificates(Kind::Ingress),
            http_routes: runner.of_certificates(Kind::HttpRoute),
            dns_endpoints: runner.of_certificates(Kind::DnsEndpoint),
            snippets: runner.of_certificates(Kind::Snippets),
            handoffs: runner.of_certificates(Kind::Handoff),
            services: runner.shared(Kind::Service, &config_maps),
            endpoint_slices: runner.shared(Kind::EndpointSlice, &config_maps),
            solver: runner.store(
                |seen| own.watch(client, &of_the_solver, seen),
                move |_: &EndpointSlice| all.certificates(),
            ),
            // A class that comes or goes is seen when a certificate is looked at for another reason.
            ingress_classes: runner.store(
                |seen| everywhere(client, &watcher::Config::default(), seen),
                |_: &IngressClass| vec![],
            ),
            config_maps,
            optional: runner.optional,
            unlisted,
            events,
        };
        (stores, Wake(woken))
    }

    /// Waits until every store has its first list.
    pub(super) async fn synced(&self) -> Result<(), Ended> {
        self.unlisted.clone().wait_for(|missing| *missing == 0).await.map(|_| ()).map_err(|_| Ended)
    }

    /// The kinds that the API server does not serve.
    pub(super) fn missing_kinds(&self) -> BTreeSet<Kind> {
        self.optional.iter().filter(|(_, served)| !served.get()).map(|(kind, _)| *kind).collect()
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

struct Runner {
    client: Client,
    scope: Scope,
    /// The operator's namespace.
    own: Scope,
    optional: Vec<(Kind, Served)>,
    unlisted: watch::Sender<usize>,
    counter: watch::Sender<u64>,
    wake: mpsc::UnboundedSender<ObjectRef<AkamaiCertificate>>,
    shutdown: CancellationToken,
}

impl Runner {
    /// Watches a kind whose objects are each for one certificate.
    fn of_certificates<K: Published>(&mut self, kind: Kind) -> Indexed<K> {
        let owner = kind.row().owner;
        self.indexed(kind, move |object| certificate_of(object, owner).into_iter().collect())
    }

    /// Watches a kind whose objects the certificates of a namespace share.
    fn shared<K: Published>(&mut self, kind: Kind, config_maps: &Indexed<ConfigMap>) -> Indexed<K> {
        let config_maps = config_maps.clone();
        self.indexed(kind, move |object: &K| config_maps.certificates_in(object.namespace()))
    }

    fn indexed<K: Published>(
        &mut self,
        kind: Kind,
        concerned: impl Fn(&K) -> Vec<ObjectRef<AkamaiCertificate>> + Send + 'static,
    ) -> Indexed<K> {
        let row = kind.row();
        let (store, writer) = reflector::store();
        let by = Index::new(store.clone(), move |object: &K| Key::all_of(object, row.owner));
        let scope = if row.owner == Owner::Annotated { &self.own } else { &self.scope };
        let mut watch =
            scope.watch(&self.client, &watcher::Config::default().labels(&row.selector()), &store);
        if row.install.is_some() {
            let (when, served) = when_served(self.client.clone(), watch);
            self.optional.push((kind, served));
            watch = when;
        }
        let index = by.clone();
        self.run(watch, writer, move |event| index.follow(event), concerned);
        Indexed { store, by }
    }

    fn store<K: Seen>(
        &self,
        watch: impl FnOnce(&Store<K>) -> Watch<K>,
        concerned: impl Fn(&K) -> Vec<ObjectRef<AkamaiCertificate>> + Send + 'static,
    ) -> Store<K> {
        let (store, writer) = reflector::store();
        self.run(watch(&store), writer, |_| {}, concerned);
        store
    }

    fn run<K: Seen>(
        &self,
        watch: Watch<K>,
        writer: reflector::store::Writer<K>,
        mut follow: impl FnMut(&watcher::Event<K>) + Send + 'static,
        concerned: impl Fn(&K) -> Vec<ObjectRef<AkamaiCertificate>> + Send + 'static,
    ) {
        let stream = watch.reflect(writer);
        let (unlisted, counter) = (self.unlisted.clone(), self.counter.clone());
        let (wake, shutdown) = (self.wake.clone(), self.shutdown.clone());
        unlisted.send_modify(|missing| *missing += 1);
        tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream.take_until(shutdown.cancelled_owned()));
            let mut listed = false;
            while let Some(event) = stream.next().await {
                if let Ok(event) = &event {
                    follow(event);
                }
                counter.send_modify(|count| *count = count.wrapping_add(1));
                let changed = match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => Some(object),
                    // The first list wakes nobody, because the controller starts with all certificates anyway. Another
                    // one is that of a kind that the cluster did not have until now.
                    Ok(watcher::Event::InitApply(object)) => listed.then_some(object),
                    Ok(watcher::Event::InitDone) => {
                        if !std::mem::replace(&mut listed, true) {
                            unlisted.send_modify(|missing| *missing -= 1);
                        }
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

/// A kind that a store holds.
trait Seen: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static {}
impl<K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static> Seen for K {}

/// A kind that is published.
trait Published: Seen + Resource<Scope = NamespaceResourceScope> + DeserializeOwned {}
impl<K: Seen + Resource<Scope = NamespaceResourceScope> + DeserializeOwned> Published for K {}

#[cfg(test)]
mod tests;
