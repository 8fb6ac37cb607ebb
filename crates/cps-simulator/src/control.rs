//! The control endpoint: JSON without authentication, on a listener of its own, for tests and trials.
//!
//! | Request | What it does |
//! |---|---|
//! | `POST /faults` | adds a [`Fault`]: `{"kind":"latency","milliseconds":500,"method":"GET","path":"/deployments","count":2}`; kinds: `latency`, `too-many-requests`, `burst-block`, `limit-text`, `server-error`, `concurrent-zone-modification`, `lost-answer`, `connection-reset`, `failed-authorization` (here `path` is part of the domain name) |
//! | `GET /faults`, `DELETE /faults` | the faults still to come; removes them |
//! | `GET /calls`, `DELETE /calls` | `{"total":n,"waiting":n,"calls":[`[`Call`](crate::Call)`…]}`; resets it |
//! | `GET /quirks`, `PUT /quirks` | the [`Quirks`] |
//! | `POST /enrollments/{id}/rotate-tokens` | new tokens at once, for the change that awaits validation |
//! | `POST /enrollments/{id}/expire-challenges` | its challenges expire: `EXPIRED`, then new tokens after the gap |
//! | `POST /enrollments/{id}/renew` | CPS begins a renewal now; 409 while a change is pending or before the first deployment |
//! | `PUT /enrollments/{id}/renewal-start` | an RFC 3339 time in place of the usual `autoRenewalStartTime` of what is in production; `null` goes back |
//! | `POST /warnings` | adds a [`Warning`]: `{"name":"www","stage":"pre-verification","text":"…","count":1,"quirk":"not-found"}`; `name` is part of the common name; stages: `pre-verification`, `post-verification` (also of a removal); quirks: `not-found`, `empty`, `conflict` |
//! | `GET /warnings`, `DELETE /warnings` | the warnings still to come; removes them |
//! | `POST /seed` | many deployed enrollments at once: `{"contract":"C-1","count":1000,"name":"www{n}.example.com","names":2,"days":80}`; answers the first and the last ID |
//! | `PUT /enrollments/{id}/live` | `true` or `false`: whether its certificate counts as live on the network |
//! | `GET /edge-dns` | the zones of Edge DNS: `{"edge.test":{"type":"PRIMARY",…,"txt":{"_acme-challenge.edge.test":{"ttl":60,"rdata":["\"…\""]}}}}` |
//! | `PUT /edge-dns/{zone}`, `DELETE /edge-dns/{zone}` | adds a zone with a type: `"PRIMARY"`; removes it |
//! | `PUT /edge-dns/{zone}/{name}`, `DELETE /edge-dns/{zone}/{name}` | somebody else's TXT record set, as `{"ttl":60,"rdata":["\"…\""]}`: on the name server as well, but no call of the API; removes it |
//! | `GET /dump`, `PUT /dump` | the whole state with keys and certificates; loading goes on with pending changes |
//! | `GET /root` | PEM of the simulator's own root, which signs when there is no ACME authority |
//! | `GET /healthz` | 200 |

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path};
use axum::routing::{get, post, put};
use axum::{Json, Router, extract};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::edge_dns::{self, Change, TxtSet, Writer, ZoneKind, Zones};
use crate::faults::Fault;
use crate::quirks::Quirks;
use crate::renewals;
use crate::seed::{self, Seed, Seeded};
use crate::shared::{Shared, lock};
use crate::state::{Asked, Enrollment, Offer, State, Step};
use crate::warnings::Warning;

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
        .route("/enrollments/{id}/renew", post(renew))
        .route("/enrollments/{id}/renewal-start", put(set_renewal_start))
        .route("/warnings", get(warnings).post(add_warning).delete(clear_warnings))
        .route("/seed", post(seed))
        .route("/edge-dns", get(edge_dns_zones))
        .route("/edge-dns/{zone}", put(put_zone).delete(delete_zone))
        .route("/edge-dns/{zone}/{name}", put(put_txt).delete(delete_txt))
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

