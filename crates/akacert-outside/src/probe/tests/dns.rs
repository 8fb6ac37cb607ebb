//! Resolution by a DNS server.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::fake::{NX, Question, Reply, a, aaaa, cname};
use super::*;

fn knows((name, kind): Question<'_>) -> Reply {
    match (name, kind) {
        ("both.example.com", RecordType::A) => Reply::Has(vec![a("93.184.215.14")]),
        ("both.example.com", RecordType::AAAA) => Reply::Has(vec![aaaa("2606:2800::1")]),
        ("v4.example.com", RecordType::A) => Reply::Has(vec![a("93.184.215.15")]),
        ("alias.example.com", RecordType::A) => Reply::Chain(vec![
            ("alias.example.com", cname("v4.example.com")),
            ("v4.example.com", a("93.184.215.15")),
        ]),
        ("v4.example.com" | "empty.example.com", _) => Reply::Has(vec![]),
        ("broken.example.com", _) => Reply::Code(ResponseCode::ServFail),
        _ => NX,
    }
}

async fn resolver() -> DnsResolver {
    DnsResolver::new(&[fake::serve("127.0.0.1", 0, knows).await]).unwrap()
}

#[tokio::test]
async fn a_and_aaaa_are_asked_for_without_search_domains() {
    let resolver = resolver().await;
    let mut both = resolver.addresses("both.example.com").await.unwrap();
    both.sort_unstable();
    assert_eq!(both, at(&["93.184.215.14", "2606:2800::1"]).unwrap());
    assert_eq!(resolver.addresses("v4.example.com").await, at(&["93.184.215.15"]));
    assert_eq!(resolver.addresses("both").await, Err(LookupFailure::NoSuchName));
}

#[tokio::test]
async fn no_such_name_no_address_and_a_broken_zone_are_told_apart() {
    let resolver = resolver().await;
    assert_eq!(resolver.addresses("none.example.com").await, Err(LookupFailure::NoSuchName));
    assert_eq!(resolver.addresses("empty.example.com").await, Err(LookupFailure::NoSuchName));
    assert_eq!(resolver.addresses("broken.example.com").await, Err(LookupFailure::Failed));
}

#[tokio::test]
async fn the_hosts_file_of_the_operator_does_not_count() {
    let resolver = resolver().await;
    assert_eq!(resolver.addresses("localhost.example.com").await, Err(LookupFailure::NoSuchName));
}

#[tokio::test]
async fn each_kind_of_address_is_looked_up_by_itself() {
    let resolver = resolver().await;
    assert_eq!(resolver.records("both.example.com", Family::A).await, at(&["93.184.215.14"]));
    assert_eq!(resolver.records("both.example.com", Family::Aaaa).await, at(&["2606:2800::1"]));
    assert_eq!(resolver.records("alias.example.com", Family::A).await, at(&["93.184.215.15"]));
    assert_eq!(resolver.records("v4.example.com", Family::Aaaa).await, at(&[]));
    assert_eq!(resolver.records("none.example.com", Family::A).await, at(&[]));
    assert_eq!(resolver.records("broken.example.com", Family::Aaaa).await, Err(LookupFailure::Failed));
}
