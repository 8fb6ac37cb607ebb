//! Leader election by a Lease (coordination.k8s.io/v1): of several operators at most one writes, to the cluster or to CPS.
//!
//! Every write of the Lease names the version that it is based on, so that of two candidates one is refused. Clocks are
//! never compared: a candidate takes over when the Lease has not changed for its whole duration, and the leader stops by
//! a shorter deadline, each by its own monotonic clock. [`Leadership`] is what the clients ask before each request.
//! Why not one of the crates: `docs/decisions/0010`. Not here: what the leader does.

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

/// Name of the Lease, in the operator's namespace.
pub const LEASE: &str = "akacert-operator";

/// Whether this process leads, right now. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    start: Instant,
    /// Milliseconds after the start; 0 while it does not lead.
    until: Arc<AtomicU64>,
}

/// This process may not write.
#[derive(Debug, thiserror::Error)]
#[error("not sent: this operator is not the leader, or is no longer")]
pub struct NotLeading;

impl Default for Leadership {
    fn default() -> Self {
        Self { start: Instant::now(), until: Arc::default() }
    }
}

impl Leadership {
    /// Whether a request may go out now.
    #[must_use]
    pub fn holds(&self) -> bool {
        Instant::now() < self.deadline()
    }

    /// A client that reads always, and writes only while this process leads.
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

/// How long leadership lasts without a sign of life.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    duration: Duration,
}

impl Terms {
    /// Others take over after this long. The API rounds to seconds, so it is at least three.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self { duration: Duration::from_secs(duration.as_secs().max(3)) }
    }

    /// The leader stops this long after the start of its last renewal that succeeded.
    fn deadline(self) -> Duration {
        self.duration * 2 / 3
    }

    /// Between two renewals, and between two tries.
    fn pause(self) -> Duration {
        self.duration / 6
    }
}

/// Why leadership ended although it was still wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another one has it.
    #[error("{0} leads now; this operator ends, and is started again as a candidate")]
    Taken(String),
    /// It could not be renewed in time.
    #[error(
        "the Lease could not be renewed in time: {0}; this operator ends, and is started again as a candidate"
    )]
    Deadline(String),
}

/// A candidate, and then the leader.
pub struct Election {
    api: Api<Lease>,
    identity: String,
    terms: Terms,
    leadership: Leadership,
}

impl Election {
    /// A candidate. `client` is one that may always write. `identity` is the pod's name: a container that was started again
    /// in the same pod goes on at once, since the one before it is gone.
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

    /// Waits until this process leads; never comes back with less.
    pub async fn win(&self) -> Lease {
        let mut leases = std::pin::pin!(watcher::watch_object(self.api.clone(), LEASE).default_backoff());
        let mut seen: Option<Lease> = None;
        // Until the first answer nothing is known, not even that there is no Lease.
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
                // Somebody else was faster, or the answer was lost: the watch tells.
                Err(error) => {
                    tracing::info!(%error, lease = LEASE, "could not take the Lease");
                    tokio::time::sleep(self.terms.pause()).await;
                }
            }
        }
    }

    /// Keeps leading until `done`, and then lets go of the Lease.
    ///
    /// # Errors
    /// Another one leads, or the deadline has passed. The clients send nothing any more.
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
            // Short enough that an answer that does not come leaves time for another try.
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

    /// Writes the Lease anew. Where it was changed meanwhile, what it says now decides.
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

    /// Creates the Lease, or replaces the very one that was found; leads from then on.
    async fn write(&self, found: Option<&Lease>) -> Result<Lease, kube::Error> {
        // Before the request: others count from when it arrived.
        let started = Instant::now();
        let lease = claimed(found, &self.identity, self.terms, Timestamp::now());
        let written = match found {
            None => self.api.create(&PostParams::default(), &lease).await?,
            Some(_) => self.api.replace(LEASE, &PostParams::default(), &lease).await?,
        };
        self.leadership.extend(started + self.terms.deadline());
        Ok(written)
    }

    /// Lets the next one lead at once. Nothing may go out after it.
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

/// How long a Lease is good for without a change.
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

/// The Lease as this candidate holds it from now on.
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
