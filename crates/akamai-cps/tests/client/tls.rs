//! HTTPS: which servers the client trusts, and the signature over the `Host` that it sends.

use std::sync::{Arc, Mutex};

use akamai_cps::edgegrid::{Authorization, Message, verify};
use akamai_cps::{Error, Priority};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::server::{builder, credentials};

/// An HTTPS server for `localhost` that answers every request with an empty list, and keeps the head of the last one.
/// Returns its URL, its certificate authority (PEM) and the head.
async fn tls_server() -> (String, String, Arc<Mutex<String>>) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new([]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let head = Arc::new(Mutex::new(String::new()));
    let seen = head.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // The handshake fails here if the client does not trust the server.
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(connection.read_u8().await.unwrap());
            }
            *seen.lock().unwrap() = String::from_utf8(request).unwrap();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]";
            connection.write_all(answer.as_bytes()).await.unwrap();
            let _ = connection.shutdown().await;
        }
    });
    (url, authority_pem, head)
}

#[tokio::test]
async fn a_server_of_an_additional_authority_is_trusted_and_its_host_is_signed() {
    let (url, authority, head) = tls_server().await;
    let client = builder(&url).root_certificate_pem(authority).build().unwrap();
    client.with(Priority::Poll, "uid").list_contracts().await.unwrap();

    let head = head.lock().unwrap().clone();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let message = Message {
        method: "GET",
        scheme: "https",
        host: header("host: "),
        path_and_query: head.split(' ').nth(1).unwrap(),
        body: b"",
    };
    assert_eq!(message.host, url.strip_prefix("https://").unwrap());
    let authorization = Authorization::parse(header("authorization: ")).unwrap();
    assert_eq!(verify(&credentials(), &message, &authorization), Ok(()));
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_unreachable_and_the_reason_is_named() {
    let (url, _, _) = tls_server().await;
    let error =
        builder(&url).build().unwrap().with(Priority::Poll, "uid").list_contracts().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("invalid peer certificate: UnknownIssuer"), "{error}");
}
