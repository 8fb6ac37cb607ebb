//! The watches that every replica runs, leader or not, and what each watch wakes. Not here: the accounts, which
//! their controllers watch.

use std::fmt::Debug;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::settings::Given;
use super::wakes::Wakers;
use crate::cluster::scope::{Watch, everywhere};
use crate::cluster::{Publisher, Wake};
use crate::reconcile::controller::Certificates;

/// What is watched.
pub struct Watched {
    /// The certificates, with their controller.
    pub certificates: Certificates,
    /// The labels of all namespaces.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// The versions of all Secrets that accounts may name.
    pub secrets: Store<PartialObjectMeta<Secret>>,
    /// Reads and changes the published objects.
    pub publisher: Publisher,
}

impl Watched {
    /// Starts the watches, which run until shutdown. The stream yields a certificate when an object changes that the
    /// operator published for it.
    pub fn start(
        client: &Client,
        given: &Given,
        wakers: &Wakers,
        shutdown: &CancellationToken,
    ) -> (Self, Wake) {
        let accounts = wakers.accounts.clone();
        // An account that is marked for deletion waits until its last certificate is gone, which may be now.
        let certificates = Certificates::new(client, &given.scope, move || accounts.wake());
        let metadata = watcher::Config::default();

        let (known, wake) = (certificates.store(), wakers.certificates.clone());
        let labels = |seen: &_| everywhere(client, &metadata, seen);
        let namespaces = watch_metadata::<Namespace>(labels, shutdown, move |namespace| {
            // Its labels decide whether an account may be used in it.
            for certificate in known.state_filter(|found| found.namespace() == namespace.metadata.name) {
                let _ = wake.send(ObjectRef::from_obj(certificate.as_ref()));
            }
        });

        let accounts = wakers.accounts.clone();
        // The Secrets of ClusterAkamaiAccounts are in the operator's own namespace.
        let scope = given.scope.and(&given.rules.operator_namespace);
        let credentials = |seen: &_| scope.watch(client, &metadata, seen);
        let secrets = watch_metadata::<Secret>(credentials, shutdown, move |_| accounts.wake());

        let rules = given.rules.clone();
        let (publisher, published) =
            Publisher::start(client.clone(), rules, &given.scope, namespaces.clone(), shutdown);
        (Self { certificates, namespaces, secrets, publisher }, published)
    }

    /// Waits until everything has been seen. Before that, an object that exists would be taken for missing. Certificates
    /// and accounts are left out: their controllers begin later.
    pub async fn synced(&self) {
        let _ = tokio::join!(
            self.namespaces.wait_until_ready(),
            self.secrets.wait_until_ready(),
            self.publisher.synced()
        );
    }
}

/// Follows the metadata of the objects of a kind, without their content.
fn watch_metadata<K>(
    watch: impl FnOnce(&Store<PartialObjectMeta<K>>) -> Watch<PartialObjectMeta<K>>,
    shutdown: &CancellationToken,
    changed: impl Fn(&PartialObjectMeta<K>) + Send + 'static,
) -> Store<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let stream = watch(&store).reflect(writer);
    let until = shutdown.clone().cancelled_owned();
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream.take_until(until));
        while let Some(event) = stream.next().await {
            match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => changed(&object),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), %error, "a watch broke; it is started again")
                }
            }
        }
    });
    store
}
