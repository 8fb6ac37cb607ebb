//! The zone of a name and its name servers.

use hickory_proto::op::ResponseCode;

use super::super::fake::{aaaa, cname};
use super::super::{DnsFailure, NameServer, Server, ZoneServers};
use super::*;
use crate::address::Refusal;

fn server(name: &str, addresses: &[&str]) -> NameServer {
    let addresses = addresses.iter().map(|address| format!("{address}:53").parse().unwrap()).collect();
    NameServer { name: name.into(), addresses }
}

#[tokio::test]
async fn the_zone_is_the_nearest_one_above_with_its_name_servers() {
    let found = dns_of(zone).await.zone("_acme-challenge.www.Example.com").await.unwrap();
    let servers = vec![server("ns1.example.com", &["127.0.0.1"]), server("ns2.example.com", &["127.0.0.2"])];
    assert_eq!(found, ZoneServers { apex: "example.com".into(), servers });
}

#[tokio::test]
async fn a_delegated_child_is_a_zone_of_its_own() {
    let dns = dns_of(|question| match question {
        ("dev.example.com", RecordType::SOA) => Reply::Has(vec![soa()]),
        ("dev.example.com", RecordType::NS) => Reply::Has(vec![ns("ns2.example.com")]),
        _ => zone(question),
    });
    assert_eq!(dns.await.zone("www.dev.example.com").await.unwrap().apex, "dev.example.com");
}

#[tokio::test]
async fn the_zone_that_an_alias_leads_to_is_not_that_of_the_name() {
    let dns = dns_of(|question| match question {
        ("www.example.com", _) => {
            Reply::Chain(vec![("www.example.com", cname("cdn.example.net")), ("cdn.example.net", soa())])
        }
        _ => zone(question),
    });
    assert_eq!(dns.await.zone("www.example.com").await.unwrap().apex, "example.com");
}

#[tokio::test]
async fn a_domain_that_is_not_registered_has_no_zone() {
    let dns = dns_of(|question| match question {
        ("com", RecordType::SOA) => Reply::Has(vec![soa()]),
        _ => NX,
    });
    assert_eq!(dns.await.zone("www.example.com").await, Err(DnsFailure::NoZone));
}

#[tokio::test]
async fn a_zone_that_cannot_be_looked_up_is_told_apart() {
    let dns = dns_of(|_| Reply::Code(ResponseCode::ServFail)).await;
    assert_eq!(dns.zone("www.example.com").await, Err(DnsFailure::Unresolved));
    assert_eq!(dns.zone("www..example.com").await, Err(DnsFailure::NotAName));
}

#[tokio::test]
async fn a_name_server_at_a_private_address_is_not_asked() {
    let dns = dns_of(|question| match question {
        ("ns2.example.com", RecordType::A) => Reply::Has(vec![a("10.0.0.53")]),
        _ => zone(question),
    });
    let failure = dns.await.zone("www.example.com").await.unwrap_err();
    let server = Server { name: "ns2.example.com".into(), address: "10.0.0.53".parse().unwrap() };
    assert_eq!(failure, DnsFailure::ServerRefused { server, why: Refusal::Private });
    assert_eq!(
        failure.to_string(),
        "the name server ns2.example.com (10.0.0.53) has a private or reserved address, which is not asked: correct the \
         zone's NS records, or have the operator started with --probe-allow"
    );
}

#[tokio::test]
async fn name_servers_without_an_address_are_passed_over_unless_none_has_one() {
    let one = dns_of(|question| match question {
        ("ns2.example.com", RecordType::A) => Reply::Code(ResponseCode::ServFail),
        _ => zone(question),
    });
    let servers = one.await.zone("example.com").await.unwrap().servers;
    assert_eq!(servers, vec![server("ns1.example.com", &["127.0.0.1"])]);
    let none = dns_of(|question| match question {
        ("ns1.example.com" | "ns2.example.com", _) => NX,
        _ => zone(question),
    });
    let failure = none.await.zone("example.com").await.unwrap_err();
    assert_eq!(failure, DnsFailure::NoServers { zone: "example.com".into() });
}

#[tokio::test]
async fn of_a_zone_with_many_name_servers_six_are_asked() {
    let dns = dns_of(|question| match question {
        ("example.com", RecordType::NS) => {
            Reply::Has((0..9).map(|n| ns(&format!("ns{n}.example.net"))).collect())
        }
        (_, RecordType::A) => Reply::Has(vec![a("127.0.0.1")]),
        (_, RecordType::AAAA) => Reply::Has(vec![]),
        _ => zone(question),
    });
    assert_eq!(dns.await.zone("example.com").await.unwrap().servers.len(), 6);
}

#[tokio::test]
async fn a_host_that_a_tenant_names_is_checked_too() {
    let dns = dns_of(|question| match question {
        ("dual.example.com", RecordType::A) => Reply::Has(vec![a("127.0.0.7")]),
        ("dual.example.com", RecordType::AAAA) => Reply::Has(vec![aaaa("2606:2800::1")]),
        ("inside.example.com", RecordType::A) => Reply::Has(vec![a("192.168.1.1")]),
        ("inside.example.com", _) => Reply::Has(vec![]),
        _ => NX,
    });
    let dns = dns.await;
    let found = dns.host("dual.example.com").await.unwrap();
    assert_eq!(
        found,
        vec!["127.0.0.7".parse::<std::net::IpAddr>().unwrap(), "2606:2800::1".parse().unwrap()]
    );
    assert_eq!(dns.host("127.0.0.3").await.unwrap().len(), 1);
    let refused =
        |address: &str, why| Err(DnsFailure::HostRefused { address: address.parse().unwrap(), why });
    assert_eq!(dns.host("169.254.169.254").await, refused("169.254.169.254", Refusal::LinkLocal));
    assert_eq!(dns.host("inside.example.com").await, refused("192.168.1.1", Refusal::Private));
    assert_eq!(dns.host("none.example.com").await, Err(DnsFailure::NoAddress));
}
