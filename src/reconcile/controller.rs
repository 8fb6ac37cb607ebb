//! The controller of certificates: runs [`super::reconcile`] for each when it is due.

use std::convert::Infallible;
use std::sync::Arc;

use akacert_api::AkamaiCertificate;
use futures::{Stream, StreamExt, TryStreamExt};
use kube::Client;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, controller, watcher};
use tokio_util::sync::CancellationToken;

use super::context::{ByCommonName, Context};
use super::reconcile;
use crate::cluster::index::Index;
use crate::cluster::scope::Scope;
use crate::cluster::until_drained;

/// The controller of certificates, and its store.
pub struct Certificates {
    controller: Controller<AkamaiCertificate>,
    by_common_name: ByCommonName,
}

impl Certificates {
    /// Watches the certificates, and calls `gone` when some may have been deleted.
    #[must_use]
    pub fn new(client: &Client, scope: &Scope, gone: impl Fn() + Send + 'static) -> Self {
        let (store, writer) = reflector::store();
        let by_common_name: ByCommonName = Index::new(store.clone(), |certificate: &AkamaiCertificate| {
            vec![certificate.spec.common_name.to_ascii_lowercase()]
        });
        let index = by_common_name.clone();
        let watched = scope
            .watch(client, &watcher::Config::default(), &store)
            .reflect(writer)
            .inspect_ok(move |event| {
                index.follow(event);
                if matches!(event, watcher::Event::Delete(_) | watcher::Event::InitDone) {
                    gone();
                }
            })
            .applied_objects();
        let config = controller::Config::default().concurrency(128);
        Self { controller: Controller::for_stream(watched, store).with_config(config), by_common_name }
    }

    #[must_use]
    pub fn store(&self) -> Store<AkamaiCertificate> {
        self.controller.store()
    }

    /// An index of the certificates by common name.
    #[must_use]
    pub fn by_common_name(&self) -> ByCommonName {
        self.by_common_name.clone()
    }

    /// Reconciles certificates that change and those that `wake` names, until shutdown.
    pub async fn run(
        self,
        ctx: Arc<Context>,
        wake: impl Stream<Item = ObjectRef<AkamaiCertificate>> + Send + 'static,
        shutdown: CancellationToken,
    ) {
        let failed = |_: Arc<AkamaiCertificate>, error: &Infallible, _: Arc<Context>| match *error {};
        let store = self.store();
        let running = self
            .controller
            .reconcile_on(wake)
            .graceful_shutdown_on(shutdown.clone().cancelled_owned())
            .run(reconcile, failed, ctx)
            .for_each(|result| async move {
                if let Err(error) = result {
                    tracing::debug!(%error, "watch");
                }
            });
        until_drained(running, &store, &shutdown).await;
    }
}
