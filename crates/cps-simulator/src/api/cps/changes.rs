//! Changes: status, challenges, acknowledgement, cancellation.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{App, Service, answer, id, view};
use crate::api::{Problem, media};
use crate::model::{Change, Offer, Step};

/// Reads or edits a change. A change that no longer exists is not found.
pub(super) fn find<T>(
    service: &Service,
    (enrollment, change): &(String, String),
    read: impl FnOnce(u64, &mut Change) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let enrollment = id(enrollment)?;
    service
        .store
        .update(enrollment, id(change)?, |change| read(enrollment, change))
        .ok_or_else(Problem::not_found)?
}

/// `change-id.v1`.
pub(super) fn change_id(enrollment: u64, change: u64) -> Value {
    json!({"change": view::change_link(enrollment, change)})
}

pub(super) async fn read(
    State(service): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change.v2"])?;
    let body = find(&service, &path, |e, change| Ok(view::change(e, change, service.on_demand.quirks())))?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

pub(super) async fn challenges(
    State(service): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["dv-challenges.v2"])?;
    let body = find(&service, &path, |_, change| {
        if change.step != Step::DomainValidation || change.domains.iter().all(|d| d.expires.is_none()) {
            return Err(Problem::not_found());
        }
        Ok(view::challenges(change, &service.config.dcv_host, service.on_demand.quirks()))
    })?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

pub(super) async fn acknowledge(
    State(service): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change-id.v1"])?;
    media::carried(&headers, &["acknowledgement.v1"])?;
    super::acknowledgement(&body)?;
    let body = proceed(&service, &path, Step::DomainValidation)?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

/// Accepts an acknowledgement of `step`, which the change must be in, and lets the change continue.
pub(super) fn proceed(service: &Service, path: &(String, String), step: Step) -> Result<Value, Problem> {
    let (enrollment, change) = find(service, path, |enrollment, change| {
        if change.step != step || change.offer != Offer::Open {
            return Err(Problem::wrong_state("The change does not await this input."));
        }
        change.offer = Offer::None;
        change.asked.acknowledged = true;
        Ok((enrollment, change.id))
    })?;
    service.drivers.wake(change);
    Ok(change_id(enrollment, change))
}

pub(super) async fn cancel(
    State(service): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change-id.v1"])?;
    let (enrollment, change) = find(&service, &path, |enrollment, change| {
        let too_late =
            matches!(change.step, Step::DeployProduction | Step::DeprovisionCert | Step::AbandonSlots);
        match (change.finished, too_late) {
            (true, _) => Err(Problem::not_found()),
            (_, true) => Err(Problem::wrong_state("The change can no longer be cancelled.")),
            _ => Ok((enrollment, change.id)),
        }
    })?;
    service.drivers.cancel(change);
    let mut state = service.store.lock();
    if let Some((owner, index)) = state.change_mut(enrollment, change) {
        let cancelled = owner.changes.remove(index);
        if let Some(previous) = cancelled.previous {
            owner.body = previous;
        }
        if !owner.ever_deployed() {
            state.enrollments.remove(&enrollment);
        }
    }
    Ok(answer(StatusCode::OK, media_type, &change_id(enrollment, change)))
}
