//! The listener for the kubelet and Prometheus (liveness, readiness, metrics), and for `kubectl port-forward` (the
//! log level).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::process::telemetry::LogFilter;

/// Whether the process is ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    registry: Arc<Registry>,
    log: LogFilter,
}

/// Serves `/healthz`, `/readyz`, `/metrics` and `/log` until shutdown.
///
/// # Errors
/// The address cannot be bound, or the listener fails.
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    registry: Registry,
    log: LogFilter,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = router(Admin { readiness, registry: Arc::new(registry), log })
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.cancelled().await }).await
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/log", get(logged).put(log))
        .with_state(admin)
}

async fn logged(State(admin): State<Admin>) -> String {
    admin.log.get() + "\n"
}

/// Accepts requests only from within the pod, which is where `kubectl port-forward` connects from. RBAC decides who
/// may forward ports.
async fn log(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    filter: String,
) -> (StatusCode, String) {
    if !peer.ip().to_canonical().is_loopback() {
        return (StatusCode::FORBIDDEN, "only from within the pod: use kubectl port-forward\n".into());
    }
    match admin.log.set(filter.trim()) {
        Ok(()) => (StatusCode::OK, admin.log.get() + "\n"),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    match admin.readiness.get() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not in sync with the cluster yet\n"),
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let mut body = String::new();
    match prometheus_client::encoding::text::encode(&mut body, &admin.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(admin: &Admin, method: &str, peer: &str, body: &'static str) -> (u16, String) {
        let mut request = Request::builder().method(method).uri("/log").body(Body::from(body)).unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router(admin.clone()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Returns the layer too, because the filter works only while its layer exists.
    fn admin() -> (Admin, impl Sized) {
        let (log, layer) = LogFilter::detached();
        (Admin { readiness: Readiness::default(), registry: Arc::default(), log }, layer)
    }

    #[tokio::test]
    async fn what_is_logged_is_changed_from_within_the_pod() {
        let (admin, _layer) = admin();
        let (status, _) = ask(&admin, "PUT", "127.0.0.1:9999", "info,akacert=debug\n").await;
        assert_eq!(status, 200);
        assert_eq!(ask(&admin, "GET", "192.0.2.1:9999", "").await, (200, "akacert=debug,info\n".into()));
    }

    #[tokio::test]
    async fn what_is_logged_is_not_changed_from_elsewhere() {
        let (admin, _layer) = admin();
        let (status, said) = ask(&admin, "PUT", "192.0.2.1:9999", "trace").await;
        assert_eq!((status, said.as_str()), (403, "only from within the pod: use kubectl port-forward\n"));
        assert_eq!(admin.log.get(), "info");
    }

    #[tokio::test]
    async fn what_is_no_filter_changes_nothing() {
        let (admin, _layer) = admin();
        let (status, said) = ask(&admin, "PUT", "[::1]:9999", "akacert=loud").await;
        assert_eq!(status, 400, "{said}");
        assert_eq!(admin.log.get(), "info");
    }
}
