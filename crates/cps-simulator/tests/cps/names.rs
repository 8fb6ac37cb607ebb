//! A DNS server for tests. Every name has the address 127.0.0.1, and the TXT records are those that the test sets.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::{A, TXT};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::{TcpListener, UdpSocket};

use crate::name_server;

/// TXT values by name, in lower case with the trailing dot.
pub type Records = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// Starts the server, which accepts updates over TCP. It ends with the test's runtime.
pub async fn start(records: Records) -> SocketAddr {
    let (socket, listener) = loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // Another process may have this port over TCP.
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let address = socket.local_addr().unwrap();
    name_server::serve(listener, records.clone());
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            if let Ok(query) = Message::from_vec(&buffer[..length]) {
                let _ = socket.send_to(&answer(query, &records), peer).await;
            }
        }
    });
    address
}

fn answer(query: Message, records: &Records) -> Vec<u8> {
    let mut response = query.into_response();
    response.additionals.clear();
    if let Some(question) = response.queries.first().cloned() {
        let name = question.name().to_string().to_lowercase();
        let kind = question.query_type();
        let data = if kind == RecordType::A {
            vec![RData::A(A(Ipv4Addr::LOCALHOST))]
        } else if kind == RecordType::TXT {
            let values = records.lock().unwrap().get(&name).cloned().unwrap_or_default();
            values.into_iter().map(|value| RData::TXT(TXT::new(vec![value]))).collect()
        } else {
            vec![]
        };
        for data in data {
            response.add_answer(Record::from_rdata(question.name().clone(), 1, data));
        }
    }
    response.to_vec().unwrap()
}
