//! The control endpoint: JSON without authentication, on a port of its own, for tests and trials.
//!
//! | Request | What it does |
//! |---|---|
//! | `POST /faults` | adds a [`Fault`](crate::Fault): `{"kind":"latency","milliseconds":500,"method":"GET","path":"/deployments","count":2}`; kinds: `latency`, `too-many-requests`, `burst-block`, `limit-text`, `server-error`, `concurrent-zone-modification`, `lost-answer`, `connection-reset`, `failed-authorization` (here `path` is part of the domain name) |
//! | `GET /faults`, `DELETE /faults` | the faults that nothing has met yet; removes them |
//! | `GET /calls`, `DELETE /calls` | the log of calls: `{"total":n,"waiting":n,"calls":[`[`Call`](crate::Call)`…]}`; resets it |
//! | `GET /quirks`, `PUT /quirks` | the [`Quirks`](crate::Quirks); replaces them |
//! | `POST /enrollments/{id}/rotate-tokens` | the change that awaits validation shows new tokens at once |
//! | `POST /enrollments/{id}/expire-challenges` | its challenges expire (`EXPIRED`); new tokens come after the gap |
//! | `POST /enrollments/{id}/renew` | begins a renewal now; 409 while a change is pending, and before the first deployment |
//! | `PUT /enrollments/{id}/renewal-start` | sets `autoRenewalStartTime` of the certificate in production to an RFC 3339 time; `null` goes back to the usual time |
//! | `POST /warnings` | adds a [`Warning`](crate::Warning): `{"name":"www","stage":"pre-verification","text":"…","count":1,"quirk":"not-found"}`; `name` is part of the common name; stages: `pre-verification`, `post-verification` (also for a removal); quirks: `not-found`, `empty`, `conflict` |
//! | `GET /warnings`, `DELETE /warnings` | the warnings that changes are still going to meet; removes them |
//! | `POST /seed` | makes many deployed enrollments at once: `{"contract":"C-1","count":1000,"name":"www{n}.example.com","names":2,"days":80}`; the answer has the first and the last ID |
//! | `PUT /enrollments/{id}/live` | `true` or `false`: whether its certificate counts as live on the network, which prevents a removal |
//! | `GET /edge-dns` | the zones of Edge DNS: `{"edge.test":{"type":"PRIMARY",…,"txt":{"_acme-challenge.edge.test":{"ttl":60,"rdata":["\"…\""]}}}}` |
//! | `PUT /edge-dns/{zone}`, `DELETE /edge-dns/{zone}` | adds a zone with a type such as `"PRIMARY"`; removes it |
//! | `PUT /edge-dns/{zone}/{name}`, `DELETE /edge-dns/{zone}/{name}` | writes a TXT record set as somebody else would: `{"ttl":60,"rdata":["\"…\""]}`. It goes to the name server too, but is not in the log of calls; removes it |
//! | `GET /dump`, `PUT /dump` | the whole state with keys and certificates; loads it, and goes on with its pending changes |
//! | `GET /root` | PEM of the simulator's own root, which signs if there is no ACME authority |
//! | `GET /healthz` | 200 |

mod changes;
mod dump;
mod edge_dns;
mod seed;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use crate::authority::OwnRoot;
use crate::edge_dns::EdgeDns;
use crate::gateway::Calls;
use crate::lifecycle::Drivers;
use crate::model::Store;
use crate::on_demand::{Fault, OnDemand, Quirks, Warning};

/// The parts of the simulator that the control endpoint uses.
#[derive(Clone)]
pub(crate) struct Control {
    pub store: Arc<Store>,
    pub drivers: Arc<Drivers>,
    pub edge_dns: Arc<EdgeDns>,
    pub on_demand: Arc<OnDemand>,
    pub calls: Arc<Calls>,
    pub own_root: Arc<OwnRoot>,
}

type App = State<Control>;

pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/calls", get(calls).delete(clear_calls))
        .route("/quirks", get(quirks).put(set_quirks))
        .route("/enrollments/{id}/rotate-tokens", post(changes::rotate))
        .route("/enrollments/{id}/expire-challenges", post(changes::expire))
        .route("/enrollments/{id}/live", put(changes::set_live))
        .route("/enrollments/{id}/renew", post(changes::renew))
        .route("/enrollments/{id}/renewal-start", put(changes::set_renewal_start))
        .route("/warnings", get(warnings).post(add_warning).delete(clear_warnings))
        .route("/seed", post(seed::seed))
        .route("/edge-dns", get(edge_dns::zones))
        .route("/edge-dns/{zone}", put(edge_dns::put_zone).delete(edge_dns::delete_zone))
        .route("/edge-dns/{zone}/{name}", put(edge_dns::put_txt).delete(edge_dns::delete_txt))
        .route("/dump", get(dump::dump).put(dump::load))
        .route("/root", get(root))
        .route("/healthz", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(256 << 20))
        .with_state(control)
}

async fn faults(State(control): App) -> Json<Vec<Fault>> {
    Json(control.on_demand.faults.list())
}

async fn add_fault(State(control): App, Json(fault): Json<Fault>) -> StatusCode {
    control.on_demand.faults.add(fault);
    StatusCode::CREATED
}

async fn clear_faults(State(control): App) -> StatusCode {
    control.on_demand.faults.clear();
    StatusCode::NO_CONTENT
}

async fn calls(State(control): App) -> Json<Value> {
    let calls = control.calls.list();
    let waiting = calls.iter().filter(|call| call.waiting).count();
    Json(json!({"total": calls.len(), "waiting": waiting, "calls": calls}))
}

async fn clear_calls(State(control): App) -> StatusCode {
    control.calls.clear();
    StatusCode::NO_CONTENT
}

async fn quirks(State(control): App) -> Json<Quirks> {
    Json(control.on_demand.quirks())
}

async fn set_quirks(State(control): App, Json(quirks): Json<Quirks>) -> StatusCode {
    control.on_demand.set_quirks(quirks);
    StatusCode::NO_CONTENT
}

async fn warnings(State(control): App) -> Json<Vec<Warning>> {
    Json(control.on_demand.warnings.list())
}

async fn add_warning(State(control): App, Json(warning): Json<Warning>) -> StatusCode {
    control.on_demand.warnings.add(warning);
    StatusCode::CREATED
}

async fn clear_warnings(State(control): App) -> StatusCode {
    control.on_demand.warnings.clear();
    StatusCode::NO_CONTENT
}

async fn root(State(control): App) -> String {
    control.own_root.pem()
}
