//! The loop: observe a certificate, decide, report, carry out one step, and begin again, until the decision is to
//! pause.
//!
//! Start reading at [`reconcile`]. `akacert_core::life` decides what to do, and `act` does it.

pub mod act;
pub mod context;
pub mod controller;
pub mod knowledge;
mod vanished;

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use akacert_api::names::{ENROLLMENT_ID_ANNOTATION, FIELD_MANAGER};
use akacert_api::reason::Reason;
use akacert_api::status::{CertificateStatus, condition};
use akacert_api::{AkamaiCertificate, condition_set};
use akacert_core::account::View;
use akacert_core::life::absorb::Moment;
use akacert_core::life::answer::{Answer, Fault};
use akacert_core::life::intervals::Intervals;
use akacert_core::life::memory::Memory;
use akacert_core::life::report::{is_at_rest, is_worth_a_write};
use akacert_core::life::{Decision, Next, Pause, Snapshot, Step, next};
use akacert_core::published::Observed;
use akacert_core::{events, rivals};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tracing::Instrument;

use crate::cluster::event;
use crate::process::failpoint;
use act::{Gone, Subject};
use context::Context;
use knowledge::Known;

/// A certificate takes some thirty steps in its life. One that takes this many in a row is going in circles.
const MOST_STEPS: usize = 500;

/// Reconciles one certificate: does everything that can be done now.
///
/// # Errors
/// None: a failure becomes a condition, and another look follows.
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
        let pause = look(certificate, &mut known, &ctx).await;
        ctx.metrics.reconciled(known.memory.failures.is_empty(), begun.elapsed());
        ctx.knowledge.put(&uid, known);
        Ok(pause.length(Timestamp::now()).map_or_else(Action::await_change, Action::requeue))
    }
    .instrument(span)
    .await
}

/// Observes, decides, reports and acts until the decision is to pause. Returns the pause.
async fn look(watched: Arc<AkamaiCertificate>, known: &mut Known, ctx: &Context) -> Pause {
    let mut certificate = known.newest(watched);
    for _ in 0..MOST_STEPS {
        known.memory.for_generation(certificate.metadata.generation.unwrap_or_default());
        if let Some(id) = certificate.annotations().get(ENROLLMENT_ID_ANNOTATION) {
            tracing::Span::current().record("enrollment", id);
        }
        let account = ctx.accounts.view(&certificate);
        let published = ctx.publisher.observe(&certificate);
        let Decision { next, status } = decide(&certificate, &account, &published, &known.memory, ctx);
        let client = account.ready().and_then(|account| ctx.accounts.client(&account.key));
        if is_worth_a_write(&certificate, &status, &next) {
            match report(&mut certificate, status, ctx).await {
                Ok(Answer::Failed(fault)) => {
                    let intervals = intervals(&certificate, ctx.interval_scale);
                    return not_reported(next, fault, known, intervals);
                }
                // The status belongs to a version that is no longer the newest: decide again.
                Ok(Answer::Overtaken) => {
                    known.written = Some(certificate.clone());
                    continue;
                }
                Ok(_) => known.written = Some(certificate.clone()),
                Err(Gone) => {
                    vanished::clean_up(&certificate, client.as_ref(), &known.memory).await;
                    return Pause::UntilEvent;
                }
            }
        }
        let step = match next {
            Next::Do(step) => step,
            Next::Pause(pause) => {
                if certificate.status.as_ref().is_some_and(is_at_rest) {
                    known.memory.rest(Timestamp::now());
                }
                return pause;
            }
        };
        let mut subject = Subject {
            certificate: &mut certificate,
            account: account.ready(),
            client: client.as_ref(),
            solver: &published.solver,
        };
        if let Err(Gone) = take(&step, &mut subject, known, ctx).await {
            vanished::clean_up(&certificate, client.as_ref(), &known.memory).await;
            return Pause::UntilEvent;
        }
        known.written = Some(certificate.clone());
    }
    tracing::error!("the certificate does not settle; this is a bug of the operator");
    Pause::Until(Timestamp::now().checked_add(Duration::from_secs(60)).unwrap_or(Timestamp::MAX))
}

