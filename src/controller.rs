//! The loop: observe a certificate, decide, report, do one step, observe again, until there is nothing to do but wait.
//!
//! Start reading at [`reconcile`]. Not here: what to do (`crate::next`), how (`crate::act`).

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{self, Action};
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::act::{self, Subject, Trouble};
use crate::api::AkamaiCertificate;
use crate::api::names::{ENROLLMENT_ID_ANNOTATION, FIELD_MANAGER};
use crate::api::status::{CertificateStatus, condition};
use crate::deployed::Roots;
use crate::dns::Dns;
use crate::lists::Lists;
use crate::metrics::Metrics;
use crate::next::forecast::Pace;
use crate::next::schedule::Schedule;
use crate::next::snapshot::Failure;
use crate::next::{Decision, Snapshot, Step, next};
use crate::observe::{Knowledge, Known};
use crate::probe::Prober;
use crate::publish::Publisher;
use crate::scope::Scope;
use crate::{accounts, events, failpoint, publish, rivals, status, vanished};

/// A certificate takes some thirty steps in its life; one that takes this many in one go runs in a circle.
const MOST_STEPS: usize = 500;

/// What a reconcile works with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The accounts.
    pub accounts: Arc<accounts::Registry>,
    /// Publishes tokens, and knows what is published.
    pub publisher: Publisher,
    /// Settings of the publisher.
    pub publishing: publish::Settings,
    /// Fetches tokens.
    pub prober: Prober,
    /// Asks DNS.
    pub dns: Dns,
    /// The authorities that a deployed certificate may come from.
    pub roots: Roots,
    /// Lists of enrollments, shared.
    pub lists: Lists,
    /// All certificates, as watched.
    pub certificates: Store<AkamaiCertificate>,
    /// What is known of each certificate.
    pub knowledge: Knowledge,
    /// Sends events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Scale of all intervals; 1 for the real CPS.
    pub interval_scale: f64,
    /// When certificates at rest are looked at from outside.
    pub outside: Pace,
}

/// Looks at one certificate and does what can be done now.
///
/// # Errors
/// None: trouble becomes a condition, and another look.
pub async fn reconcile(certificate: Arc<AkamaiCertificate>, ctx: Arc<Context>) -> Result<Action, Infallible> {
    let uid = certificate.uid().unwrap_or_default();
    let span = tracing::info_span!(
        "reconcile",
        certificate = %format!("{}/{}", certificate.namespace().unwrap_or_default(), certificate.name_any()),
        enrollment = tracing::field::Empty,
    );
    async {
        let begun = Instant::now();
        let mut known = ctx.knowledge.take(&uid);
        let again = look(certificate, &mut known, &ctx).await;
        ctx.metrics.reconciled(known.memory.failure.is_none(), begun.elapsed());
        ctx.knowledge.put(&uid, known);
        Ok(again.map_or_else(Action::await_change, Action::requeue))
    }
    .instrument(span)
    .await
}

/// Observe, decide, report, act; again and again, until the decision is to wait. Answers for how long.
async fn look(watched: Arc<AkamaiCertificate>, known: &mut Known, ctx: &Context) -> Option<Duration> {
    let mut certificate = known.newest(watched);
    for _ in 0..MOST_STEPS {
        known.for_generation(certificate.metadata.generation.unwrap_or_default());
        if let Some(id) = certificate.annotations().get(ENROLLMENT_ID_ANNOTATION) {
            tracing::Span::current().record("enrollment", id);
        }
        let account = ctx.accounts.view(&certificate);
        let published = ctx.publisher.observe(&certificate);
        let rival = |id| {
            let all = ctx.certificates.state();
            rivals::rival(&certificate, id, all.iter().map(AsRef::as_ref))
        };
        let Decision { step, status } = next(&Snapshot {
            certificate: &certificate,
            account: &account,
            published: &published,
            memory: &known.memory,
            publishing: &ctx.publishing,
            roots: &ctx.roots,
            rival: &rival,
            schedule: schedule(&certificate, ctx.interval_scale),
            outside: ctx.outside,
            now: Timestamp::now(),
        });
        if is_worth_a_write(&certificate, &status, &step) {
            match report(&certificate, status, ctx).await {
                Ok(reported) => certificate = reported,
                Err(trouble) if trouble.gone => {
                    vanished::clean_up(&Subject {
                        certificate: &mut certificate,
                        account: account.ready(),
                        solver: &published.solver,
                        memory: &mut known.memory,
                    })
                    .await;
                    return None;
                }
                Err(trouble) => return Some(postpone(&step, &trouble, known, ctx)),
            }
            known.written = Some(certificate.clone());
        }
        if let Step::Wait { again } = step {
            if certificate.status.as_ref().is_some_and(is_at_rest) {
                // Ten thousand certificates at rest need no memory of how they got there.
                known.rest();
            }
            return again;
        }
        tracing::debug!(%step, "step");
        let mut subject = Subject {
            certificate: &mut certificate,
            account: account.ready(),
            solver: &published.solver,
            memory: &mut known.memory,
        };
        match act::perform(&step, &mut subject, ctx).await {
            Ok(()) => {
                if step.is_side_effect() {
                    tracing::info!(%step, "done");
                }
                if known.memory.failure.as_ref().is_some_and(|failure| failure.step == step.name()) {
                    known.memory.failure = None;
                }
            }
            Err(trouble) if trouble.gone => {
                vanished::clean_up(&subject).await;
                return None;
            }
            Err(trouble) => {
                postpone(&step, &trouble, known, ctx);
            }
        }
        known.written = Some(certificate.clone());
    }
    tracing::error!("the certificate does not settle; this is a bug of the operator");
    Some(Duration::from_secs(60))
}

