//! I/O: does one step, once, and remembers what came of it. Every side effect of the operator on a certificate is here.
//!
//! A crash before a side effect is a step not done; a crash after it is a step that the next look finds done. Where that
//! needs a trace, the trace comes first: the intent before the create. Not here: which step (`akacert_core::life`), the writes to
//! CPS (`writes`).

mod looks;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use akamai_cps::{Client, Error as CpsError, Priority};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::context::Context;
use super::records::{self, RecordError};
use crate::cluster::PublishError;
use crate::process::failpoint;
use akacert_api::AkamaiCertificate;
use akacert_api::names::{
    CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION, FIELD_MANAGER, INTENT_ANNOTATION, RENEWAL_ANNOTATION,
};
use akacert_api::reason::Reason;
use akacert_core::account::Account;
use akacert_core::life::Step;
use akacert_core::life::forecast::Forecast;
use akacert_core::life::snapshot::{Acknowledged, ChangeReading, Memory, Reading};
use akacert_core::life::step::Warnings;
use akacert_core::published::SolverEndpoint;
use writes::{acknowledged, create, delete, looked_at_again_soon, update};

/// A step that failed: what to report, and when to try again.
#[derive(Debug)]
pub struct Trouble {
    /// What to report.
    pub reason: Reason,
    /// What to report.
    pub message: String,
    /// Whether a human has to do something.
    pub stalled: bool,
    /// When to try again, if not by the usual back-off.
    pub retry_after: Option<Duration>,
    /// The resource itself does not exist any more.
    pub gone: bool,
}

/// What a step works on.
pub struct Subject<'a> {
    /// The resource; replaced by what the API server answered to a write.
    pub certificate: &'a mut Arc<AkamaiCertificate>,
    /// Its account, where there is one.
    pub account: Option<&'a Arc<Account>>,
    /// A client with its credentials.
    pub client: Option<&'a Client>,
    /// The solver's ready replicas.
    pub solver: &'a [SolverEndpoint],
    /// What was read so far.
    pub memory: &'a mut Memory,
}

/// Does a step.
///
/// # Errors
/// [`Trouble`], to be reported; the same step is tried again later.
pub async fn perform(step: &Step, subject: &mut Subject<'_>, ctx: &Context) -> Result<(), Trouble> {
    match step {
        Step::Wait { .. } => Ok(()),
        Step::RecordIntent(intent) => {
            let intent = serde_json::to_string(intent).map_err(|error| internal(&error))?;
            record(subject, ctx, "record the intent", &[(INTENT_ANNOTATION, intent)]).await
        }
        Step::RecordEnrollment(id) => {
            record(subject, ctx, "record the enrollment", &[(ENROLLMENT_ID_ANNOTATION, id.to_string())]).await
        }
        Step::RecordRenewal(renewal) => {
            let renewal = serde_json::to_string(renewal).map_err(|error| internal(&error))?;
            record(subject, ctx, "record the renewal", &[(RENEWAL_ANNOTATION, renewal)]).await
        }
        Step::ForgetEnrollment => {
            let nothing = [(ENROLLMENT_ID_ANNOTATION, String::new()), (INTENT_ANNOTATION, String::new())];
            record(subject, ctx, "forget the enrollment", &nothing).await?;
            *subject.memory = Memory { generation: subject.memory.generation, ..Memory::default() };
            Ok(())
        }
        Step::RemoveFinalizer => remove_finalizer(subject, ctx).await,
        Step::Publish(write) | Step::HandOff(write) => {
            failpoint::reach("before publishing");
            let answer = ctx.publisher.perform(write).await;
            failpoint::reach("after publishing");
            ctx.metrics.api_write(&write.target().0.to_string(), answer.is_ok());
            Ok(answer?)
        }
        Step::Preflight(targets) => {
            looks::preflight(subject, ctx, targets).await;
            Ok(())
        }
        Step::Probe { tokens, elsewhere } => {
            looks::probe(subject, ctx, tokens, elsewhere).await;
            Ok(())
        }
        Step::CheckRecords(records) => {
            looks::records(subject, ctx, records).await;
            Ok(())
        }
        Step::WriteRecord(record) => {
            failpoint::reach("before writing a TXT record");
            let answer = records::write(record, subject.certificate, ctx).await;
            failpoint::reach("after writing a TXT record");
            answer?;
            subject.memory.written.insert(record.as_ref().clone(), Timestamp::now());
            Ok(())
        }
        Step::RemoveRecord(record) => {
            failpoint::reach("before removing a TXT record");
            let answer = records::remove(record, subject.certificate, ctx).await;
            failpoint::reach("after removing a TXT record");
            answer?;
            subject.memory.written.clear();
            subject.memory.removed.insert(record.as_ref().clone());
            Ok(())
        }
        Step::LookOutside { targets, fingerprint, served } => {
            let outlook = ctx.prober.look_outside(&ctx.dns, targets, served.then_some(fingerprint)).await;
            subject.memory.forecast =
                Some(Forecast { at: Timestamp::now(), fingerprint: fingerprint.clone(), outlook });
            Ok(())
        }
        other => cps_step(other, subject, ctx).await,
    }
}

