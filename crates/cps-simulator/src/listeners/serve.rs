//! Serves a router on a port, with TLS or without, until the simulator stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// An extension of a response: end the connection instead of answering.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoAnswer;

/// An extension of a request: the caller's address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

#[derive(Debug, thiserror::Error)]
#[error("the connection ends without an answer")]
struct Dropped;

/// Accepts connections until `stop`; open ones may still finish their request.
pub(crate) fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    let (stop, tracker) = (stop.clone(), tasks.clone());
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // The process may be out of descriptors, for example. Other connections may close meanwhile.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Answers are small, and somebody waits for them. Delaying the last segment would only cost time.
            let _ = stream.set_nodelay(true);
            let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
            tracker.spawn(async move {
                let result = match tls {
                    None => connection(stream, peer, router, &stop).await,
                    Some(tls) => tokio::select! {
                        () = stop.cancelled() => return,
                        accepted = tls.accept(stream) => match accepted {
                            Ok(stream) => connection(stream, peer, router, &stop).await,
                            Err(error) => Err(error),
                        },
                    },
                };
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "connection ended");
                }
            });
        }
    });
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    stop: &CancellationToken,
) -> io::Result<()> {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let answer = router.clone().oneshot(request.map(Body::new));
        async move {
            let response: Response = match answer.await {
                Ok(response) => response,
                Err(never) => match never as Infallible {},
            };
            if response.extensions().get::<NoAnswer>().is_some() { Err(Dropped) } else { Ok(response) }
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(75));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    result.map_err(io::Error::other)
}
