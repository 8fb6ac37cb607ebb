//! How an API server in memory is asked, and how it answers.

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// The body of an answer.
pub type Answer = UnsyncBoxBody<Bytes, std::io::Error>;

/// A client of a server that answers each request in a task of its own.
pub fn client<F: Future<Output = Response<Answer>> + Send + 'static>(
    answer: impl Fn(Request<Body>) -> F + Send + 'static,
) -> Client {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Answer>>();
    tokio::spawn(async move {
        while let Some((request, send)) = handle.next_request().await {
            let answer = answer(request);
            tokio::spawn(async move { send.send_response(answer.await) });
        }
    });
    Client::new(service, "default")
}

pub fn object(value: &Value) -> Response<Answer> {
    let body = Full::new(Bytes::from(value.to_string()));
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

pub fn refusal(code: u16, message: &str, details: Value) -> Response<Answer> {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "Test",
    };
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code
    });
    if details.is_object() {
        status["details"] = details;
    }
    let mut response = object(&status);
    *response.status_mut() = code.try_into().unwrap();
    response
}

/// Events as they come, one in a line; the answer ends with the events.
pub fn lines(events: mpsc::UnboundedReceiver<Value>) -> Response<Answer> {
    let events = UnboundedReceiverStream::new(events);
    let frames = events.map(|event| Ok::<_, std::io::Error>(Frame::data(Bytes::from(format!("{event}\n")))));
    Response::new(StreamBody::new(frames).boxed_unsync())
}
