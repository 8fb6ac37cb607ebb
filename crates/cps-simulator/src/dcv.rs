//! The token server that stands for `dcv.akamai.com`: clients redirect token requests to it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::StatusCode;

use crate::shared::{Shared, lock};

/// Answers any host.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/.well-known/acme-challenge/{token}", get(token)).with_state(shared)
}

async fn token(
    State(shared): State<Arc<Shared>>,
    Path(token): Path<String>,
) -> Result<String, (StatusCode, &'static str)> {
    lock(&shared.state).token_body(&token).ok_or((StatusCode::NOT_FOUND, "no such token\n"))
}
