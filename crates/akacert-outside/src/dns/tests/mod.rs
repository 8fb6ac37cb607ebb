//! DNS lookups, against servers on this host: one is the resolver, the others are name servers.

mod caa;
mod txt;
mod update;
mod zone;

use std::net::SocketAddr;

use hickory_proto::rr::{RData, RecordType};

use super::Dns;
use super::fake::{NX, Question, Reply, a, ns, serve, soa};

/// The zone `example.com` with two name servers, 127.0.0.1 and 127.0.0.2, as a resolver knows it.
fn zone((name, kind): Question<'_>) -> Reply {
    match (name, kind) {
        ("example.com", RecordType::SOA) => Reply::Has(vec![soa()]),
        ("example.com", RecordType::NS) => Reply::Has(vec![ns("ns2.example.com"), ns("ns1.example.com")]),
        ("ns1.example.com", RecordType::A) => Reply::Has(vec![a("127.0.0.1")]),
        ("ns2.example.com", RecordType::A) => Reply::Has(vec![a("127.0.0.2")]),
        ("example.com" | "ns1.example.com" | "ns2.example.com", _) => Reply::Has(vec![]),
        _ => NX,
    }
}

/// Uses this resolver, and may query name servers on this host.
fn dns(resolver: SocketAddr) -> Dns {
    Dns::new(&[resolver], vec!["127.0.0.0/8".parse().unwrap()]).unwrap()
}

/// Uses a resolver that answers like this.
async fn dns_of(reply: impl Fn(Question<'_>) -> Reply + Send + Sync + 'static) -> Dns {
    dns(serve("127.0.0.1", 0, reply).await)
}

/// Uses a resolver that knows [`zone`], whose name servers answer like this.
async fn dns_with(
    first: impl Fn(Question<'_>) -> Reply + Send + Sync + 'static,
    second: impl Fn(Question<'_>) -> Reply + Send + Sync + 'static,
) -> Dns {
    let port = serve("127.0.0.1", 0, first).await.port();
    serve("127.0.0.2", port, second).await;
    dns_of(zone).await.with_port(port)
}

fn records(records: Vec<RData>) -> impl Fn(Question<'_>) -> Reply + Send + Sync + 'static {
    move |_| Reply::Has(records.clone())
}
