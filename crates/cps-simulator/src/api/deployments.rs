//! Deployments: what is on staging and production.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::{App, answer, id};
use crate::media;
use crate::problem::Problem;
use crate::shared::lock;
use crate::view;

pub(super) async fn list(
    State(shared): App,
    Path(enrollment): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["deployments.v7", "deployments.v8"])?;
    let state = lock(&shared.state);
    let enrollment = state.enrollments.get(&id(&enrollment)?).ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, media_type, &view::deployments(enrollment, shared.quirks())))
}

pub(super) async fn read(
    State(shared): App,
    Path((enrollment, network)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["deployment.v7", "deployment.v8"])?;
    let state = lock(&shared.state);
    let enrollment = state.enrollments.get(&id(&enrollment)?).ok_or_else(Problem::not_found)?;
    let deployment = match network.as_str() {
        "production" => &enrollment.production,
        "staging" => &enrollment.staging,
        _ => return Err(Problem::not_found()),
    };
    Ok(match deployment {
        Some(deployment) => {
            answer(StatusCode::OK, media_type, &view::deployment(deployment, shared.quirks()))
        }
        // CPS answers this 404 with an empty body.
        None => StatusCode::NOT_FOUND.into_response(),
    })
}
