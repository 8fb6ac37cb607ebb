//! How a name looks from outside while nothing is published.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use akacert_core::outside::{NameForecast, Need, Served, Target};

use super::{Dns, Names, Prober, Reply, at, dns_of, fake, names, no_dns, prober, serve, settings};

async fn look(prober: &Prober, name: &str, fingerprint: Option<&str>) -> NameForecast {
    look_at(prober, &no_dns().await, name, Need::Http, fingerprint).await
}

async fn look_at(
    prober: &Prober,
    dns: &Dns,
    name: &str,
    need: Need,
    fingerprint: Option<&str>,
) -> NameForecast {
    let target = Target { name: name.to_owned(), need };
    prober.forecast(dns, &[target], fingerprint).await.remove(name).unwrap()
}

async fn answering(text: &'static str) -> u16 {
    serve("127.0.0.1", 0, move |_| Reply::Send(text.into())).await
}

#[tokio::test]
async fn a_name_that_answers_on_port_80_is_ready_whatever_it_says() {
    let port = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let forecast = look(&prober(settings(port), names()), "www.example.com", None).await;
    assert_eq!(forecast, NameForecast { automatic: false, failure: None, served: None });
}

#[tokio::test]
async fn a_name_that_does_not_resolve_would_fail() {
    let forecast = look(&prober(settings(1), names()), "gone.example.com", None).await;
    let failure = forecast.failure.unwrap();
    assert!(failure.starts_with("the name has neither an A nor an AAAA record"), "{failure}");
}

#[tokio::test]
async fn each_address_of_a_name_has_to_answer() {
    let port = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    // Nothing listens at the second address.
    let two = Names(HashMap::from([("www.example.com", at(&["127.0.0.1", "127.0.0.9"]))]));
    let forecast = look(&prober(settings(port), two), "www.example.com", None).await;
    let failure = forecast.failure.unwrap();
    assert!(
        failure.starts_with("the A record leads to 127.0.0.9, which cannot be reached on port 80"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_name_whose_aliases_lead_to_an_edge_hostname_is_validated_by_cps() {
    let prober = prober(settings(1), names());
    assert!(look(&prober, "cdn.example.com", None).await.automatic);
    assert!(!look(&prober, "turning.example.com", None).await.automatic);
}

#[tokio::test]
async fn a_name_is_looked_at_as_its_way_of_validation_needs_it() {
    let port = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let (prober, dns) = (prober(settings(port), names()), no_dns().await);
    let failure = async |need| look_at(&prober, &dns, "www.example.com", need, None).await.failure;
    assert_eq!(failure(Need::Http).await, None);
    let redirect = failure(Need::Redirect { host: "dcv.akamai.com".into() }).await.unwrap();
    assert!(redirect.contains("at http://dcv.akamai.com"), "{redirect}");
    let zone = failure(Need::Dns).await.unwrap();
    assert!(zone.starts_with("there is no DNS zone for the name"), "{zone}");
    let edge = failure(Need::Edge).await.unwrap();
    assert!(edge.starts_with("the name is no CNAME that leads to an edge hostname"), "{edge}");
}

#[tokio::test]
async fn caa_records_for_another_authority_concern_a_name_at_akamai_too() {
    let dns = dns_of(|_| fake::Reply::Has(vec![fake::caa(0, "issue", "digicert.com")])).await;
    let forecast = look_at(&prober(settings(1), names()), &dns, "cdn.example.com", Need::Edge, None).await;
    assert!(forecast.automatic);
    let failure = forecast.failure.unwrap();
    assert!(failure.starts_with("CAA records at cdn.example.com allow none of letsencrypt.org"), "{failure}");
}

#[tokio::test]
async fn a_wildcard_is_no_host_that_could_be_looked_at() {
    let forecast =
        look_at(&prober(settings(1), names()), &no_dns().await, "*.example.com", Need::Dns, Some("00ff"))
            .await;
    assert_eq!(forecast.served, Some(Served { failure: None, plain_http: false }));
    assert!(!forecast.automatic);
}

/// A TLS server with its own certificate. Returns the port and the certificate's fingerprint.
async fn tls_server() -> (u16, String) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["www.example.com".into()]).unwrap().self_signed(&key).unwrap();
    let fingerprint = HEXLOWER.encode(&Sha256::digest(certificate.der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(stream).await.map(drop) });
        }
    });
    (port, fingerprint)
}

async fn served(http: &'static str, fingerprint: Option<&str>) -> Served {
    let (https_port, deployed) = tls_server().await;
    let settings = super::ProbeSettings { https_port, ..settings(answering(http).await) };
    let fingerprint = fingerprint.map_or(deployed, str::to_owned);
    look(&prober(settings, names()), "www.example.com", Some(&fingerprint)).await.served.unwrap()
}

const TO_HTTPS: &str =
    "HTTP/1.1 301 Moved\r\nlocation: https://www.example.com/\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_name_that_presents_the_deployed_certificate_is_served() {
    assert_eq!(served(TO_HTTPS, None).await, Served { failure: None, plain_http: false });
}

#[tokio::test]
async fn a_name_that_presents_another_certificate_is_not_served() {
    let failure = served(TO_HTTPS, Some("00ff")).await.failure.unwrap();
    assert!(failure.contains("presents another certificate than the deployed one"), "{failure}");
}

#[tokio::test]
async fn a_name_without_tls_is_not_served() {
    let port = answering(TO_HTTPS).await;
    // Nothing listens there.
    let settings = super::ProbeSettings { https_port: 1, ..settings(port) };
    let forecast = look(&prober(settings, names()), "www.example.com", Some("00ff")).await;
    let failure = forecast.served.unwrap().failure.unwrap();
    assert!(failure.starts_with("no TLS handshake with 127.0.0.1:"), "{failure}");
}

#[tokio::test]
async fn plain_http_that_is_not_redirected_to_https_is_told() {
    for (answer, plain) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
        ("HTTP/1.1 301 Moved\r\nlocation: http://www.example.com/x\r\ncontent-length: 0\r\n\r\n", true),
        (TO_HTTPS, false),
    ] {
        assert_eq!(served(answer, None).await.plain_http, plain, "{answer}");
    }
}
