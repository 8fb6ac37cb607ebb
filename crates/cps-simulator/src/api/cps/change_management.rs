//! Change management: the certificate that waits on staging, and the acknowledgement that sends it to production.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{App, acknowledgement, answer, changes, id, view};
use crate::api::{Problem, media};
use crate::model::Step;

/// Answers as `change-management-info`, or in the form of a deployment.
pub(super) async fn read(
    State(service): App,
    Path((enrollment, change)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let offered = ["change-management-info.v5", "deployment.v7", "deployment.v8"];
    let media_type = media::accepted(&headers, &offered)?;
    let mut state = service.store.lock();
    let found = state.change_mut(id(&enrollment)?, id(&change)?);
    let (enrollment, index) = found.ok_or_else(Problem::not_found)?;
    match &enrollment.staging {
        Some(staging) if enrollment.changes[index].step == Step::AckChangeManagement => {
            let body = match media_type {
                "change-management-info.v5" => {
                    view::change_management(enrollment, staging, service.on_demand.quirks())
                }
                _ => view::deployment(staging, service.on_demand.quirks()),
            };
            Ok(answer(StatusCode::OK, media_type, &body))
        }
        _ => Err(Problem::not_found()),
    }
}

/// Accepts an acknowledgement with or without a hash, and refuses a stale hash.
pub(super) async fn acknowledge(
    State(service): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change-id.v1"])?;
    let carried = media::carried(&headers, &["acknowledgement.v1", "acknowledgement-with-hash.v1"])?;
    let acknowledgement = acknowledgement(&body)?;
    if carried == "acknowledgement-with-hash.v1" && acknowledgement["hash"] != view::NOTHING_TO_VALIDATE {
        return Err(Problem::wrong_state("The hash is not that of the present validation result."));
    }
    let body = changes::proceed(&service, &path, Step::AckChangeManagement)?;
    Ok(answer(StatusCode::OK, media_type, &body))
}
