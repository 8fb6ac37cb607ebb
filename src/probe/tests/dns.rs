//! Resolution by a DNS server, which here answers over UDP on this host.

use std::net::Ipv6Addr;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;

/// A DNS server that knows a few names.
async fn dns_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            socket.send_to(&answer_to(&query).to_vec().unwrap(), client).await.unwrap();
        }
    });
    address
}

fn answer_to(query: &Message) -> Message {
    let question = query.queries[0].clone();
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.add_query(question.clone());
    let data = match (question.name().to_ascii().as_str(), question.query_type()) {
        ("both.example.com.", RecordType::A) => Some(RData::A(A(Ipv4Addr::new(93, 184, 215, 14)))),
        ("both.example.com.", RecordType::AAAA) => {
            Some(RData::AAAA(AAAA(Ipv6Addr::new(0x2606, 0x2800, 0, 0, 0, 0, 0, 1))))
        }
        ("v4.example.com.", RecordType::A) => Some(RData::A(A(Ipv4Addr::new(93, 184, 215, 15)))),
        ("v4.example.com." | "empty.example.com.", _) => None,
        ("broken.example.com.", _) => {
            answer.metadata.response_code = ResponseCode::ServFail;
            None
        }
        _ => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            None
        }
    };
    answer.add_answers(data.map(|data| Record::from_rdata(question.name().clone(), 60, data)));
    answer
}

#[tokio::test]
async fn a_and_aaaa_are_asked_for_without_search_domains() {
    let resolver = DnsResolver::new(&[dns_server().await]).unwrap();
    let mut both = resolver.addresses("both.example.com").await.unwrap();
    both.sort_unstable();
    assert_eq!(both, at(&["93.184.215.14", "2606:2800::1"]).unwrap());
    assert_eq!(resolver.addresses("v4.example.com").await, at(&["93.184.215.15"]));
    assert_eq!(resolver.addresses("both").await, Err(LookupFailure::NoSuchName));
}

#[tokio::test]
async fn no_such_name_no_address_and_a_broken_zone_are_told_apart() {
    let resolver = DnsResolver::new(&[dns_server().await]).unwrap();
    assert_eq!(resolver.addresses("none.example.com").await, Err(LookupFailure::NoSuchName));
    assert_eq!(resolver.addresses("empty.example.com").await, Err(LookupFailure::NoSuchName));
    assert_eq!(resolver.addresses("broken.example.com").await, Err(LookupFailure::Failed));
}

#[tokio::test]
async fn the_hosts_file_of_the_operator_does_not_count() {
    let resolver = DnsResolver::new(&[dns_server().await]).unwrap();
    assert_eq!(resolver.addresses("localhost.example.com").await, Err(LookupFailure::NoSuchName));
}
