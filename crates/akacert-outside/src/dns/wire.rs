//! One question to one name server, and one message over TCP. Not here: whether the server may be asked.

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

/// Longest wait for an answer, once by UDP and once by TCP.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A name server that says nothing about its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// No answer.
    None,
    /// An error.
    Error,
}

/// Asks a name server about its own zone: no recursion; by TCP what does not fit UDP. A name that does not exist is an
/// answer like any other.
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

/// Sends a message and receives one, over a connection of its own.
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
