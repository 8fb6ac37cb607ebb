//! I/O: writes annotations and the finalizer to the resource, and publishes objects for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use akacert_api::AkamaiCertificate;
use akacert_api::names::{
    CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION, FIELD_MANAGER, INTENT_ANNOTATION, RENEWAL_ANNOTATION,
};
use akacert_api::reason::Reason;
use akacert_core::life::answer::Answer;
use akacert_core::life::intent::{Intent, Renewal};
use akacert_core::published::{Write, slim};
use akamai_cps::types::EnrollmentId;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;

use super::{Context, Gone, Subject, fault};
use crate::process::failpoint;

/// Writes finalizer and intent, before the create.
pub(super) async fn record_intent(
    intent: &Intent,
    subject: &mut Subject<'_>,
    ctx: &Context,
) -> Result<Answer, Gone> {
    record(subject, ctx, "record the intent", &[(INTENT_ANNOTATION, json_of(intent))]).await
}

/// Writes the ID of our enrollment.
pub(super) async fn record_enrollment(
    id: EnrollmentId,
    subject: &mut Subject<'_>,
    ctx: &Context,
) -> Result<Answer, Gone> {
    let id = [(ENROLLMENT_ID_ANNOTATION, Ok(id.to_string()))];
    record(subject, ctx, "record the enrollment", &id).await
}

/// Writes which certificate a requested renewal replaces.
pub(super) async fn record_renewal(
    renewal: &Renewal,
    subject: &mut Subject<'_>,
    ctx: &Context,
) -> Result<Answer, Gone> {
    record(subject, ctx, "record the renewal", &[(RENEWAL_ANNOTATION, json_of(renewal))]).await
}

/// Writes that there is no enrollment of ours.
pub(super) async fn forget_enrollment(subject: &mut Subject<'_>, ctx: &Context) -> Result<Answer, Gone> {
    let nothing =
        [ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION].map(|annotation| (annotation, Ok(String::new())));
    record(subject, ctx, "forget the enrollment", &nothing).await
}

/// Lets the resource go.
pub(super) async fn remove_finalizer(subject: &mut Subject<'_>, ctx: &Context) -> Result<Answer, Gone> {
    let mut finalizers = subject.certificate.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != CERTIFICATE_FINALIZER);
    patch_metadata(subject, ctx, "remove the finalizer", json!({"finalizers": finalizers})).await
}

fn json_of(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value)
}

/// Applies or deletes one object.
pub(super) async fn publish(write: &Write, ctx: &Context) -> Answer {
    failpoint::reach("before publishing");
    let answer = ctx.publisher.perform(write).await;
    failpoint::reach("after publishing");
    ctx.metrics.api_write(&write.target().0.to_string(), answer.is_ok());
    answer.map_or_else(|error| Answer::Failed(fault::publish(&error)), |()| Answer::Done)
}

/// Sets our finalizer and annotations, on exactly the version that the decision saw.
async fn record(
    subject: &mut Subject<'_>,
    ctx: &Context,
    what: &'static str,
    annotations: &[(&str, serde_json::Result<String>)],
) -> Result<Answer, Gone> {
    let mut finalizers = subject.certificate.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == CERTIFICATE_FINALIZER) {
        finalizers.push(CERTIFICATE_FINALIZER.to_owned());
    }
    let mut values = BTreeMap::new();
    for (annotation, value) in annotations {
        match value {
            Ok(value) => values.insert(*annotation, value),
            Err(error) => {
                return Ok(Answer::Failed(fault::other(Reason::ClusterError, error.to_string())));
            }
        };
    }
    patch_metadata(subject, ctx, what, json!({"finalizers": finalizers, "annotations": values})).await
}

async fn patch_metadata(
    subject: &mut Subject<'_>,
    ctx: &Context,
    what: &'static str,
    mut metadata: serde_json::Value,
) -> Result<Answer, Gone> {
    let name = subject.certificate.name_any();
    let api: Api<AkamaiCertificate> =
        Api::namespaced(ctx.client.clone(), &subject.certificate.namespace().unwrap_or_default());
    metadata["resourceVersion"] = json!(subject.certificate.meta().resource_version);
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    failpoint::reach(&format!("before: {what}"));
    let answer = api.patch(&name, &params, &patch).await;
    failpoint::reach(&format!("after: {what}"));
    ctx.metrics.api_write(what, answer.is_ok());
    written(answer, subject.certificate, ctx).await
}

/// What the answer to a write of exactly the seen version means. The resource becomes the newest one that is known.
pub async fn written(
    answer: kube::Result<AkamaiCertificate>,
    certificate: &mut Arc<AkamaiCertificate>,
    ctx: &Context,
) -> Result<Answer, Gone> {
    match answer {
        Ok(mut written) => {
            slim(&mut written);
            *certificate = Arc::new(written);
            Ok(Answer::Done)
        }
        // Somebody else wrote first: read the new version and decide again.
        Err(error) if is_conflict(&error) => {
            let api: Api<AkamaiCertificate> =
                Api::namespaced(ctx.client.clone(), &certificate.namespace().unwrap_or_default());
            let mut found = match api.get_opt(&certificate.name_any()).await {
                Ok(found) => found.ok_or(Gone)?,
                Err(error) => return Ok(Answer::Failed(fault::cluster_fault(&error))),
            };
            if found.uid() != certificate.uid() {
                // This is another resource of the same name. Nothing that the operator read or made belongs to it.
                return Err(Gone);
            }
            if found.resource_version() == certificate.resource_version() {
                // Something other than the version was refused, and would be again.
                return Ok(Answer::Failed(fault::cluster_fault(&error)));
            }
            slim(&mut found);
            *certificate = Arc::new(found);
            Ok(Answer::Overtaken)
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Err(Gone),
        Err(error) => Ok(Answer::Failed(fault::cluster_fault(&error))),
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict())
}
