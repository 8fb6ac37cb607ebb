//! Leader election by a Lease (coordination.k8s.io/v1): of several operators, at most one writes to the cluster or to
//! CPS.
//!
//! Every write of the Lease names the version that it replaces, so the API server refuses one of two candidates. No
//! code compares the clocks of two machines. A candidate takes over when the Lease has not changed for its whole
//! duration. The leader stops at an earlier deadline. Each uses its own monotonic clock. The clients ask
//! [`Leadership`] before each request. `docs/decisions/0010` says why we use no existing crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt, future};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::client::{Body, ClientBuilder};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::filter::FilterLayer;

/// The name of the Lease, in the operator's namespace.
pub const LEASE: &str = "akacert-operator";

/// Whether this process leads right now. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    start: Instant,
    /// Milliseconds since the start; 0 while the process does not lead.
    until: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
#[error("not sent: this operator is not the leader, or is no longer")]
pub struct NotLeading;

impl Default for Leadership {
    fn default() -> Self {
        Self { start: Instant::now(), until: Arc::default() }
    }
}

impl Leadership {
    /// Whether a client may send a request now.
    #[must_use]
    pub fn holds(&self) -> bool {
        Instant::now() < self.deadline()
    }

    /// A client that can always read, and writes only while this process leads.
    ///
    /// # Errors
    /// The client cannot be set up.
    pub fn guarded_client(&self, config: Config) -> Result<Client, kube::Error> {
        let leadership = self.clone();
        let guard = FilterLayer::new(move |request| leadership.guard(request));
        Ok(ClientBuilder::try_from(config)?.with_layer(&guard).build())
    }

    fn guard(&self, request: http::Request<Body>) -> Result<http::Request<Body>, NotLeading> {
        match request.method() == http::Method::GET || self.holds() {
            true => Ok(request),
            false => Err(NotLeading),
        }
    }

    fn deadline(&self) -> Instant {
        self.start + Duration::from_millis(self.until.load(Ordering::SeqCst))
    }

    fn extend(&self, until: Instant) {
        let millis = u64::try_from(until.duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        self.until.store(millis, Ordering::SeqCst);
    }

    fn end(&self) {
        self.until.store(0, Ordering::SeqCst);
    }
}

/// How long leadership lasts without a renewal.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    duration: Duration,
}

impl Terms {
    /// `duration` is the time after which others take over. The API counts whole seconds, so it is at least three.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self { duration: Duration::from_secs(duration.as_secs().max(3)) }
    }

    /// The leader stops this long after the start of its last successful renewal.
    fn deadline(self) -> Duration {
        self.duration * 2 / 3
    }

    /// The pause between two renewals, and between two tries.
    fn pause(self) -> Duration {
        self.duration / 6
    }
}

/// Why the process lost leadership while it still wanted it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another operator leads.
    #[error("{0} leads now; this operator ends, and is started again as a candidate")]
    Taken(String),
    #[error(
        "the Lease could not be renewed in time: {0}; this operator ends, and is started again as a candidate"
    )]
    Deadline(String),
}

pub struct Election {
    api: Api<Lease>,
    identity: String,
    terms: Terms,
    leadership: Leadership,
}

