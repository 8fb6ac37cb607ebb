//! `akacert solver`: answers the certificate authority's HTTP-01 requests (RFC 8555, section 8.3) with the tokens that the
//! operator publishes as ConfigMaps. Stateless; any number of replicas.
//!
//! `index` knows the answers, `server` speaks HTTP. Not here: writing the ConfigMaps (`akacert_core::published`).

mod index;
mod metrics;
mod server;

use std::net::SocketAddr;

use clap::Args;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::process::admin::{self, Readiness};
use crate::process::metrics::register_build;
use crate::process::telemetry::LogFilter;
use akacert_api::names::{CHALLENGES_COMPONENT, COMPONENT_LABEL};

pub use index::Challenges;
#[cfg(test)]
pub(crate) use metrics::Outcome;
pub use metrics::SolverMetrics;
pub use server::{Limits, serve};

#[cfg(test)]
mod tests;

/// Flags of the solver.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// The namespace with the tokens' ConfigMaps: the operator's own.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,

    /// Where challenges are answered.
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Where liveness, readiness and metrics are served.
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
}

/// The solver cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    /// There is no usable configuration for the Kubernetes API.
    #[error(
        "no access to the Kubernetes API: {0}; run it in a pod with a service account, or set KUBECONFIG"
    )]
    Kubernetes(#[from] kube::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Answers challenges until shutdown.
///
/// # Errors
/// [`SolverError`], at the start.
pub async fn run(settings: Settings, log: LogFilter, shutdown: CancellationToken) -> Result<(), SolverError> {
    let failed = |address| move |source| SolverError::Listen { address, source };
    let listener = TcpListener::bind(settings.listen).await.map_err(failed(settings.listen))?;
    let client = Client::try_default().await?;
    let mut registry = Registry::default();
    let (challenges, readiness) = (Challenges::default(), Readiness::default());
    register_build(&mut registry);
    let metrics = SolverMetrics::new(&mut registry, challenges.clone());
    tracing::info!(listen = %settings.listen, namespace = settings.namespace, "the solver starts");

    // The watch and the admin listener end with the server, after it has drained.
    let done = CancellationToken::new();
    let config_maps = Api::namespaced(client, &settings.namespace);
    let watch = done.run_until_cancelled(follow(config_maps, challenges.clone(), readiness.clone()));
    let admin = async {
        let served =
            admin::serve(settings.admin_listen, readiness.clone(), registry, log, done.clone()).await;
        // Without its probes the pod is of no use.
        shutdown.cancel();
        served.map_err(failed(settings.admin_listen))
    };
    let server = async {
        serve(listener, challenges.clone(), metrics, Limits::default(), readiness.clone(), shutdown.clone())
            .await;
        done.cancel();
    };
    let (_, served, ()) = tokio::join!(watch, admin, server);
    tracing::info!("the solver ends");
    served
}

/// Keeps the index in step with the ConfigMaps. It is ready once all of them have been seen.
async fn follow(api: Api<ConfigMap>, challenges: Challenges, readiness: Readiness) {
    let config = watcher::Config::default().labels(&format!("{COMPONENT_LABEL}={CHALLENGES_COMPONENT}"));
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let synced = matches!(event, watcher::Event::InitDone);
                challenges.take_in(event);
                if synced && !readiness.get() {
                    tracing::info!(tokens = challenges.len(), "in sync with the cluster");
                    readiness.set(true);
                }
            }
            Err(error) => tracing::warn!(%error, "the watch of ConfigMaps broke; it is started again"),
        }
    }
}
