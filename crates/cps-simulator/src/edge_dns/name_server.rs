//! The name server that serves the zones. It gets the record sets by dynamic update (RFC 2136), signed with a key
//! (RFC 8945).

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use hickory_net::proto::ProtoError;
use hickory_net::proto::op::{Message, OpCode, Query, ResponseCode, UpdateMessage};
use hickory_net::proto::rr::rdata::TXT;
use hickory_net::proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigner};
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::tcp::TcpClientStream;
use hickory_net::xfer::DnsExchange;
use hickory_net::{DnsHandle, DnsMultiplexer, NetError};

use super::txt::{self, TxtError};
use super::zones::Change;

/// Limits the wait for the connection, and then for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a change did not reach the name server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error("The name server cannot be updated: {0}")]
    Net(#[from] NetError),
    #[error("The name server does not answer an update.")]
    NoAnswer,
    #[error("The name server refuses an update: {0}")]
    Refused(ResponseCode),
    #[error("The update cannot be written: {0}")]
    Name(#[from] ProtoError),
    #[error("The update cannot be written: {0}")]
    Text(#[from] TxtError),
}

/// A name server that accepts updates over TCP.
pub(super) struct NameServer {
    address: SocketAddr,
    key: TSigner,
}

impl NameServer {
    pub(super) fn new(address: SocketAddr, key: TSigner) -> Self {
        Self { address, key }
    }

    /// Makes all changes or none.
    pub(super) async fn update(&self, zone: &str, changes: &[Change]) -> Result<(), UpdateError> {
        let message = message(zone, changes)?;
        let (connection, sender) =
            TcpClientStream::new(self.address, None, Some(TIMEOUT), TokioRuntimeProvider::default());
        let stream = DnsMultiplexer::new(connection.await?, sender)
            .with_timeout(TIMEOUT)
            .with_signer(self.key.clone());
        let (exchange, background) = DnsExchange::<TokioRuntimeProvider>::from_stream(stream);
        // The task ends with the exchange.
        tokio::spawn(background);
        let answer = exchange.send(message.into()).next().await.ok_or(UpdateError::NoAnswer)??;
        let code = answer.metadata.response_code;
        if code == ResponseCode::NoError { Ok(()) } else { Err(UpdateError::Refused(code)) }
    }
}

/// Replaces the record set of each name.
fn message(zone: &str, changes: &[Change]) -> Result<Message, UpdateError> {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(Query::query(absolute(zone)?, RecordType::SOA));
    for change in changes {
        let name = absolute(&change.name)?;
        let mut nothing = Record::update0(name.clone(), 0, RecordType::TXT).into_record_of_rdata();
        nothing.dns_class = DNSClass::ANY;
        message.add_update(nothing);
        let Some(set) = &change.set else { continue };
        for item in &set.rdata {
            let strings = txt::parse(item)?;
            let data = TXT::from_bytes(strings.iter().map(Vec::as_slice).collect());
            message.add_update(Record::from_rdata(name.clone(), set.ttl, RData::TXT(data)));
        }
    }
    Ok(message)
}

fn absolute(name: &str) -> Result<Name, ProtoError> {
    let mut name = Name::from_ascii(name)?;
    name.set_fqdn(true);
    Ok(name)
}
