//! DNS servers on this host for tests. They answer from a function, over UDP and TCP.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CAA, CNAME, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// How a server answers a question.
pub(crate) enum Reply {
    /// With these records, at the queried name.
    Has(Vec<RData>),
    /// With these records, at any name.
    Chain(Vec<(&'static str, RData)>),
    /// Like `Has`, but too large for UDP.
    Large(Vec<RData>),
    /// With a response code.
    Code(ResponseCode),
    /// Not at all.
    Silent,
}

/// The name does not exist.
pub(crate) const NX: Reply = Reply::Code(ResponseCode::NXDomain);

/// A question: the name, in lower case and without the trailing dot, and the type.
pub(crate) type Question<'a> = (&'a str, RecordType);

/// Serves on an address of this host, over UDP and TCP. Port 0 means any free port. Returns the address.
pub(crate) async fn serve(
    ip: &str,
    port: u16,
    reply: impl Fn(Question<'_>) -> Reply + Send + Sync + 'static,
) -> SocketAddr {
    let (udp, tcp) = loop {
        let tcp = TcpListener::bind((ip, port)).await.unwrap();
        // The port may be in use for UDP.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
        assert_eq!(port, 0, "the port is taken");
    };
    let address = tcp.local_addr().unwrap();
    let reply = Arc::new(reply);
    let by_tcp = reply.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let reply = by_tcp.clone();
            tokio::spawn(async move {
                while let Some(query) = receive(&mut stream).await {
                    let Some(answer) = answer(&query, &*reply, false) else { continue };
                    send(&mut stream, &answer).await;
                }
            });
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
            let Some(answer) = answer(&buffer[..length], &*reply, true) else { continue };
            udp.send_to(&answer, client).await.unwrap();
        }
    });
    address
}

/// Reads a message from TCP.
pub(super) async fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await.ok()?)];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

pub(super) async fn send(stream: &mut TcpStream, message: &[u8]) {
    stream.write_u16(u16::try_from(message.len()).unwrap()).await.unwrap();
    stream.write_all(message).await.unwrap();
}

fn answer(query: &[u8], reply: &impl Fn(Question<'_>) -> Reply, udp: bool) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).unwrap();
    let question = query.queries[0].clone();
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.add_query(question.clone());
    let asked = question.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let here = |data| Record::from_rdata(question.name().clone(), 60, data);
    match reply((&asked, question.query_type())) {
        Reply::Has(records) => {
            answer.add_answers(records.into_iter().map(here));
        }
        Reply::Chain(records) => {
            answer.add_answers(records.into_iter().map(|(at, data)| Record::from_rdata(name(at), 60, data)));
        }
        Reply::Large(_) if udp => answer.metadata.truncation = true,
        Reply::Large(records) => {
            answer.add_answers(records.into_iter().map(here));
        }
        Reply::Code(code) => answer.metadata.response_code = code,
        Reply::Silent => return None,
    }
    Some(answer.to_vec().unwrap())
}

pub(crate) fn name(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).unwrap()
}

pub(crate) fn a(address: &str) -> RData {
    RData::A(A(address.parse().unwrap()))
}

pub(crate) fn aaaa(address: &str) -> RData {
    RData::AAAA(AAAA(address.parse().unwrap()))
}

pub(crate) fn cname(target: &str) -> RData {
    RData::CNAME(CNAME(name(target)))
}

pub(crate) fn ns(server: &str) -> RData {
    RData::NS(NS(name(server)))
}

pub(crate) fn soa() -> RData {
    RData::SOA(SOA::new(name("ns1.example.com"), name("hostmaster.example.com"), 1, 3600, 600, 86400, 60))
}

pub(crate) fn txt(value: &str) -> RData {
    RData::TXT(TXT::new(vec![value.to_owned()]))
}

/// A record with flags, property and value, as a zone file has it.
pub(crate) fn caa(flags: u8, tag: &str, value: &str) -> RData {
    let mut record = CAA::new_issue(flags & 128 != 0, None, Vec::new());
    record.reserved_flags = flags & 127;
    record.tag = tag.into();
    record.value = value.into();
    RData::CAA(record)
}
