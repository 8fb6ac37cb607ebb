//! Sends one question to one name server, or one message over TCP. The caller checks the address.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use hickory_proto::op::{DnsRequestOptions, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::DnsHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest wait for an answer, separately for UDP and TCP.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Why a name server says nothing about its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// It does not answer.
    None,
    /// It answers with an error.
    Error,
}

/// Queries a name server about its own zone, without recursion, and over TCP if the answer is too large for UDP. That
/// a name does not exist is an ordinary answer.
pub(super) async fn ask(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, Silence> {
    let mut options = DnsRequestOptions::default();
    options.recursion_desired = false;
    options.use_edns = true;
    let question = Query::query(name.clone(), kind);
    let exchange = UdpClientStream::builder(server, TokioRuntimeProvider::default())
        .with_timeout(Some(TIMEOUT))
        .exchange();
    let mut answers = exchange.lookup(question.clone(), options);
    let mut answer = match answers.next().await {
        Some(Ok(answer)) => answer.into_message(),
        Some(Err(_)) | None => return Err(Silence::None),
    };
    if answer.metadata.truncation {
        let mut again = Message::query();
        again.metadata.recursion_desired = false;
        again.add_query(question);
        let asked = again.to_vec().map_err(|_| Silence::Error)?;
        let reply = tokio::time::timeout(TIMEOUT, over_tcp(server, &asked)).await;
        let reply = reply.map_err(|_| Silence::None)?.map_err(|_| Silence::None)?;
        answer = Message::from_vec(&reply).map_err(|_| Silence::Error)?;
        if answer.metadata.id != again.metadata.id {
            return Err(Silence::Error);
        }
    }
    let answers = matches!(answer.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    if answers { Ok(answer) } else { Err(Silence::Error) }
}

/// Sends a message over a new connection, and receives the answer.
pub(super) async fn over_tcp(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect(server).await?;
    let framed = [&length.to_be_bytes(), message].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
