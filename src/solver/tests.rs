//! What the solver answers, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Event;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;

/// The longest that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn config_map(name: &str, tokens: serde_json::Value) -> ConfigMap {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "akacert-system"},
        "data": {"challenges.json": tokens.to_string()}
    }))
    .unwrap()
}

pub(super) fn one(name: &str, host: &str, path: &str, body: &str) -> ConfigMap {
    config_map(name, json!([{"host": host, "path": path, "body": body}]))
}

fn challenges() -> Challenges {
    let challenges = Challenges::default();
    challenges.take_in(Event::Apply(one(
        "akacert-1",
        "www.example.com",
        "/.well-known/acme-challenge/aaa",
        "aaa.thumb",
    )));
    challenges
}

struct Running {
    address: SocketAddr,
    registry: Registry,
    readiness: Readiness,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

async fn start(challenges: Challenges, limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut registry = Registry::default();
    let metrics = SolverMetrics::new(&mut registry, challenges.clone());
    let (readiness, shutdown) = (Readiness::default(), CancellationToken::new());
    readiness.set(true);
    let server =
        tokio::spawn(serve(listener, challenges, metrics, limits, readiness.clone(), shutdown.clone()));
    Running { address, registry, readiness, shutdown, server }
}

/// Limits that let a test end without waiting.
fn limits() -> Limits {
    Limits { drain: Duration::ZERO, ..Limits::default() }
}

/// Sends raw bytes and reads until the server closes the connection.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may refuse before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(DEADLINE, talk).await.expect("the server closes the connection")
}

async fn request(address: SocketAddr, method: &str, host: &str, path: &str) -> (u16, String) {
    let answer =
        exchange(address, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn a_known_host_and_path_is_answered_with_exactly_the_body() {
    let running = start(challenges(), limits()).await;
    let request =
        "GET /.well-known/acme-challenge/aaa HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n";
    let answer = exchange(running.address, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "aaa.thumb");
    let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "HTTP/1.1 200 OK",
            "cache-control: no-store",
            "connection: close",
            "content-length: 9",
            "content-type: text/plain"
        ]
    );
}

#[tokio::test]
async fn the_host_may_have_another_case_a_port_and_a_dot_at_its_end() {
    let running = start(challenges(), limits()).await;
    for host in [
        "www.example.com",
        "WWW.Example.COM",
        "www.example.com:80",
        "www.example.com.",
        "www.example.com.:8080",
    ] {
        let answer = request(running.address, "GET", host, "/.well-known/acme-challenge/aaa").await;
        assert_eq!(answer, (200, "aaa.thumb".into()), "{host}");
    }
}

