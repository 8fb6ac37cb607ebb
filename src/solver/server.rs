//! The solver's HTTP server. The Internet reaches it through the Ingress controller, so everything about it has a
//! limit.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::index::{Challenges, Found, normalised};
use super::metrics::{Outcome, SolverMetrics};
use crate::process::admin::Readiness;

#[derive(Clone, Debug)]
pub struct Limits {
    /// The most connections at a time. Further ones wait in the kernel.
    pub connections: usize,
    /// The longest wait for a request's head, on a new or idle connection.
    pub head_timeout: Duration,
    /// The longest life of a connection. A request in progress still gets its answer.
    pub connection_lifetime: Duration,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
    /// The most header fields of a request.
    pub headers: usize,
    /// How long the server keeps accepting after a shutdown begins. It is no longer ready then, and traffic moves
    /// away.
    pub drain: Duration,
    /// How long it waits after that for connections to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_timeout: Duration::from_secs(10),
            connection_lifetime: Duration::from_secs(300),
            head_bytes: 16 * 1024,
            headers: 64,
            drain: Duration::from_secs(3),
            grace: Duration::from_secs(3),
        }
    }
}

/// Answers challenges until shutdown, and then for as long as the limits allow.
pub async fn serve(
    listener: TcpListener,
    challenges: Challenges,
    metrics: SolverMetrics,
    limits: Limits,
    readiness: Readiness,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let closing = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut end = pin!(async {
        shutdown.cancelled().await;
        readiness.set(false);
        tokio::time::sleep(limits.drain).await;
    });
    loop {
        let accepted = async {
            // Take a slot first, so as not to accept a connection that cannot be served.
            let slot = slots.clone().acquire_owned().await;
            (listener.accept().await, slot)
        };
        tokio::select! {
            () = &mut end => break,
            (accepted, slot) = accepted => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, challenges.clone(), metrics.clone(), limits.clone(), closing.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // The process is probably out of file descriptors. Accepting again at once would only burn CPU.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    closing.cancel();
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, all).await.is_err() {
        tracing::warn!("connections are cut off by the shutdown");
    }
}

async fn connection(
    stream: TcpStream,
    challenges: Challenges,
    metrics: SolverMetrics,
    limits: Limits,
    closing: CancellationToken,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &challenges, &metrics);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_headers(limits.headers)
            .max_buf_size(limits.head_bytes)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = closing.cancelled() => None,
        () = tokio::time::sleep(limits.connection_lifetime) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.grace, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

enum Reply {
    Body(Bytes),
    Redirect(HeaderValue),
    NotFound,
}

/// A known host and path get exactly the body. Any other challenge of a redirected host is redirected to CPS.
/// Everything else gets 404.
fn respond<B: Body>(
    request: &Request<B>,
    challenges: &Challenges,
    metrics: &SolverMetrics,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let (outcome, reply) = match requested_host(request) {
        Some(host) if matches!(*request.method(), Method::GET | Method::HEAD) => {
            let host = normalised(&host);
            match challenges.find(&host, path) {
                Found::Answer(body) => {
                    tracing::info!(%host, path, method = %request.method(), "a challenge was answered");
                    (Outcome::served, Reply::Body(body))
                }
                Found::Redirect(to) => match HeaderValue::from_str(&format!("http://{to}{path}")) {
                    Ok(location) => {
                        tracing::info!(%host, path, "a challenge was redirected");
                        (Outcome::redirected, Reply::Redirect(location))
                    }
                    Err(_) => (Outcome::unknown_path, Reply::NotFound),
                },
                Found::UnknownPath => (Outcome::unknown_path, Reply::NotFound),
                Found::UnknownHost => (Outcome::unknown_host, Reply::NotFound),
            }
        }
        _ => (Outcome::refused, Reply::NotFound),
    };
    metrics.count(outcome);
    let mut response = match reply {
        Reply::Body(body) => Response::new(Full::new(body)),
        Reply::Redirect(location) => {
            let mut response = Response::new(Full::new(Bytes::new()));
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Reply::NotFound => {
            tracing::debug!(path, ?outcome, "there is no answer to a request");
            let mut response = Response::new(Full::new(Bytes::from_static(b"not found")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !request.body().is_end_stream() {
        // The server never reads a body, so it cannot read another request after it.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The host that a request is for: from an absolute URI, otherwise from the only `Host` header (RFC 9112, section
/// 3.2).
fn requested_host<B>(request: &Request<B>) -> Option<Cow<'_, str>> {
    if let Some(host) = request.uri().host() {
        return Some(Cow::Borrowed(host));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    let authority = Authority::from_str(host.to_str().ok()?).ok()?;
    Some(Cow::Owned(authority.host().to_owned()))
}
