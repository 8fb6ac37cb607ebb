//! The TLS port that stands for the edge: it serves the certificate deployed to production, chosen by SNI.

use std::sync::Arc;

use axum::Router;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::serve::tls_builder;
use crate::shared::{Shared, lock};
use crate::state::{Deployment, Issued};

struct BySni(Arc<Shared>);

impl std::fmt::Debug for BySni {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BySni")
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let state = lock(&self.0.state);
        let mut deployed = state.enrollments.values().filter_map(|e| e.production.as_ref());
        deployed.find(|d| covers(d, name)).and_then(|d| certified(&d.issued)).map(Arc::new)
    }
}

/// Whether a certificate is for `name`; a wildcard stands for one label.
fn covers(deployment: &Deployment, name: &str) -> bool {
    deployment.names.iter().any(|covered| match covered.strip_prefix("*.") {
        Some(base) => name.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(base)),
        None => covered.eq_ignore_ascii_case(name),
    })
}

fn certified(issued: &Issued) -> Option<CertifiedKey> {
    let pem = format!("{}\n{}", issued.certificate, issued.chain);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).ok()?;
    Some(CertifiedKey::new(chain.ok()?, any_supported_type(&key).ok()?))
}

/// The acceptor of the edge port.
pub(crate) fn acceptor(shared: Arc<Shared>) -> Result<TlsAcceptor, rustls::Error> {
    let config = tls_builder()?.with_cert_resolver(Arc::new(BySni(shared)));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Says who answers; the certificate is what counts.
pub(crate) fn router() -> Router {
    Router::new().fallback(async || "This is the edge of the CPS simulator.\n")
}