#[tokio::test]
async fn anything_else_is_not_found() {
    let running = start(challenges(), limits()).await;
    let cases = [
        ("GET", "other.example.com", "/.well-known/acme-challenge/aaa"),
        ("GET", "example.com", "/.well-known/acme-challenge/aaa"),
        ("GET", "www.example.com.evil.example", "/.well-known/acme-challenge/aaa"),
        ("GET", "", "/.well-known/acme-challenge/aaa"),
        ("GET", "[::1]:80", "/.well-known/acme-challenge/aaa"),
        ("GET", "www.example.com", "/.well-known/acme-challenge/aa"),
        ("GET", "www.example.com", "/.well-known/acme-challenge/aaa/"),
        ("GET", "www.example.com", "/.well-known/acme-challenge/AAA"),
        ("GET", "www.example.com", "/.well-known/acme-challenge/%61aa"),
        ("GET", "www.example.com", "/"),
        ("POST", "www.example.com", "/.well-known/acme-challenge/aaa"),
        ("OPTIONS", "www.example.com", "/.well-known/acme-challenge/aaa"),
        ("DELETE", "www.example.com", "/.well-known/acme-challenge/aaa"),
    ];
    for (method, host, path) in cases {
        let answer = request(running.address, method, host, path).await;
        assert_eq!(answer, (404, "not found".into()), "{method} {host} {path}");
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let running = start(challenges(), limits()).await;
    let request =
        "HEAD /.well-known/acme-challenge/aaa HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n";
    let answer = exchange(running.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.contains("content-length: 9\r\n"));
    assert!(answer.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn the_host_of_an_absolute_uri_counts_and_two_host_headers_do_not() {
    let running = start(challenges(), limits()).await;
    let absolute = "GET http://www.example.com/.well-known/acme-challenge/aaa HTTP/1.1\r\nHost: other.example.com\r\n\
                    Connection: close\r\n\r\n";
    assert!(exchange(running.address, absolute).await.ends_with("\r\n\r\naaa.thumb"));
    let two = "GET /.well-known/acme-challenge/aaa HTTP/1.1\r\nHost: www.example.com\r\nHost: other.example.com\r\n\
               Connection: close\r\n\r\n";
    assert!(exchange(running.address, two).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_body_is_not_read_and_ends_the_connection() {
    let running = start(challenges(), limits()).await;
    let request = "POST / HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 1000000000\r\n\r\nstart";
    let answer = exchange(running.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let running = start(challenges(), limits()).await;
    let request = "GET /.well-known/acme-challenge/aaa HTTP/1.1\r\nHost: www.example.com\r\n";
    let answer = exchange(running.address, &format!("{request}\r\n{request}Connection: close\r\n\r\n")).await;
    assert_eq!(answer.matches("aaa.thumb").count(), 2);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    let running = start(challenges(), Limits { head_timeout: Duration::from_millis(100), ..limits() }).await;
    for unfinished in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: www.example.com\r\n"] {
        exchange(running.address, unfinished).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits { connection_lifetime: Duration::from_millis(100), ..limits() };
    let running = start(challenges(), limits).await;
    let request = "GET /.well-known/acme-challenge/aaa HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
    assert!(exchange(running.address, request).await.ends_with("aaa.thumb"));
}

#[tokio::test]
async fn headers_that_are_too_large_or_too_many_are_refused() {
    let running = start(challenges(), limits()).await;
    let head = "GET /.well-known/acme-challenge/aaa HTTP/1.1\r\nHost: www.example.com\r\n";
    let large = format!("{head}X-Large: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many = format!("{head}{}\r\n", (0..100).map(|n| format!("X-{n}: y\r\n")).collect::<String>());
    for request in [large, many] {
        let answer = exchange(running.address, &request).await;
        assert!(!answer.contains("aaa.thumb"));
        // While the client still sends, its kernel may drop the answer. Only a served token would be wrong.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits { connections: 1, head_timeout: Duration::from_millis(200), ..limits() };
    let running = start(challenges(), limits).await;
    let _slow = TcpStream::connect(running.address).await.unwrap();
    let answer = request(running.address, "GET", "www.example.com", "/.well-known/acme-challenge/aaa").await;
    assert_eq!(answer, (200, "aaa.thumb".into()));
}

#[tokio::test]
async fn after_a_shutdown_it_is_not_ready_but_answers_until_it_has_drained() {
    let running = start(challenges(), Limits { drain: Duration::from_secs(60), ..limits() }).await;
    running.shutdown.cancel();
    tokio::time::timeout(DEADLINE, async {
        while running.readiness.get() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it stops being ready");
    let answer = request(running.address, "GET", "www.example.com", "/.well-known/acme-challenge/aaa").await;
    assert_eq!(answer, (200, "aaa.thumb".into()));
    running.server.abort();
}

#[tokio::test]
async fn a_shutdown_ends_the_server_and_its_idle_connections() {
    let running = start(challenges(), limits()).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n").await.unwrap();
    let mut first = [0; 1];
    idle.read_exact(&mut first).await.unwrap();
    running.shutdown.cancel();
    tokio::time::timeout(DEADLINE, running.server).await.expect("the server ends").unwrap();
}

#[tokio::test]
async fn requests_are_counted_by_what_became_of_them() {
    let running = start(challenges(), limits()).await;
    for (method, host, path) in [
        ("GET", "www.example.com", "/.well-known/acme-challenge/aaa"),
        ("HEAD", "www.example.com", "/.well-known/acme-challenge/aaa"),
        ("GET", "www.example.com", "/.well-known/acme-challenge/bbb"),
        ("GET", "other.example.com", "/"),
        ("POST", "www.example.com", "/.well-known/acme-challenge/aaa"),
    ] {
        request(running.address, method, host, path).await;
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &running.registry).unwrap();
    for line in [
        r#"akacert_solver_requests_total{result="served"} 2"#,
        r#"akacert_solver_requests_total{result="unknown_path"} 1"#,
        r#"akacert_solver_requests_total{result="unknown_host"} 1"#,
        r#"akacert_solver_requests_total{result="refused"} 1"#,
        "akacert_solver_tokens 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn challenges_of_a_host_with_a_standing_redirect_are_answered_where_cps_serves_them() {
    let challenges = Challenges::default();
    let mut config_map = one("akacert-1", "www.example.com", "/.well-known/acme-challenge/aaa", "aaa.thumb");
    let redirects = json!([{"host": "www.example.com", "to": "dcv.akamai.com"}]).to_string();
    config_map.data.as_mut().unwrap().insert("redirects.json".into(), redirects);
    challenges.take_in(Event::Apply(config_map));
    let running = start(challenges.clone(), limits()).await;
    let of = async |host: &str, path: &str| request(running.address, "GET", host, path).await.0;
    let raw = exchange(
        running.address,
        "GET /.well-known/acme-challenge/bbb HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(raw.starts_with("HTTP/1.1 302 Found\r\n"), "{raw}");
    assert!(raw.contains("location: http://dcv.akamai.com/.well-known/acme-challenge/bbb\r\n"), "{raw}");
    // A token wins over the redirect, and only challenges are redirected.
    assert_eq!(of("www.example.com", "/.well-known/acme-challenge/aaa").await, 200);
    for path in ["/", "/.well-known/acme-challenge", "/.well-known/acme-challengebbb"] {
        assert_eq!(of("www.example.com", path).await, 404, "{path}");
    }
    assert_eq!(of("other.example.com", "/.well-known/acme-challenge/bbb").await, 404);
    challenges.take_in(Event::Apply(config_map_without_redirects()));
    assert_eq!(of("www.example.com", "/.well-known/acme-challenge/bbb").await, 404);
}

fn config_map_without_redirects() -> ConfigMap {
    one("akacert-1", "www.example.com", "/.well-known/acme-challenge/aaa", "aaa.thumb")
}