impl Election {
    /// `client` has to be one that may always write. `identity` is the pod's name: a container that restarts in the
    /// same pod leads again at once, because its predecessor has ended.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        identity: String,
        terms: Terms,
        leadership: Leadership,
    ) -> Self {
        Self { api: Api::namespaced(client, namespace), identity, terms, leadership }
    }

    /// Waits until this process leads. It never returns otherwise.
    pub async fn win(&self) -> Lease {
        let mut leases = std::pin::pin!(watcher::watch_object(self.api.clone(), LEASE).default_backoff());
        let mut seen: Option<Lease> = None;
        // Before the first answer nothing is known, not even that no Lease exists.
        let mut unchanged_since = None;
        loop {
            let expiry = unchanged_since.map(|since: Instant| since + lifetime(seen.as_ref()));
            let expired = async {
                match expiry {
                    Some(expiry) => tokio::time::sleep_until(expiry).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                found = leases.next() => match found {
                    Some(Ok(lease)) => {
                        seen = lease;
                        unchanged_since = Some(Instant::now());
                    }
                    Some(Err(error)) => tracing::warn!(%error, lease = LEASE, "the Lease cannot be watched"),
                    None => tokio::time::sleep(self.terms.pause()).await,
                },
                () = expired => {}
            }
            let Some(since) = unchanged_since else { continue };
            if !may_take(seen.as_ref(), &self.identity, since.elapsed()) {
                continue;
            }
            match self.write(seen.as_ref()).await {
                Ok(lease) => {
                    tracing::info!(lease = LEASE, identity = self.identity, "leads");
                    return lease;
                }
                // Another candidate was faster, or the answer was lost. The watch shows which.
                Err(error) => {
                    tracing::info!(%error, lease = LEASE, "could not take the Lease");
                    tokio::time::sleep(self.terms.pause()).await;
                }
            }
        }
    }

    /// Keeps leading until `done`, and then releases the Lease.
    ///
    /// # Errors
    /// Another operator leads, or the deadline has passed. From then on the clients send nothing.
    pub async fn keep(self, mut lease: Lease, done: CancellationToken) -> Result<(), Lost> {
        let mut last_error = "the process did not run".to_owned();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.terms.pause()) => {}
                () = done.cancelled() => {
                    self.release(lease).await;
                    return Ok(());
                }
            }
            let deadline = self.leadership.deadline();
            if Instant::now() >= deadline {
                self.leadership.end();
                return Err(Lost::Deadline(last_error));
            }
            // Short enough to leave time for another try if no answer comes.
            let patience = deadline.min(Instant::now() + self.terms.pause() * 2);
            match tokio::time::timeout_at(patience, self.renew(&lease)).await {
                Ok(Ok(renewed)) => lease = renewed,
                Ok(Err(Failure::Taken(by))) => {
                    self.leadership.end();
                    return Err(Lost::Taken(by));
                }
                Ok(Err(Failure::Api(error))) => {
                    tracing::warn!(%error, lease = LEASE, "the Lease could not be renewed; trying again");
                    last_error = error.to_string();
                }
                Err(_) => last_error = "the Kubernetes API does not answer".to_owned(),
            }
        }
    }

    /// Writes the Lease again. If somebody changed it meanwhile, its new content decides.
    async fn renew(&self, lease: &Lease) -> Result<Lease, Failure> {
        match self.write(Some(lease)).await {
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
            written => return Ok(written?),
        }
        let found = self.api.get_opt(LEASE).await?;
        match found.as_ref().and_then(holder) {
            Some(other) if other != self.identity => Err(Failure::Taken(other.to_owned())),
            _ => Ok(self.write(found.as_ref()).await?),
        }
    }

    /// Creates the Lease, or replaces exactly the version that was found. The process leads from then on.
    async fn write(&self, found: Option<&Lease>) -> Result<Lease, kube::Error> {
        // Taken before the request, because others count from its arrival.
        let started = Instant::now();
        let lease = claimed(found, &self.identity, self.terms, Timestamp::now());
        let written = match found {
            None => self.api.create(&PostParams::default(), &lease).await?,
            Some(_) => self.api.replace(LEASE, &PostParams::default(), &lease).await?,
        };
        self.leadership.extend(started + self.terms.deadline());
        Ok(written)
    }

    /// Lets another operator lead at once. The process must send nothing after this.
    async fn release(&self, mut lease: Lease) {
        self.leadership.end();
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        match self.api.replace(LEASE, &PostParams::default(), &lease).await {
            Ok(_) => tracing::info!(lease = LEASE, "released"),
            Err(error) => {
                tracing::warn!(%error, lease = LEASE, "could not be released; it expires by itself")
            }
        }
    }
}

enum Failure {
    Taken(String),
    Api(kube::Error),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Api(error)
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// How long a Lease is valid without a change.
fn lifetime(lease: Option<&Lease>) -> Duration {
    let seconds = lease.and_then(|lease| lease.spec.as_ref()?.lease_duration_seconds).unwrap_or_default();
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// Whether a candidate may take a Lease that has not changed for a while.
fn may_take(lease: Option<&Lease>, identity: &str, unchanged: Duration) -> bool {
    match lease.and_then(holder) {
        None => true,
        Some(holder) => holder == identity || unchanged >= lifetime(lease),
    }
}

/// The Lease with this candidate as its holder.
fn claimed(found: Option<&Lease>, identity: &str, terms: Terms, now: Timestamp) -> Lease {
    let metadata = found.map_or_else(
        || ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() },
        |found| found.metadata.clone(),
    );
    let before = found.and_then(|found| found.spec.clone()).unwrap_or_default();
    let is_ours = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or_default();
    let spec = LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(i32::try_from(terms.duration.as_secs()).unwrap_or(i32::MAX)),
        renew_time: Some(MicroTime(now)),
        acquire_time: if is_ours { before.acquire_time } else { Some(MicroTime(now)) },
        lease_transitions: Some(if is_ours || found.is_none() { transitions } else { transitions + 1 }),
        ..LeaseSpec::default()
    };
    Lease { metadata, spec: Some(spec) }
}

#[cfg(test)]
mod tests;