async fn cps_step(step: &Step, subject: &mut Subject<'_>, ctx: &Context) -> Result<(), Trouble> {
    let account = subject.account.cloned().ok_or_else(no_account)?;
    let client = subject.client.cloned().ok_or_else(no_account)?;
    let uid = subject.certificate.uid().unwrap_or_default();
    let cps = |priority| client.with(priority, uid.as_str());
    let now = Timestamp::now();
    let memory = &mut *subject.memory;
    match step {
        Step::ListEnrollments { contract, after } => {
            let list = ctx.lists.get(&account.budget_group, contract, *after, &cps(Priority::Poll)).await?;
            let name = &subject.certificate.spec.common_name;
            let value =
                list.enrollments.iter().filter(|listed| listed.has_common_name(name)).cloned().collect();
            memory.list = Some(Reading { at: list.begun, value });
        }
        Step::Watch { contract, enrollment, after } => {
            let list =
                ctx.lists.get(&account.budget_group, contract, *after, &cps(Priority::Housekeeping)).await?;
            let ours = list.enrollments.iter().find(|listed| listed.enrollment_id() == Some(*enrollment));
            let value = match ours {
                Some(ours) => Some(ours.clone()),
                // Before anybody is told that it is gone.
                None => found(cps(Priority::Poll).get_enrollment(*enrollment).await)?,
            };
            memory.enrollment = Some(Reading { at: list.begun, value: value.map(Box::new) });
        }
        Step::ReadEnrollment(id) => {
            let value = found(cps(Priority::Poll).get_enrollment(*id).await)?.map(Box::new);
            memory.enrollment = Some(Reading { at: now, value });
        }
        Step::ReadChange(id, change_id) => {
            let change = found(cps(Priority::Poll).get_change(*id, *change_id).await)?;
            let before = memory.change.as_ref().filter(|before| before.id == *change_id);
            let unchanged = match before {
                Some(before) if before.change == change => before.unchanged.saturating_add(1),
                _ => 0,
            };
            if before.is_none() {
                // What belonged to the change before says nothing about this one.
                memory.challenges = None;
                memory.preflight = None;
                memory.probe = None;
                memory.records = None;
            }
            if unchanged == 0 {
                // What belonged to the change's previous step says nothing about this one.
                memory.warnings = None;
                memory.staged = None;
                memory.deployments = None;
                memory.deployment_reads = 0;
            }
            if change.as_ref().is_none_or(|change| change.status_info.is_cancelled()) {
                memory.enrollment = None;
            }
            memory.change = Some(ChangeReading { id: *change_id, at: now, change, unchanged });
        }
        Step::ReadChallenges(id, change) => {
            let dv = found(cps(Priority::Publish).get_dv_challenges(*id, *change).await)?;
            let value = Arc::new(dv.map(|challenges| challenges.dv).unwrap_or_default());
            memory.challenges = Some(Reading { at: now, value });
        }
        Step::ReadWarnings(id, change, which) => {
            let cps = cps(Priority::Poll);
            let answer = match which {
                Warnings::PreVerification => cps.get_pre_verification_warnings(*id, *change).await,
                Warnings::PostVerification => cps.get_post_verification_warnings(*id, *change).await,
            };
            let value = found(answer)?.unwrap_or_default();
            memory.warnings = Some(Reading { at: now, value });
        }
        Step::ReadStaged(id, change) => {
            let info = found(cps(Priority::Publish).get_change_management_info(*id, *change).await)?;
            let value = info.and_then(|info| info.validation_result_hash).unwrap_or_default();
            memory.staged = Some(Reading { at: now, value });
        }
        Step::ReadDeployments(id) => {
            let value = found(cps(Priority::Poll).get_deployments(*id).await)?.unwrap_or_default();
            memory.deployments = Some(Reading { at: now, value: Arc::new(value) });
            memory.deployment_reads = memory.deployment_reads.saturating_add(1);
        }
        Step::CreateEnrollment { contract, body } => {
            let generation = subject.certificate.metadata.generation.unwrap_or_default();
            create(&cps(Priority::Publish), contract, body, generation, memory).await?;
        }
        Step::Acknowledge { enrollment, change, proof } => {
            failpoint::reach("before the acknowledgement");
            let answer = cps(Priority::Publish).acknowledge_dv_challenges(*enrollment, *change).await;
            failpoint::reach("after the acknowledgement");
            acknowledged(answer)?;
            memory.acknowledged =
                Some(Acknowledged { change: *change, proof: proof.as_ref().clone(), at: now });
            looked_at_again_soon(memory, now);
        }
        Step::UpdateEnrollment(wanted) => {
            let generation = subject.certificate.metadata.generation.unwrap_or_default();
            update(&cps(Priority::Publish), wanted, generation, memory).await?;
        }
        Step::AcknowledgeWarnings(id, change, which) => {
            let cps = cps(Priority::Publish);
            failpoint::reach("before the acknowledgement of warnings");
            let answer = match which {
                Warnings::PreVerification => cps.acknowledge_pre_verification_warnings(*id, *change).await,
                Warnings::PostVerification => cps.acknowledge_post_verification_warnings(*id, *change).await,
            };
            failpoint::reach("after the acknowledgement of warnings");
            acknowledged(answer)?;
            memory.warnings = None;
            memory.warnings_told = Some(now);
            looked_at_again_soon(memory, now);
        }
        Step::AcknowledgeDeployment { enrollment, change, hash } => {
            failpoint::reach("before the acknowledgement of the deployment");
            let answer =
                cps(Priority::Publish).acknowledge_change_management(*enrollment, *change, hash).await;
            failpoint::reach("after the acknowledgement of the deployment");
            acknowledged(answer)?;
            memory.staged = None;
            memory.deployments = None;
            memory.deployment_told = Some(now);
            looked_at_again_soon(memory, now);
        }
        Step::Schedule(id, change, schedule) => {
            failpoint::reach("before the schedule");
            let answer = cps(Priority::Publish).set_deployment_schedule(*id, *change, schedule).await;
            failpoint::reach("after the schedule");
            acknowledged(answer)?;
            memory.enrollment = None;
            // As CPS shows it from now on, if it took it: the next look at the change tells.
            if let Some(change) = memory.change.as_mut().and_then(|reading| reading.change.as_mut()) {
                change.status_info.deployment_schedule = Some(schedule.clone());
            }
        }
        Step::DeleteEnrollment(id) => delete(&cps(Priority::Publish), *id, memory).await?,
        _ => {}
    }
    Ok(())
}

