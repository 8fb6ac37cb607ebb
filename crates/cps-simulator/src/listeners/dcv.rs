//! The token server that stands for `dcv.akamai.com`: clients redirect requests for tokens to it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::StatusCode;

use crate::model::Store;

/// Answers for any host.
pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new().route("/.well-known/acme-challenge/{token}", get(token)).with_state(store)
}

async fn token(
    State(store): State<Arc<Store>>,
    Path(token): Path<String>,
) -> Result<String, (StatusCode, &'static str)> {
    store.lock().token_body(&token).ok_or((StatusCode::NOT_FOUND, "no such token\n"))
}
