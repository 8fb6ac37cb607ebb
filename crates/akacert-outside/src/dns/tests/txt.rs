//! The TXT records of a name, on each name server.

use std::collections::BTreeSet;

use hickory_proto::op::{Message, ResponseCode};
use tokio::net::UdpSocket;

use super::super::fake::{cname, txt};
use super::super::{DnsFailure, challenge_name};
use super::*;

const NAME: &str = "_acme-challenge.www.example.com";

fn values(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// What `missing` says about the value `ours`.
async fn missing(dns: Dns) -> Option<String> {
    dns.txt(NAME).await.unwrap().missing(&["ours".to_owned()])
}

#[tokio::test]
async fn what_every_name_server_has_is_there() {
    let dns = dns_with(records(vec![txt("ours"), txt("foreign")]), records(vec![txt("ours")])).await;
    let view = dns.txt(NAME).await.unwrap();
    assert_eq!(view.values_everywhere, values(&["ours"]));
    assert_eq!(view.missing(&["ours".to_owned()]), None);
    assert_eq!(view.zone, "example.com");
    let both = ["ours".to_owned(), "foreign".to_owned()];
    assert_eq!(view.missing(&both).unwrap(), "ns2.example.com (127.0.0.2) does not have the TXT record yet");
}

#[tokio::test]
async fn a_name_server_that_lags_is_named() {
    let lagging = "ns2.example.com (127.0.0.2) does not have the TXT record yet";
    let old = dns_with(records(vec![txt("ours")]), records(vec![txt("old")])).await;
    assert_eq!(missing(old).await.unwrap(), lagging);
    let none = dns_with(records(vec![txt("ours")]), |_| NX).await;
    assert_eq!(missing(none).await.unwrap(), lagging);
}

#[tokio::test]
async fn no_such_name_is_no_value() {
    let view = dns_with(|_| NX, records(vec![])).await.txt(NAME).await.unwrap();
    assert_eq!(view.values_everywhere, values(&[]));
    assert_eq!(view.broken(), None);
    assert_eq!(view.missing(&[]), None);
}

#[tokio::test]
async fn what_does_not_fit_udp_is_asked_for_by_tcp() {
    let large = || |_: Question<'_>| Reply::Large(vec![txt("ours")]);
    assert_eq!(missing(dns_with(large(), large()).await).await, None);
}

#[tokio::test]
async fn strings_of_one_record_are_one_value() {
    let halves = || RData::TXT(hickory_proto::rr::rdata::TXT::new(vec!["ou".into(), "rs".into()]));
    assert_eq!(missing(dns_with(records(vec![halves()]), records(vec![halves()])).await).await, None);
}

#[tokio::test]
async fn a_name_server_that_answers_with_an_error_or_not_at_all_is_named() {
    let lame = dns_with(records(vec![txt("ours")]), |_| Reply::Code(ResponseCode::Refused)).await;
    assert_eq!(
        missing(lame).await.unwrap(),
        "the name server ns2.example.com (127.0.0.2) answers with an error: see that it serves the zone, or take it out \
         of the zone's NS records"
    );
    let silent = dns_with(|_| Reply::Silent, records(vec![txt("ours")])).await;
    let view = silent.txt(NAME).await.unwrap();
    assert!(matches!(view.broken(), Some(DnsFailure::Silent(server)) if server.name == "ns1.example.com"));
    assert_eq!(view.values_everywhere, values(&[]));
}

#[tokio::test]
async fn an_address_of_a_name_server_that_cannot_be_reached_does_not_count_if_another_can() {
    // The operator may have no IPv6. Nothing listens at 127.0.0.9.
    let port = serve("127.0.0.1", 0, records(vec![txt("ours")])).await.port();
    let dns = dns_of(|question| match question {
        ("ns1.example.com" | "ns2.example.com", RecordType::A) => {
            Reply::Has(vec![a("127.0.0.9"), a("127.0.0.1")])
        }
        _ => zone(question),
    });
    assert_eq!(missing(dns.await.with_port(port)).await, None);
}

#[tokio::test]
async fn a_txt_record_cannot_stand_beside_an_alias() {
    let alias = || records(vec![cname("elsewhere.example.net")]);
    let failure = dns_with(alias(), alias()).await.txt(NAME).await.unwrap_err();
    assert_eq!(failure, DnsFailure::AliasInTheWay { name: NAME.into() });
    assert_eq!(
        failure.to_string(),
        "_acme-challenge.www.example.com is a CNAME, beside which there cannot be a TXT record: remove the CNAME"
    );
}

#[tokio::test]
async fn a_name_server_is_not_asked_to_ask_others() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let dns = dns_of(|question| match question {
        ("example.com", RecordType::NS) => Reply::Has(vec![ns("ns1.example.com")]),
        _ => zone(question),
    });
    let dns = dns.await.with_port(at.port());
    let asking = tokio::spawn(async move { dns.txt(NAME).await });
    let mut buffer = [0; 1500];
    let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
    let asked = Message::from_vec(&buffer[..length]).unwrap();
    assert!(!asked.metadata.recursion_desired);
    assert_eq!(asked.queries[0].query_type(), RecordType::TXT);
    asking.abort();
}

#[test]
fn a_wildcard_and_its_base_name_have_one_record_name() {
    assert_eq!(challenge_name("example.com"), "_acme-challenge.example.com");
    assert_eq!(challenge_name("*.example.com"), "_acme-challenge.example.com");
}