/// Sets our finalizer and annotations, on the very version that was looked at.
async fn record(
    subject: &mut Subject<'_>,
    ctx: &Context,
    what: &'static str,
    annotations: &[(&str, String)],
) -> Result<(), Trouble> {
    let mut finalizers = subject.certificate.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == CERTIFICATE_FINALIZER) {
        finalizers.push(CERTIFICATE_FINALIZER.to_owned());
    }
    let annotations: BTreeMap<_, _> = annotations.iter().cloned().collect();
    patch_metadata(subject, ctx, what, json!({"finalizers": finalizers, "annotations": annotations})).await
}

async fn remove_finalizer(subject: &mut Subject<'_>, ctx: &Context) -> Result<(), Trouble> {
    let mut finalizers = subject.certificate.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != CERTIFICATE_FINALIZER);
    patch_metadata(subject, ctx, "remove the finalizer", json!({"finalizers": finalizers})).await
}

async fn patch_metadata(
    subject: &mut Subject<'_>,
    ctx: &Context,
    what: &'static str,
    mut metadata: serde_json::Value,
) -> Result<(), Trouble> {
    let name = subject.certificate.name_any();
    let api: Api<AkamaiCertificate> =
        Api::namespaced(ctx.client.clone(), &subject.certificate.namespace().unwrap_or_default());
    metadata["resourceVersion"] = json!(subject.certificate.meta().resource_version);
    let patch = Patch::Merge(json!({"metadata": metadata}));
    failpoint::reach(&format!("before: {what}"));
    let answer = api
        .patch(
            &name,
            &PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() },
            &patch,
        )
        .await;
    failpoint::reach(&format!("after: {what}"));
    ctx.metrics.api_write(what, answer.is_ok());
    match answer {
        Ok(certificate) => {
            *subject.certificate = Arc::new(certificate);
            Ok(())
        }
        // Somebody else wrote first: look at what it is now, and decide again.
        Err(kube::Error::Api(status)) if status.is_conflict() => {
            let found = api.get(&name).await?;
            if found.uid() != subject.certificate.uid() {
                // Another resource of the same name: what was read and made is not its.
                return Err(Trouble { gone: true, ..kube::Error::Api(status).into() });
            }
            *subject.certificate = Arc::new(found);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// CPS's own "not found" is an answer, not an error.
fn found<T>(answer: Result<T, CpsError>) -> Result<Option<T>, CpsError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn no_account() -> Trouble {
    Trouble {
        reason: Reason::AccountNotReady,
        message: "The account went away while it was used".into(),
        stalled: false,
        retry_after: None,
        gone: false,
    }
}

fn internal(error: &dyn std::error::Error) -> Trouble {
    Trouble {
        reason: Reason::ClusterError,
        message: error.to_string(),
        stalled: false,
        retry_after: None,
        gone: false,
    }
}

impl From<CpsError> for Trouble {
    fn from(error: CpsError) -> Self {
        let reason = match &error {
            CpsError::Throttled { .. } => Reason::Throttled,
            error if error.is_unauthorized() || error.is_forbidden() => Reason::AccountNotReady,
            _ => Reason::CpsUnavailable,
        };
        Trouble {
            reason,
            retry_after: error.retry_after(),
            message: error.to_string(),
            stalled: false,
            gone: false,
        }
    }
}

impl From<PublishError> for Trouble {
    fn from(error: PublishError) -> Self {
        let (reason, stalled) = match &error {
            PublishError::Blocked(blocked) => blocked.reason(),
            _ => (Reason::ClusterError, false),
        };
        Trouble { reason, message: error.to_string(), stalled, retry_after: None, gone: false }
    }
}

impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Self {
        let (reason, stalled) = error.reason();
        Trouble { reason, message: error.to_string(), stalled, retry_after: error.retry_after(), gone: false }
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        let gone = matches!(&error, kube::Error::Api(status) if status.is_not_found());
        let message = match &error {
            kube::Error::Api(status) => format!("The Kubernetes API refused a request: {}", status.message),
            other => format!("The Kubernetes API cannot be reached: {other}"),
        };
        Trouble { reason: Reason::ClusterError, message, stalled: false, retry_after: None, gone }
    }
}
