//! `akacert operator`: puts the parts together and runs them until shutdown. Not here: what any part does.
//!
//! `settings` reads the flags. `candidate` is this process in the election. `watched` starts the watches, which tell
//! others by `wakes`. `known` is what the parts share, with the metrics (`observed`). `work` is what the leader does.

mod candidate;
mod known;
mod observed;
mod settings;
mod wakes;
mod watched;
mod work;

use tokio_util::sync::CancellationToken;

use self::candidate::Candidate;
use self::known::Known;
pub use self::settings::Settings;
use self::watched::Watched;
use self::work::Work;
use crate::cluster::leader::Lost;
use crate::process::admin::{self, Readiness};
use crate::process::telemetry::LogFilter;

/// Why the operator could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A flag is wrong.
    #[error("{0}")]
    Flag(String),
    /// The cluster cannot be reached.
    #[error("the Kubernetes API cannot be reached: {0}; check KUBECONFIG, or the ServiceAccount")]
    Cluster(#[from] kube::Error),
    /// The administration listener failed.
    #[error("cannot serve health and metrics: {0}; check --admin-listen")]
    Admin(#[from] std::io::Error),
    /// Another operator leads, or may.
    #[error("leadership is lost: {0}")]
    Leadership(#[from] Lost),
}

/// Runs the operator until shutdown.
///
/// # Errors
/// A flag is wrong, the cluster cannot be reached at the start, or leadership is lost.
pub async fn run(
    settings: Settings,
    log: LogFilter,
    shutdown: CancellationToken,
) -> Result<(), OperatorError> {
    let given = settings.read()?;
    let candidate = Candidate::new(&settings).await?;
    let (wakers, woken) = wakes::channels();
    let (watched, published) = Watched::start(&candidate.client, &given, &wakers, &shutdown);
    let mut woken = woken.and(published);
    let (known, registry) = Known::new(&settings, &watched, &candidate.leadership);
    let readiness = Readiness::default();
    let admin =
        tokio::spawn(admin::serve(settings.admin_listen, readiness.clone(), registry, log, shutdown.clone()));
    tokio::select! {
        () = watched.synced() => {}
        () = shutdown.cancelled() => return Ok(()),
    }
    readiness.set(true);
    tracing::info!("in sync with the cluster");
    let work = Work::new(&settings, given, &candidate, watched, known, wakers);
    let lease = tokio::select! {
        lease = candidate.election.win() => lease,
        // What happens while another one leads is seen by the first look at everything.
        () = woken.discard() => return Ok(()),
        () = shutdown.cancelled() => return Ok(()),
    };
    let done = CancellationToken::new();
    // A task of its own: no reconcile delays a renewal.
    let mut leading = tokio::spawn(candidate.election.keep(lease, done.clone()));
    tokio::select! {
        lost = &mut leading => return Ok(lost.map_err(std::io::Error::other)??),
        () = work.run(woken, shutdown) => done.cancel(),
    }
    leading.await.map_err(std::io::Error::other)??;
    tracing::info!("shut down");
    admin.await.map_err(std::io::Error::other)??;
    Ok(())
}
