//! An authoritative name server for tests. Its zone is `edge.test`. It accepts dynamic updates (RFC 2136) signed with
//! its key, and applies them to the TXT records of [`names`](crate::names). It shares no code with the simulator
//! except the DNS library.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hickory_net::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_net::proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_net::proto::rr::{DNSClass, Name, RData, TSigResponseContext, TSigner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use cps_simulator::EdgeDnsServer;

use crate::names::Records;

const ZONE: &str = "edge.test.";
const SECRET: &str = "YSBrZXkgZm9yIHRlc3Rz";

/// The server at an address, with its own key or another one.
pub fn at(address: SocketAddr, secret: &str) -> EdgeDnsServer {
    let tsig_file = key_file(secret);
    EdgeDnsServer { address, tsig_file }
}

/// The server at an address, with its own key.
pub fn with_its_key(address: SocketAddr) -> EdgeDnsServer {
    at(address, SECRET)
}

fn key_file(secret: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{:x}.key", rand::random::<u64>()));
    let text = format!("key \"a.key\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n");
    std::fs::write(&file, text).unwrap();
    file
}

/// Serves until the test's runtime ends.
pub fn serve(listener: TcpListener, records: Records) {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, records.clone()));
        }
    });
}

async fn connection(mut stream: TcpStream, records: Records) {
    while let Ok(length) = stream.read_u16().await {
        let mut request = vec![0; length.into()];
        stream.read_exact(&mut request).await.unwrap();
        let answer = answer(&request, &records);
        stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    }
}

fn answer(bytes: &[u8], records: &Records) -> Vec<u8> {
    let request = Message::from_vec(bytes).unwrap();
    assert_eq!(request.metadata.op_code, OpCode::Update);
    let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Update);
    let key =
        TSigner::new(b"a key for tests".to_vec(), TsigAlgorithm::HmacSha256, name("a.key."), 300).unwrap();
    let Ok((mac, _, _)) = key.verify_message_byte(bytes, None, true) else {
        response.metadata.response_code = ResponseCode::NotAuth;
        return response.to_vec().unwrap();
    };
    // An update has its zone section in place of the queries.
    if *request.queries[0].name() == name(ZONE) {
        update(&request, records);
    } else {
        response.metadata.response_code = ResponseCode::NotAuth;
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let context = TSigResponseContext::new(request.metadata.id, now, key, mac, None);
    let signature = context.sign(&response.to_vec().unwrap()).unwrap();
    response.set_signature(signature);
    response.to_vec().unwrap()
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// Applies the update section, which comes in place of the authorities.
fn update(request: &Message, records: &Records) {
    let mut records = records.lock().unwrap();
    for record in &request.authorities {
        let values = records.entry(record.name.to_string().to_lowercase()).or_default();
        match (&record.data, record.dns_class) {
            (_, DNSClass::ANY) => values.clear(),
            (RData::TXT(txt), DNSClass::IN) => {
                values.push(String::from_utf8(txt.txt_data.concat()).unwrap());
            }
            other => panic!("not expected in an update: {other:?}"),
        }
    }
}
