//! Sends events of `events.k8s.io/v1`. `akacert_core::events` decides which.

use akacert_core::events::{Event, Severity};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{self, EventType, Recorder};

/// Sends an event about an object.
///
/// # Errors
/// The API server refused it, or did not answer. The operator does not send a lost event again.
pub async fn publish(recorder: &Recorder, event: &Event, about: &ObjectReference) -> kube::Result<()> {
    let event = events::Event {
        type_: match event.severity {
            Severity::Normal => EventType::Normal,
            Severity::Warning => EventType::Warning,
        },
        reason: event.reason.clone(),
        note: Some(event.note.clone()),
        action: event.action.to_owned(),
        secondary: None,
    };
    recorder.publish(&event, about).await
}
