//! Listeners: binding, TLS, connections, and their end. What is answered is up to the routers.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::config::TlsFiles;

/// Put into a response's extensions: end the connection instead of answering.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoAnswer;

/// Put into a request's extensions: who called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

#[derive(Debug, thiserror::Error)]
#[error("the connection ends without an answer")]
struct Dropped;

/// A TLS certificate and key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read as PEM.
    #[error("cannot read {path}: {source}")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The two do not fit together.
    #[error("cannot use the TLS certificate and key: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The aws-lc-rs provider as a TLS server configuration's start.
pub(crate) fn tls_builder()
-> Result<rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth())
}

/// The acceptor for a certificate and key from files.
pub(crate) fn tls_acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let wrap = |path: &Path| {
        let path = path.display().to_string();
        move |source| TlsError::Pem { path, source }
    };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect).map_err(wrap(&files.cert))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(wrap(&files.key))?;
    let config = tls_builder()?.with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections until `stop`, then lets those that are open finish their request.
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
                    // Out of descriptors, for instance: others may be closed meanwhile.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Answers are small and awaited; a delayed last segment only costs time.
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
