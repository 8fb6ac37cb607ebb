//! `akacert solver` answers the certificate authority's HTTP-01 requests (RFC 8555, section 8.3) with the tokens that
//! the operator publishes as ConfigMaps. It is stateless, and can have any number of replicas.
//!
//! `watch` follows the ConfigMaps, `index` holds the answers, and `server` speaks HTTP.

mod index;
mod metrics;
mod server;
mod watch;

use std::net::SocketAddr;

use clap::Args;
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::process::admin::{self, Readiness};
use crate::process::metrics::register_build;
use crate::process::telemetry::LogFilter;

pub use index::{Challenges, Found};
#[cfg(test)]
pub(crate) use metrics::Outcome;
pub use metrics::SolverMetrics;
pub use server::{Limits, serve};

#[cfg(test)]
mod tests;

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

#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    #[error(
        "no access to the Kubernetes API: {0}; run it in a pod with a service account, or set KUBECONFIG"
    )]
    Kubernetes(#[from] kube::Error),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
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

    // The watch and the admin listener end after the server has drained.
    let done = CancellationToken::new();
    let follow = watch::follow(client, &settings.namespace, challenges.clone(), readiness.clone());
    let watch = done.run_until_cancelled(follow);
    let admin = async {
        let served =
            admin::serve(settings.admin_listen, readiness.clone(), registry, log, done.clone()).await;
        // A pod without probes is of no use.
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