/// The status is written when there is nothing to do but wait, when the verdict flips, once the tokens are published,
/// which CPS may use before the next pause, and before a drift is undone: not between two steps.
pub(crate) fn is_worth_a_write(
    certificate: &AkamaiCertificate,
    wanted: &CertificateStatus,
    step: &Step,
) -> bool {
    let current = certificate.status.clone().unwrap_or_default();
    let untouched =
        certificate.metadata.finalizers.is_none() && certificate.metadata.deletion_timestamp.is_some();
    let published =
        |status: &CertificateStatus| status::is_true(&status.conditions, condition::CHALLENGES_PUBLISHED);
    let drifted = |status: &CertificateStatus| status::is_true(&status.conditions, condition::DRIFTED);
    let moment = matches!(step, Step::Wait { .. })
        || (drifted(wanted) && !drifted(&current))
        || is_ready(&current) != is_ready(wanted)
        || (published(wanted) && !published(&current));
    moment && current != *wanted && !untouched
}

/// Ready, and nothing is under way.
pub(crate) fn is_at_rest(status: &CertificateStatus) -> bool {
    is_ready(status) && status.change.is_none() && status.plan.is_none()
}

fn is_ready(status: &CertificateStatus) -> bool {
    status::is_true(&status.conditions, condition::READY)
}

async fn report(
    certificate: &Arc<AkamaiCertificate>,
    status: CertificateStatus,
    ctx: &Context,
) -> Result<Arc<AkamaiCertificate>, Trouble> {
    let name = certificate.name_any();
    let api: Api<AkamaiCertificate> =
        Api::namespaced(ctx.client.clone(), &certificate.namespace().unwrap_or_default());
    let patch = Patch::Apply(json!({
        "apiVersion": AkamaiCertificate::api_version(&()),
        "kind": AkamaiCertificate::kind(&()),
        // A resource of the same name that came in the meantime is another one.
        "metadata": {"name": name, "uid": certificate.uid()},
        "status": status,
    }));
    failpoint::reach("before the status");
    let answer = api.patch_status(&name, &PatchParams::apply(FIELD_MANAGER).force(), &patch).await;
    failpoint::reach("after the status");
    ctx.metrics.api_write("report the status", answer.is_ok());
    let reported = answer?;
    for event in events::between(&certificate.status.clone().unwrap_or_default(), &status) {
        failpoint::reach("before an event");
        if let Err(error) = ctx.recorder.publish(&event, &certificate.object_ref(&())).await {
            tracing::warn!(%error, reason = event.reason, "an event could not be sent");
        }
        failpoint::reach("after an event");
    }
    if let Some(ready) = status::find(&status.conditions, condition::READY) {
        tracing::info!(ready = ready.status, reason = ready.reason, because = ready.message, "status");
    }
    Ok(Arc::new(reported))
}

/// Remembers a failure; the next decision reports it and waits.
fn postpone(step: &Step, trouble: &Trouble, known: &mut Known, ctx: &Context) -> Duration {
    let before = known.memory.failure.as_ref().filter(|failure| failure.step == step.name());
    let count = before.map_or(0, |failure| failure.count) + 1;
    let schedule = Schedule { scale: ctx.interval_scale, seed: u64::from(count) };
    let delay = trouble.retry_after.unwrap_or_else(|| schedule.after_failure(count));
    tracing::warn!(%step, reason = %trouble.reason, retry_in = ?delay, "{}", trouble.message);
    known.memory.failure = Some(Failure {
        step: step.name(),
        reason: trouble.reason,
        message: trouble.message.clone(),
        stalled: trouble.stalled,
        count,
        retry_at: Timestamp::now().checked_add(delay).unwrap_or(Timestamp::MAX),
    });
    delay
}

fn schedule(certificate: &AkamaiCertificate, scale: f64) -> Schedule {
    let mut hasher = DefaultHasher::new();
    certificate.uid().hash(&mut hasher);
    Schedule { scale, seed: hasher.finish() }
}

/// The controller of certificates, and its store.
pub struct Certificates {
    controller: Controller<AkamaiCertificate>,
}

impl Certificates {
    /// Watches the certificates. `gone` is called when some may have gone.
    #[must_use]
    pub fn new(client: &Client, scope: &Scope, gone: impl Fn() + Send + 'static) -> Self {
        let (store, writer) = reflector::store();
        let watched = scope
            .watch(client, &watcher::Config::default(), &store)
            .reflect(writer)
            .inspect_ok(move |event| {
                if matches!(event, watcher::Event::Delete(_) | watcher::Event::InitDone) {
                    gone();
                }
            })
            .applied_objects();
        let config = controller::Config::default().concurrency(128);
        Self { controller: Controller::for_stream(watched, store).with_config(config) }
    }

    /// The certificates, as watched.
    #[must_use]
    pub fn store(&self) -> Store<AkamaiCertificate> {
        self.controller.store()
    }

    /// Runs until shutdown: certificates that change, and those that `wake` names.
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

/// Waits until a controller has finished what it was at. One that has not seen its objects yet is at nothing, but would
/// wait for them for ever once its watch has ended.
pub(crate) async fn until_drained<K>(
    running: impl Future<Output = ()>,
    objects: &Store<K>,
    shutdown: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let nothing_to_drain = async {
        shutdown.cancelled().await;
        if matches!(objects.wait_until_ready().now_or_never(), Some(Ok(()))) {
            future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = running => {}
        () = nothing_to_drain => {}
    }
}