fn decide(
    certificate: &AkamaiCertificate,
    account: &View,
    published: &Observed,
    memory: &Memory,
    ctx: &Context,
) -> Decision {
    let rival = |id| {
        let same_name = ctx.certificates.get(&certificate.spec.common_name.to_ascii_lowercase());
        rivals::rival(certificate, id, same_name.iter().map(AsRef::as_ref))
    };
    next(&Snapshot {
        certificate,
        account,
        published,
        memory,
        publishing: &ctx.rules,
        roots: &ctx.roots,
        rival: &rival,
        intervals: intervals(certificate, ctx.interval_scale),
        forecast_times: ctx.forecast_times,
        now: Timestamp::now(),
    })
}

/// Carries out a step, and remembers the answer.
async fn take(step: &Step, subject: &mut Subject<'_>, known: &mut Known, ctx: &Context) -> Result<(), Gone> {
    tracing::debug!(%step, "step");
    let begun = Timestamp::now();
    let answer = act::perform(step, subject, ctx).await?;
    let intervals = intervals(subject.certificate, ctx.interval_scale);
    let moment = Moment { begun, ended: Timestamp::now(), intervals };
    known.memory.absorb(step, answer, moment);
    match known.memory.failure(step) {
        Some(failure) => {
            tracing::warn!(%step, reason = %failure.reason, until = %failure.retry_at, "{}", failure.message);
        }
        None if step.is_side_effect() => tracing::info!(%step, "done"),
        None => {}
    }
    Ok(())
}

/// The status could not be written. Nothing else happens until it can be.
fn not_reported(next: Next, fault: Fault, known: &mut Known, intervals: Intervals) -> Pause {
    tracing::warn!(reason = %Reason::ClusterError, "{}", fault.message);
    let now = Timestamp::now();
    let moment = Moment { begun: now, ended: now, intervals };
    match next {
        Next::Do(step) => {
            known.memory.failed(&step, Reason::ClusterError, fault, moment);
            known.memory.failure(&step).map_or(Pause::UntilEvent, |failure| Pause::Until(failure.retry_at))
        }
        Next::Pause(_) => Pause::Until(now.checked_add(intervals.after_failure(1)).unwrap_or(Timestamp::MAX)),
    }
}

/// Writes the status of exactly the version that the decision saw: a watch that is behind would bring an old one back.
async fn report(
    certificate: &mut Arc<AkamaiCertificate>,
    status: CertificateStatus,
    ctx: &Context,
) -> Result<Answer, Gone> {
    let name = certificate.name_any();
    let api: Api<AkamaiCertificate> =
        Api::namespaced(ctx.client.clone(), &certificate.namespace().unwrap_or_default());
    let patch = Patch::Apply(json!({
        "apiVersion": AkamaiCertificate::api_version(&()),
        "kind": AkamaiCertificate::kind(&()),
        // The UID keeps this from a new resource of the same name.
        "metadata": {"name": name, "uid": certificate.uid(), "resourceVersion": certificate.resource_version()},
        "status": status,
    }));
    let before = certificate.status.clone().unwrap_or_default();
    failpoint::reach("before the status");
    let answer = api.patch_status(&name, &PatchParams::apply(FIELD_MANAGER).force(), &patch).await;
    failpoint::reach("after the status");
    ctx.metrics.api_write("report the status", answer.is_ok());
    let answer = act::written(answer, certificate, ctx).await?;
    if !matches!(answer, Answer::Done) {
        return Ok(answer);
    }
    for event in events::between(&before, &status) {
        failpoint::reach("before an event");
        if let Err(error) = event::publish(&ctx.recorder, &event, &certificate.object_ref(&())).await {
            tracing::warn!(%error, reason = event.reason, "an event could not be sent");
        }
        failpoint::reach("after an event");
    }
    if let Some(ready) = condition_set::find(&status.conditions, condition::READY) {
        tracing::info!(ready = ready.status, reason = ready.reason, because = ready.message, "status");
    }
    Ok(Answer::Done)
}

fn intervals(certificate: &AkamaiCertificate, scale: f64) -> Intervals {
    let mut hasher = DefaultHasher::new();
    certificate.uid().hash(&mut hasher);
    Intervals { scale, seed: hasher.finish() }
}

#[cfg(test)]
mod tests;
