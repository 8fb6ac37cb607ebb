//! The TLS port that stands for the edge. It serves the certificates in production, chosen by SNI.

use std::sync::Arc;

use axum::Router;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::tls;
use crate::model::{Deployment, Issued, Store};

struct BySni(Arc<Store>);

impl std::fmt::Debug for BySni {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BySni")
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let state = self.0.lock();
        let mut deployed = state.enrollments.values().filter_map(|e| e.production.as_ref());
        deployed.find(|d| covers(d, name)).and_then(|d| certified(&d.issued)).map(Arc::new)
    }
}

/// Whether a certificate covers `name`. A wildcard matches one label.
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

pub(crate) fn acceptor(store: Arc<Store>) -> Result<TlsAcceptor, rustls::Error> {
    let config = tls::builder()?.with_cert_resolver(Arc::new(BySni(store)));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Answers with a line that says who answers. Clients come for the certificate.
pub(crate) fn router() -> Router {
    Router::new().fallback(async || "This is the edge of the CPS simulator.\n")
}
