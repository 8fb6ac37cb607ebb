//! I/O: the resource is gone though its finalizer should have kept it, and CPS has an enrollment that nobody knows of.
//!
//! The API server removes an object at once when it had no finalizer at the beginning of the deletion, even if it has got
//! one meanwhile. A create can fall into that moment. Not here: how a resource ends otherwise (`crate::next`).

use akamai_cps::{DeleteParams, Priority};
use kube::ResourceExt;

use crate::act::Subject;
use crate::api::names::ENROLLMENT_ID_ANNOTATION;

/// Removes the enrollment that was made for a resource that is gone, if it was to be removed with the resource. An
/// enrollment that had been recorded is left alone: then somebody has taken the finalizer away, and may want it kept.
pub async fn clean_up(subject: &Subject<'_>) {
    let (certificate, Some(created)) = (&subject.certificate, &subject.memory.created) else { return };
    let id = created.enrollment;
    if certificate.annotations().contains_key(ENROLLMENT_ID_ANNOTATION) {
        return;
    }
    let Some(account) = subject.account.filter(|_| certificate.spec.deletes_enrollment()) else {
        tracing::warn!(enrollment = %id, "the resource was deleted during the create; its enrollment stays in CPS");
        return;
    };
    let cps = account.client.with(Priority::Publish, certificate.uid().unwrap_or_default());
    let params = DeleteParams { allow_cancel_pending_changes: true, ..DeleteParams::default() };
    match cps.delete_enrollment(id, &params).await {
        Ok(_) => {
            tracing::info!(enrollment = %id, "the resource was deleted during the create; so is its enrollment")
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => tracing::error!(
            enrollment = %id, %error,
            "the resource was deleted during the create, and its enrollment could not be: remove it in Akamai Control Center"
        ),
    }
}
