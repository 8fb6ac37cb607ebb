//! What the self-check accepts and refuses, against real servers on this host. The test cases share the servers in
//! this file.

mod addresses;
mod dns;
mod forecast;
mod interference;
mod preflight;
mod public;
mod replicas;

use std::collections::HashMap;
use std::future::pending;
use std::net::Ipv4Addr;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::address::Refusal;
use crate::dns::fake;
use akacert_core::outside::{Need, Target};

const BODY: &str = "aaa.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
const PATH: &str = "/.well-known/acme-challenge/aaa";

fn token() -> Token {
    Token { host: "www.example.com".into(), path: PATH.into(), body: BODY.into() }
}

/// What a server does with a request.
enum Reply {
    /// Sends this and closes the connection.
    Send(String),
    /// Sends this and then nothing more.
    Hang(&'static str),
}

fn ok(body: &str) -> Reply {
    Reply::Send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn status(status: u16) -> Reply {
    Reply::Send(format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 4\r\n\r\nwhat"))
}

fn redirect(to: &str) -> Reply {
    Reply::Send(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
}

/// The requested host (with the port, as sent) and path.
type Requested<'a> = (&'a str, &'a str);

/// Serves on an address of this host. Returns the port.
async fn serve(ip: &str, port: u16, reply: impl Fn(Requested<'_>) -> Reply + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((ip, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let reply = Arc::new(reply);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, reply.clone()));
        }
    });
    port
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: Arc<impl Fn(Requested<'_>) -> Reply>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap();
    let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    match reply((host, path)) {
        Reply::Send(text) => {
            // A client that has read enough may have closed the connection.
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hang(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            pending::<()>().await;
        }
    }
}

/// A table of names instead of DNS.
struct Names(HashMap<&'static str, Result<Vec<IpAddr>, LookupFailure>>);

impl Resolve for Names {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>> {
        let found = self.0.get(host).cloned().unwrap_or(Err(LookupFailure::NoSuchName));
        async move { found }.boxed()
    }

    fn records<'a>(
        &'a self,
        host: &'a str,
        family: Family,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>> {
        let found = match self.0.get(host) {
            Some(Ok(all)) => Ok(all.iter().copied().filter(|found| Family::of(*found) == family).collect()),
            Some(Err(LookupFailure::Failed)) => Err(LookupFailure::Failed),
            Some(Err(LookupFailure::NoSuchName)) | None => Ok(Vec::new()),
        };
        async move { found }.boxed()
    }

    fn alias<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Option<String>, LookupFailure>> {
        let target = ALIASES.iter().find(|(alias, _)| *alias == host).map(|(_, target)| (*target).to_owned());
        async move { Ok(target) }.boxed()
    }
}

/// CNAMEs.
const ALIASES: [(&str, &str); 3] = [
    ("cdn.example.com", "cdn.example.net"),
    ("cdn.example.net", "cdn.example.com.edgekey.net"),
    ("turning.example.com", "turning.example.com"),
];

fn at(addresses: &[&str]) -> Result<Vec<IpAddr>, LookupFailure> {
    Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

/// `www.example.com` and `other.example.com` lead to this host.
fn names() -> Names {
    Names(HashMap::from([("www.example.com", at(&["127.0.0.1"])), ("other.example.com", at(&["127.0.0.1"]))]))
}

/// Settings for servers on this host, on one port.
fn settings(http_port: u16) -> ProbeSettings {
    ProbeSettings { http_port, allowed: vec!["127.0.0.0/8".parse().unwrap()], ..ProbeSettings::default() }
}

fn prober(settings: ProbeSettings, names: Names) -> Prober {
    Prober::with_resolver(settings, Arc::new(names)).unwrap()
}

/// Uses a resolver without any records: no CAA, no zones.
async fn no_dns() -> Dns {
    dns_of(|_| fake::NX).await
}

/// Uses a resolver that answers like this, and may query name servers on this host.
async fn dns_of(reply: impl Fn(fake::Question<'_>) -> fake::Reply + Send + Sync + 'static) -> Dns {
    let resolver = fake::serve("127.0.0.1", 0, reply).await;
    Dns::new(&[resolver], vec!["127.0.0.0/8".parse().unwrap()]).unwrap()
}

/// Checks [`token`] without a solver.
async fn check(settings: ProbeSettings, names: Names) -> Result<(), ProbeFailure> {
    prober(settings, names).check(&token(), &[]).await
}

/// Checks [`token`] against one server that answers like this.
async fn check_reply(
    reply: impl Fn(Requested<'_>) -> Reply + Send + Sync + 'static,
) -> Result<(), ProbeFailure> {
    check(settings(serve("127.0.0.1", 0, reply).await), names()).await
}

fn public(cause: Cause) -> Result<(), ProbeFailure> {
    Err(ProbeFailure::Public { address: Ipv4Addr::LOCALHOST.into(), cause })
}
