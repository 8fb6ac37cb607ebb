//! I/O: handles a resource that disappeared in spite of its finalizer, and left an enrollment in CPS that nobody
//! knows of.
//!
//! If an object has no finalizer when its deletion begins, the API server removes it at once, even if it gets a
//! finalizer meanwhile. A create can happen at that moment.

use akamai_cps::{Client, DeleteParams, Priority};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use akacert_api::AkamaiCertificate;
use akacert_api::names::{CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION};
use akacert_core::life::intent::Intent;
use akacert_core::life::memory::Memory;

/// The longest time that a deletion takes. One that began before there was a finalizer can end after the enrollment
/// was recorded.
const DELETION: SignedDuration = SignedDuration::from_secs(10);

/// Removes the enrollment of a resource that disappeared, if `deletionPolicy` asks for that. A recorded enrollment
/// stays unless the deletion raced with the finalizer. Otherwise somebody removed the finalizer by hand, and may want
/// to keep the enrollment.
pub async fn clean_up(certificate: &AkamaiCertificate, client: Option<&Client>, memory: &Memory) {
    let Some(taken) = &memory.enrollment.taken else { return };
    let id = taken.enrollment;
    let is_recorded = certificate.annotations().contains_key(ENROLLMENT_ID_ANNOTATION);
    if is_recorded && !vanished_at_once(certificate) {
        return;
    }
    let Some(client) = client.filter(|_| certificate.spec.deletes_enrollment()) else {
        tracing::warn!(enrollment = %id, "the resource was deleted during the create; its enrollment stays in CPS");
        return;
    };
    let cps = client.with(Priority::Publish, certificate.uid().unwrap_or_default());
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

/// Whether the finalizer is new, and nobody was seen to delete the resource while it had one.
fn vanished_at_once(certificate: &AkamaiCertificate) -> bool {
    let intent = certificate.annotations().get(INTENT_ANNOTATION);
    let intent = intent.and_then(|intent| serde_json::from_str::<Intent>(intent).ok());
    let is_new = intent.is_some_and(|intent| Timestamp::now().duration_since(intent.time) < DELETION);
    let is_held = certificate.finalizers().iter().any(|finalizer| finalizer == CERTIFICATE_FINALIZER);
    is_new && is_held && certificate.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use akacert_core::life::fixtures::Scene;

    fn created(age: i64) -> AkamaiCertificate {
        let mut scene = Scene::created();
        let mut intent: Intent =
            serde_json::from_str(&scene.certificate.annotations()[INTENT_ANNOTATION]).unwrap();
        intent.time = Timestamp::now() - SignedDuration::from_secs(age);
        scene.annotate(INTENT_ANNOTATION, &serde_json::to_string(&intent).unwrap());
        scene.certificate
    }

    #[test]
    fn only_what_was_recorded_a_moment_ago_and_vanished_without_a_deletion_fell_into_the_hole() {
        assert!(vanished_at_once(&created(1)));
        assert!(!vanished_at_once(&created(60)));
        let mut without_finalizer = created(1);
        without_finalizer.metadata.finalizers = None;
        assert!(!vanished_at_once(&without_finalizer));
        let mut being_deleted = created(1);
        being_deleted.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
        assert!(!vanished_at_once(&being_deleted));
    }
}
