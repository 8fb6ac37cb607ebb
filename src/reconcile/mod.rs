//! The loop: observe a certificate, decide, report, do one step, observe again, until there is nothing to do but wait.
//!
//! Start reading at [`reconcile`]. Not here: what to do (`akacert_core::life`), how (`act`).

pub mod act;
pub mod context;
pub mod controller;
pub mod knowledge;
mod records;
mod vanished;

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use akacert_api::names::{ENROLLMENT_ID_ANNOTATION, FIELD_MANAGER};
use akacert_api::status::{CertificateStatus, condition};
use akacert_api::{AkamaiCertificate, condition_set};
use akacert_core::life::schedule::Schedule;
use akacert_core::life::snapshot::Failure;
use akacert_core::life::{Decision, Snapshot, Step, next};
use akacert_core::{events, rivals};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tracing::Instrument;

use crate::cluster::event;
use crate::process::failpoint;
use act::{Subject, Trouble};
use context::Context;
use knowledge::Known;

/// A certificate takes some thirty steps in its life; one that takes this many in one go runs in a circle.
const MOST_STEPS: usize = 500;

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
        let client = account.ready().and_then(|account| ctx.accounts.client(&account.key));
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
            publishing: &ctx.rules,
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
                        client: client.as_ref(),
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
            client: client.as_ref(),
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
    let published = |status: &CertificateStatus| {
        condition_set::is_true(&status.conditions, condition::CHALLENGES_PUBLISHED)
    };
    let drifted = |status: &CertificateStatus| condition_set::is_true(&status.conditions, condition::DRIFTED);
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
    condition_set::is_true(&status.conditions, condition::READY)
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
        if let Err(error) = event::publish(&ctx.recorder, &event, &certificate.object_ref(&())).await {
            tracing::warn!(%error, reason = event.reason, "an event could not be sent");
        }
        failpoint::reach("after an event");
    }
    if let Some(ready) = condition_set::find(&status.conditions, condition::READY) {
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
