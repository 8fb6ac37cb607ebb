//! What comes before the API: faults, EdgeGrid signatures, request limits, the log of calls, and the form of errors.

mod auth;
mod calls;
mod limits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;
use tower::ServiceExt;

use crate::api::{EDGE_DNS, Problem, Query};
use crate::config::Config;
use crate::edge_dns::Refusal;
use crate::listeners::{NoAnswer, Peer};
use crate::on_demand::{FaultKind, OnDemand};
use auth::{Signed, Verifier};
pub use calls::Call;
pub(crate) use calls::Calls;
use calls::Entry;
use limits::Limits;

/// More than any enrollment with 100 names needs.
const MAX_REQUEST: usize = 1 << 20;

struct Gateway {
    config: Arc<Config>,
    verifier: Verifier,
    limits: Limits,
    on_demand: Arc<OnDemand>,
    calls: Arc<Calls>,
    api: Router,
}

/// Puts the gateway before the API, and logs every call in `calls`.
pub(crate) fn router(
    config: Arc<Config>,
    on_demand: Arc<OnDemand>,
    calls: Arc<Calls>,
    api: Router,
) -> Router {
    let verifier = Verifier::new(config.credentials.clone(), config.clock_skew);
    let gateway = Gateway { config, verifier, limits: Limits::default(), on_demand, calls, api };
    Router::new().fallback(handle).with_state(Arc::new(gateway))
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path_and_query = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let (method, host) = (parts.method.clone(), text(&parts, &header::HOST).to_owned());
    let account = Query::parse(parts.uri.query()).get("accountSwitchKey").map(str::to_owned);

    let fault = gateway.on_demand.faults.for_request(&method, &path_and_query);
    if let Some(FaultKind::Latency { milliseconds }) = fault {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    if fault == Some(FaultKind::ConnectionReset) {
        return no_answer();
    }
    let answer = match fault.as_ref().and_then(|fault| instead(fault, parts.uri.path())) {
        Some(answer) => answer,
        None => match to_bytes(body, MAX_REQUEST).await {
            Ok(body) => gateway.admit_and_call(parts, &host, account.as_deref(), body).await,
            Err(_) => Problem::invalid("The request body is too large or incomplete.").into_response(),
        },
    };
    let (mut parts, body) = written_out(answer, &host).into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let status = parts.status.as_u16();
    let account = account.as_deref();
    gateway.calls.record(&Entry {
        method: &method,
        path_and_query: &path_and_query,
        account,
        status,
        body: &body,
    });
    tracing::info!(%method, path = path_and_query, status, "call");
    if fault == Some(FaultKind::LostAnswer) {
        return no_answer();
    }
    parts.headers.insert(header::DATE, http_date());
    Response::from_parts(parts, Body::from(body))
}

impl Gateway {
    async fn admit_and_call(&self, parts: Parts, host: &str, account: Option<&str>, body: Bytes) -> Response {
        let signed = Signed {
            method: parts.method.as_str(),
            scheme: self.config.scheme(),
            host,
            path_and_query: parts.uri.path_and_query().map_or("/", |p| p.as_str()),
            body: &body,
            authorization: parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()),
        };
        if let Err(error) = self.verifier.verify(&signed, Timestamp::now()) {
            return self.refused(&parts, host, &error.to_string()).into_response();
        }
        if self.config.request_limits && parts.uri.path().starts_with("/cps/") {
            let account = account.unwrap_or("home");
            if let Err(wait) = self.limits.admit(account, Instant::now()) {
                return too_many_requests(account, wait).into_response();
            }
        }
        let request = Request::from_parts(parts, Body::from(body));
        match self.api.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn refused(&self, parts: &Parts, host: &str, detail: &str) -> Problem {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_string());
        Problem::unauthorized(
            detail,
            json!({
                "instance": format!("{}://{host}{}", self.config.scheme(), parts.uri),
                "method": parts.method.as_str(),
                "serverIp": self.config.listen.ip().to_string(),
                "clientIp": peer,
                "requestId": format!("{:08x}", rand::random::<u32>()),
                "requestTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            }),
        )
    }
}

fn text<'a>(parts: &'a Parts, name: &header::HeaderName) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The `Date` of an answer (RFC 9110). Clients subtract it from `X-RateLimit-Next`.
fn http_date() -> HeaderValue {
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&date).unwrap_or(HeaderValue::from_static(""))
}

fn no_answer() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(NoAnswer);
    response
}

fn too_many_requests(account: &str, wait: Duration) -> Problem {
    let next = Timestamp::now() + wait;
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::too_many_requests(account, seconds, &next.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// Fills in the problem that a response carries.
fn written_out(mut answer: Response, host: &str) -> Response {
    match answer.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.render(host),
        None => answer,
    }
}

/// The answer of a fault that replaces the call.
fn instead(fault: &FaultKind, path: &str) -> Option<Response> {
    match fault {
        FaultKind::TooManyRequests { seconds } => {
            Some(too_many_requests("home", Duration::from_secs(*seconds)).into_response())
        }
        FaultKind::BurstBlock => {
            let html = "<HTML><HEAD><TITLE>Bad Request</TITLE></HEAD><BODY><H1>Bad Request</H1>Your request was blocked by deny rule IPBLOCK-BURST4-54013</BODY></HTML>";
            let html_type = [(header::CONTENT_TYPE, "text/html")];
            Some((StatusCode::BAD_REQUEST, html_type, html).into_response())
        }
        FaultKind::LimitText { seconds } => {
            let next = Timestamp::now() + Duration::from_secs(*seconds);
            let next = next.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
            let text = format!(
                "Your request did not succeed as this operation has reached the limit for your account. Please try after {next}"
            );
            Some(
                (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "text/plain")], text)
                    .into_response(),
            )
        }
        FaultKind::ServerError { status } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let problem = Problem::server_error(status);
            Some(match path.starts_with(EDGE_DNS) {
                true => problem.of_edge_dns("serverError").into_response(),
                false => problem.into_response(),
            })
        }
        FaultKind::ConcurrentZoneModification => Some(Problem::from(Refusal::Concurrent).into_response()),
        FaultKind::Latency { .. }
        | FaultKind::LostAnswer
        | FaultKind::ConnectionReset
        | FaultKind::FailedAuthorization => None,
    }
}
