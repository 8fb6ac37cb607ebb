//! Changes: status, challenges, acknowledgement, cancellation.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{App, answer, id};
use crate::media;
use crate::problem::Problem;
use crate::shared::{Shared, lock};
use crate::state::{Change, Offer, Step};
use crate::view;

/// Reads a change, or says that it is not there (any more).
pub(super) fn find<T>(
    shared: &Shared,
    (enrollment, change): &(String, String),
    read: impl FnOnce(u64, &mut Change) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let enrollment = id(enrollment)?;
    shared
        .update(enrollment, id(change)?, |change| read(enrollment, change))
        .ok_or_else(Problem::not_found)?
}

/// `change-id.v1`.
pub(super) fn change_id(enrollment: u64, change: u64) -> Value {
    json!({"change": view::change_link(enrollment, change)})
}

pub(super) async fn read(
    State(shared): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change.v2"])?;
    let body = find(&shared, &path, |e, change| Ok(view::change(e, change, shared.quirks())))?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

pub(super) async fn challenges(
    State(shared): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["dv-challenges.v2"])?;
    let body = find(&shared, &path, |_, change| {
        if change.step != Step::DomainValidation || change.domains.iter().all(|d| d.expires.is_none()) {
            return Err(Problem::not_found());
        }
        Ok(view::challenges(change, &shared.config.dcv_host, shared.quirks()))
    })?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

pub(super) async fn acknowledge(
    State(shared): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change-id.v1"])?;
    media::carried(&headers, &["acknowledgement.v1"])?;
    super::acknowledgement(&body)?;
    let body = proceed(&shared, &path, Step::DomainValidation)?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

/// Takes an acknowledgement for the step a change is in, and lets it go on.
pub(super) fn proceed(shared: &Shared, path: &(String, String), step: Step) -> Result<Value, Problem> {
    let (enrollment, change) = find(shared, path, |enrollment, change| {
        if change.step != step || change.offer != Offer::Open {
            return Err(Problem::wrong_state("The change does not await this input."));
        }
        change.offer = Offer::None;
        change.asked.acknowledged = true;
        Ok((enrollment, change.id))
    })?;
    shared.wake(change);
    Ok(change_id(enrollment, change))
}

pub(super) async fn cancel(
    State(shared): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change-id.v1"])?;
    let (enrollment, change) = find(&shared, &path, |enrollment, change| {
        let too_late =
            matches!(change.step, Step::DeployProduction | Step::DeprovisionCert | Step::AbandonSlots);
        match (change.finished, too_late) {
            (true, _) => Err(Problem::not_found()),
            (_, true) => Err(Problem::wrong_state("The change can no longer be cancelled.")),
            _ => Ok((enrollment, change.id)),
        }
    })?;
    shared.cancel(change);
    let mut state = lock(&shared.state);
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
