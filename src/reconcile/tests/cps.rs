//! A CPS whose answers a test writes. It tells the API server of each call, so that both have one record.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::cluster::api_server::ApiServer;

/// Answers "METHOD path" and the body that was sent.
type Answers = dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync;

#[derive(Clone)]
struct Shared {
    api: ApiServer,
    answers: Arc<Answers>,
}

/// Starts it; answers its URL.
pub async fn start(
    api: &ApiServer,
    answers: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shared = Shared { api: api.clone(), answers: Arc::new(answers) };
    let router = Router::new().fallback(answer).with_state(shared);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn answer(State(shared): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    let call = format!("{method} {}", uri.path());
    shared.api.note(&call);
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (status, answer) = (shared.answers)(&call, &body);
    (StatusCode::from_u16(status).unwrap(), Json(answer)).into_response()
}

/// A refusal, as CPS writes it (RFC 9457).
pub fn problem(status: u16, kind: &str) -> (u16, Value) {
    (
        status,
        json!({"type": format!("/cps/v2/error-types/{kind}"), "title": "A fault of the test", "status": status}),
    )
}

/// CPS has taken a create or an update.
pub fn taken() -> (u16, Value) {
    let enrollment = "/cps/v2/enrollments/10002";
    (202, json!({"enrollment": enrollment, "changes": [format!("{enrollment}/changes/20003")]}))
}

/// The change of the enrollment, which waits for nothing that we could do.
pub fn change() -> (u16, Value) {
    let info = json!({"status": "wait-ev-cert", "state": "running", "description": "words of CPS"});
    (200, json!({"statusInfo": info, "allowedInput": []}))
}
