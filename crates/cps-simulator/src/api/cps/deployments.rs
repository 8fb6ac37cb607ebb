//! Deployments: what staging and production serve.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::{App, answer, id, view};
use crate::api::{Problem, media};

pub(super) async fn list(
    State(service): App,
    Path(enrollment): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["deployments.v7", "deployments.v8"])?;
    let state = service.store.lock();
    let enrollment = state.enrollments.get(&id(&enrollment)?).ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, media_type, &view::deployments(enrollment, service.on_demand.quirks())))
}

pub(super) async fn read(
    State(service): App,
    Path((enrollment, network)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["deployment.v7", "deployment.v8"])?;
    let state = service.store.lock();
    let enrollment = state.enrollments.get(&id(&enrollment)?).ok_or_else(Problem::not_found)?;
    let deployment = match network.as_str() {
        "production" => &enrollment.production,
        "staging" => &enrollment.staging,
        _ => return Err(Problem::not_found()),
    };
    Ok(match deployment {
        Some(deployment) => {
            answer(StatusCode::OK, media_type, &view::deployment(deployment, service.on_demand.quirks()))
        }
        // CPS answers this 404 with an empty body.
        None => StatusCode::NOT_FOUND.into_response(),
    })
}
