//! The servers and clients of the tests: wiremock for answers, and a bare socket for connections that break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use akamai_cps::edgegrid::{Authorization, Message, verify};
use akamai_cps::types::{ContractId, Csr, Enrollment, EnrollmentStatus, NetworkConfiguration};
use akamai_cps::{Budget, Client, ClientBuilder, Cps, Credentials, Error, Priority};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wiremock::{MockServer, Request};

pub const PROBLEM: &str = "application/problem+json";

pub fn credentials() -> Credentials {
    let host = "akab-test.luna.akamaiapis.net";
    Credentials::new(host, "akab-client-token", "client-secret-value", "akab-access-token").unwrap()
}

pub fn builder(url: &str) -> ClientBuilder {
    Client::builder(credentials()).base_url(url).budget(Budget::unlimited()).timeout(Duration::from_secs(10))
}

/// The operations against a server.
pub fn cps(server: &MockServer) -> Cps {
    builder(&server.uri()).build().unwrap().with(Priority::Poll, "uid")
}

pub async fn create(cps: &Cps) -> Result<EnrollmentStatus, Error> {
    cps.create_enrollment(&ContractId::new("ctr_1-1TJZH5"), &enrollment(), &Default::default()).await
}

pub fn enrollment() -> Enrollment {
    let csr = Csr { cn: "www.example.com".into(), ..Csr::default() };
    Enrollment::domain_validated(csr, NetworkConfiguration::new("core", "enhanced-tls", true))
}

/// Checks the signature of a received request against its `Host`, and returns its nonce.
pub fn verified_nonce(request: &Request) -> String {
    let header = request.headers["authorization"].to_str().unwrap();
    let authorization = Authorization::parse(header).unwrap();
    let path_and_query = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let message = Message {
        method: request.method.as_str(),
        scheme: "http",
        host: request.headers["host"].to_str().unwrap(),
        path_and_query: &path_and_query,
        body: &request.body,
    };
    verify(&credentials(), &message, &authorization).unwrap();
    let skew = jiff::Timestamp::now().duration_since(authorization.time().unwrap()).as_secs().abs();
    assert!(skew < 60, "the timestamp is now");
    authorization.nonce
}

/// A server that reads each request to its end, and then closes the connection without an answer. Returns its URL and
/// how many requests it has read.
pub async fn closing_server() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !is_complete(&request) {
                match connection.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(length) => request.extend_from_slice(&buffer[..length]),
                }
            }
            if !request.is_empty() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            let _ = connection.shutdown().await;
        }
    });
    (url, requests)
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    body.len() >= length.parse::<usize>().unwrap()
}
