//! The control endpoint: JSON without authentication, on a listener of its own, for tests and trials.
//!
//! | Request | What it does |
//! |---|---|
//! | `POST /faults` | adds a [`Fault`]: `{"kind":"latency","milliseconds":500,"method":"GET","path":"/deployments","count":2}`; kinds: `latency`, `too-many-requests`, `burst-block`, `limit-text`, `server-error`, `lost-answer`, `connection-reset`, `failed-authorization` (here `path` is part of the domain name) |
//! | `GET /faults`, `DELETE /faults` | the faults still to come; removes them |
//! | `GET /calls`, `DELETE /calls` | `{"total":n,"waiting":n,"calls":[`[`Call`](crate::Call)`…]}`; resets it |
//! | `GET /quirks`, `PUT /quirks` | the [`Quirks`] |
//! | `POST /enrollments/{id}/rotate-tokens` | new tokens at once, for the change that awaits validation |
//! | `POST /enrollments/{id}/expire-challenges` | its challenges expire: `EXPIRED`, then new tokens after the gap |
//! | `PUT /enrollments/{id}/live` | `true` or `false`: whether its certificate counts as live on the network |
//! | `GET /dump`, `PUT /dump` | the whole state with keys and certificates; loading goes on with pending changes |
//! | `GET /root` | PEM of the simulator's own root, which signs when there is no ACME authority |
//! | `GET /healthz` | 200 |

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path};
use axum::routing::{get, post, put};
use axum::{Json, Router, extract};
use http::StatusCode;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::quirks::Quirks;
use crate::shared::{Shared, lock};
use crate::state::{Asked, Enrollment, Offer, State, Step};

type App = extract::State<Arc<Shared>>;

/// The control endpoint's routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/calls", get(calls).delete(clear_calls))
        .route("/quirks", get(quirks).put(set_quirks))
        .route("/enrollments/{id}/rotate-tokens", post(rotate))
        .route("/enrollments/{id}/expire-challenges", post(expire))
        .route("/enrollments/{id}/live", put(set_live))
        .route("/dump", get(dump).put(load))
        .route("/root", get(root))
        .route("/healthz", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(256 << 20))
        .with_state(shared)
}

async fn faults(extract::State(shared): App) -> Json<Vec<Fault>> {
    Json(shared.faults.list())
}

async fn add_fault(extract::State(shared): App, Json(fault): Json<Fault>) -> StatusCode {
    shared.faults.add(fault);
    StatusCode::CREATED
}

async fn clear_faults(extract::State(shared): App) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

async fn calls(extract::State(shared): App) -> Json<Value> {
    let calls = shared.calls.list();
    let waiting = calls.iter().filter(|call| call.waiting).count();
    Json(json!({"total": calls.len(), "waiting": waiting, "calls": calls}))
}

async fn clear_calls(extract::State(shared): App) -> StatusCode {
    shared.calls.clear();
    StatusCode::NO_CONTENT
}

async fn quirks(extract::State(shared): App) -> Json<Quirks> {
    Json(shared.quirks())
}

async fn set_quirks(extract::State(shared): App, Json(quirks): Json<Quirks>) -> StatusCode {
    *lock(&shared.quirks) = quirks;
    StatusCode::NO_CONTENT
}

type Refusal = (StatusCode, &'static str);

/// Asks the change that shows tokens for something.
fn ask(shared: &Shared, enrollment: u64, what: impl FnOnce(&mut Asked)) -> Result<StatusCode, Refusal> {
    let change = {
        let mut state = lock(&shared.state);
        let changes = state.enrollments.get_mut(&enrollment).map(|e: &mut Enrollment| &mut e.changes);
        let awaiting = changes
            .into_iter()
            .flatten()
            .find(|change| change.offer == Offer::Open && change.step == Step::DomainValidation);
        let change = awaiting.ok_or((StatusCode::CONFLICT, "no change of it awaits published tokens\n"))?;
        what(&mut change.asked);
        change.id
    };
    shared.wake(change);
    Ok(StatusCode::NO_CONTENT)
}

async fn rotate(extract::State(shared): App, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    ask(&shared, id, |asked| asked.rotate = true)
}

async fn expire(extract::State(shared): App, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    ask(&shared, id, |asked| asked.expire = true)
}

async fn set_live(
    extract::State(shared): App,
    Path(id): Path<u64>,
    Json(live): Json<bool>,
) -> Result<StatusCode, Refusal> {
    let mut state = lock(&shared.state);
    let enrollment = state.enrollments.get_mut(&id).ok_or((StatusCode::NOT_FOUND, "no such enrollment\n"))?;
    enrollment.live = live;
    Ok(StatusCode::NO_CONTENT)
}

async fn dump(extract::State(shared): App) -> Json<State> {
    Json(lock(&shared.state).clone())
}

async fn load(extract::State(shared): App, Json(state): Json<State>) -> StatusCode {
    shared.load(state);
    StatusCode::NO_CONTENT
}

async fn root(extract::State(shared): App) -> String {
    shared.own_root.pem()
}
