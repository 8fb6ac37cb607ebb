//! How a name looks from outside while nothing is published: whether it is ready for the next renewal, and with which
//! certificate it is served.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use futures::{FutureExt, StreamExt, stream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::fetch::{Answer, Location};
use super::{Cause, ProbeFailure, Prober};
use crate::dns::Dns;
use akacert_core::outside::{NameForecast, Served, Target};

/// The endings of edge hostnames (PAPI, "edge hostnames").
pub(super) const AKAMAI: [&str; 3] = [".edgekey.net", ".edgesuite.net", ".akamaized.net"];

/// The most aliases to follow to an edge hostname.
const MOST_ALIASES: usize = 8;

impl Prober {
    /// Checks names, several at a time. If a fingerprint is given (SHA-256, hexadecimal), it also checks the served
    /// certificate.
    pub async fn forecast(
        &self,
        dns: &Dns,
        targets: &[Target],
        fingerprint: Option<&str>,
    ) -> BTreeMap<String, NameForecast> {
        // Boxed: the compiler cannot prove the closure's future Send for every lifetime of a name.
        let looks: Vec<_> = targets
            .iter()
            .map(|target| {
                async move { (target.name.clone(), self.forecast_name(dns, target, fingerprint).await) }
                    .boxed()
            })
            .collect();
        stream::iter(looks).buffer_unordered(self.settings.concurrency.max(1)).collect().await
    }

    async fn forecast_name(&self, dns: &Dns, target: &Target, fingerprint: Option<&str>) -> NameForecast {
        // CPS validates wildcards only by DNS.
        let wildcard = target.is_wildcard();
        let automatic = !wildcard && self.is_at_akamai(&target.name).await;
        let failure = if automatic {
            self.caa_allows(dns, target).await.err()
        } else {
            self.look_ahead(dns, target).await.err()
        };
        let served = match fingerprint {
            // No host corresponds to a wildcard, so there is nothing to check.
            Some(_) if wildcard => Some(Served { failure: None, plain_http: false }),
            Some(fingerprint) => Some(Served {
                failure: self.serves(&target.name, fingerprint).await.err(),
                plain_http: self.plain_http(&target.name).await,
            }),
            None => None,
        };
        NameForecast { automatic, failure: failure.map(|failure| failure.to_string()), served }
    }

    /// Whether the name's aliases lead to an edge hostname. If the lookup fails, they do not.
    pub(super) async fn is_at_akamai(&self, name: &str) -> bool {
        let mut name = name.to_owned();
        for _ in 0..MOST_ALIASES {
            let lookup = tokio::time::timeout(self.settings.timeout, self.resolver.alias(&name)).await;
            let Ok(Ok(Some(alias))) = lookup else { return false };
            if AKAMAI.iter().any(|end| alias.ends_with(end)) {
                return true;
            }
            name = alias;
        }
        false
    }

    /// The address that serves the name.
    async fn edge(&self, name: &str) -> Result<SocketAddr, String> {
        if let Some(edge) = self.settings.edge {
            return Ok(edge);
        }
        let addresses = self.addresses(name).await.map_err(|failure| failure.to_string())?;
        let first: IpAddr = *addresses.first().ok_or_else(|| ProbeFailure::NoAddress.to_string())?;
        Ok(SocketAddr::new(first, self.settings.https_port))
    }

    /// Checks that a TLS handshake for the name presents the certificate with this fingerprint.
    async fn serves(&self, name: &str, fingerprint: &str) -> Result<(), String> {
        let edge = self.edge(name).await?;
        let presented = tokio::time::timeout(self.settings.timeout, self.presented(name, edge));
        match presented.await {
            Err(_) => Err(format!("{edge} did not answer in time")),
            Ok(None) => {
                Err(format!("no TLS handshake with {edge}: see that the name is on the Akamai network"))
            }
            Ok(Some(found)) if found == fingerprint => Ok(()),
            Ok(Some(_)) => Err(format!(
                "{edge} presents another certificate than the deployed one: see that the property uses this enrollment"
            )),
        }
    }

    /// The fingerprint of the certificate that a server presents for a name.
    async fn presented(&self, name: &str, edge: SocketAddr) -> Option<String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        let server = ServerName::try_from(name.to_owned()).ok()?;
        let stream = TcpStream::connect(edge).await.ok()?;
        let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await.ok()?;
        let leaf = stream.get_ref().1.peer_certificates()?.first()?;
        Some(HEXLOWER.encode(&Sha256::digest(leaf)))
    }

    /// Whether plain HTTP answers with something other than a redirect to HTTPS. No answer is fine.
    async fn plain_http(&self, name: &str) -> bool {
        let Ok(edge) = self.edge(name).await else { return false };
        let location = Location::http(name, "/", self.settings.http_port);
        match self.fetcher.get(&location, edge.ip()).await {
            Err(Cause::Unreachable | Cause::Timeout) => false,
            Ok(Answer::Redirect(Some(to))) => !to.starts_with("https://"),
            _ => true,
        }
    }
}

/// Accepts any certificate. The caller only compares it with the deployed one.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