async fn renew(extract::State(shared): App, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    renewals::begin(&shared, id).map(|()| StatusCode::NO_CONTENT).map_err(|refusal| match refusal {
        renewals::Refusal::Unknown => (StatusCode::NOT_FOUND, "no such enrollment\n"),
        renewals::Refusal::Pending => (StatusCode::CONFLICT, "a change of it is pending\n"),
        renewals::Refusal::NeverDeployed => (StatusCode::CONFLICT, "nothing of it is in production\n"),
    })
}

async fn set_renewal_start(
    extract::State(shared): App,
    Path(id): Path<u64>,
    Json(start): Json<Option<Timestamp>>,
) -> Result<StatusCode, Refusal> {
    let mut state = lock(&shared.state);
    let enrollment = state.enrollments.get_mut(&id).ok_or((StatusCode::NOT_FOUND, "no such enrollment\n"))?;
    enrollment.renewal_start = start;
    Ok(StatusCode::NO_CONTENT)
}

async fn warnings(extract::State(shared): App) -> Json<Vec<Warning>> {
    Json(shared.warnings.list())
}

async fn add_warning(extract::State(shared): App, Json(warning): Json<Warning>) -> StatusCode {
    shared.warnings.add(warning);
    StatusCode::CREATED
}

async fn clear_warnings(extract::State(shared): App) -> StatusCode {
    shared.warnings.clear();
    StatusCode::NO_CONTENT
}

async fn seed(
    extract::State(shared): App,
    Json(wanted): Json<Seed>,
) -> Result<Json<Seeded>, (StatusCode, String)> {
    // Signing takes a while, during which nobody should wait for the state.
    let last_id = lock(&shared.state).last_id;
    let mut made = State { last_id, ..State::default() };
    let seeded = seed::enrollments(&wanted, &shared.own_root, &mut made)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let mut state = lock(&shared.state);
    if state.last_id != last_id {
        return Err((StatusCode::CONFLICT, "something was created meanwhile\n".into()));
    }
    state.last_id = made.last_id;
    state.enrollments.append(&mut made.enrollments);
    Ok(Json(seeded))
}

async fn edge_dns_zones(extract::State(shared): App) -> Json<Zones> {
    Json(lock(&shared.state).edge_dns.clone())
}

async fn put_zone(
    extract::State(shared): App,
    Path(zone): Path<String>,
    Json(kind): Json<ZoneKind>,
) -> StatusCode {
    let contract = shared.config.contracts.first().map_or("", String::as_str);
    lock(&shared.state).edge_dns.add(&zone, kind, contract);
    StatusCode::NO_CONTENT
}

async fn delete_zone(extract::State(shared): App, Path(zone): Path<String>) -> StatusCode {
    let removed = lock(&shared.state).edge_dns.remove(&zone);
    if removed { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn put_txt(
    extract::State(shared): App,
    Path((zone, name)): Path<(String, String)>,
    Json(set): Json<TxtSet>,
) -> Result<StatusCode, (StatusCode, String)> {
    set_txt(&shared, &zone, &name, Some(set)).await
}

async fn delete_txt(
    extract::State(shared): App,
    Path((zone, name)): Path<(String, String)>,
) -> Result<StatusCode, (StatusCode, String)> {
    set_txt(&shared, &zone, &name, None).await
}

/// What somebody else does to a record set.
async fn set_txt(
    shared: &Arc<Shared>,
    zone: &str,
    name: &str,
    set: Option<TxtSet>,
) -> Result<StatusCode, (StatusCode, String)> {
    let change = || {
        let name = edge_dns::check_name(name, zone)?;
        Ok(Change { name, set: set.map(TxtSet::written_out).transpose()? })
    };
    let written = match change() {
        Ok(change) => edge_dns::write(shared, zone, Writer::Control, move |_| Ok(vec![change])).await,
        Err(refusal) => Err(refusal),
    };
    match written {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(refusal) => Err((StatusCode::BAD_REQUEST, format!("{refusal}\n"))),
    }
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
