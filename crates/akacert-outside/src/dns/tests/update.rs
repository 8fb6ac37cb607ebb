//! Updates, against a server that checks signatures with hickory's own TSIG.

use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm as Algorithm, TsigError};
use hickory_proto::rr::{DNSClass, TSigResponseContext, TSigner};
use tokio::net::TcpListener;

use super::super::fake::{name, receive, send, txt};
use super::super::{TsigAlgorithm, TsigKey, UpdateError, Updater};
use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// How the server answers an update with a valid signature.
#[derive(Clone, Copy)]
enum Answer {
    Signed(ResponseCode),
    SignedError(TsigError),
    Unsigned(ResponseCode),
    SignedByAnother,
    Hangup,
    Gibberish,
}

/// The updates that the server received.
type Updates = Arc<Mutex<Vec<Message>>>;

async fn server(answer: Answer) -> (SocketAddr, Updates) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Updates::default();
    let updates = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = receive(&mut stream).await.unwrap();
            if let Some(reply) = reply(&request, answer, &updates) {
                send(&mut stream, &reply).await;
            }
        }
    });
    (address, seen)
}

fn signer(secret: &[u8]) -> TSigner {
    TSigner::new(secret.to_vec(), Algorithm::HmacSha256, name("akacert-key"), 300).unwrap()
}

fn reply(request: &[u8], answer: Answer, updates: &Updates) -> Option<Vec<u8>> {
    let update = Message::from_vec(request).unwrap();
    let id = update.metadata.id;
    let record = update.signature().unwrap().clone();
    let mut response = Message::response(id, OpCode::Update);
    let context = if record.name != name("akacert-key") || record.data.algorithm != Algorithm::HmacSha256 {
        response.metadata.response_code = ResponseCode::NotAuth;
        Some(TSigResponseContext::unknown_key(id, record.data.time, record.name.clone()))
    } else if signer(SECRET).verify_message_byte(request, None, true).is_err() {
        response.metadata.response_code = ResponseCode::NotAuth;
        Some(TSigResponseContext::bad_signature(id, record.data.time, signer(SECRET)))
    } else {
        updates.lock().unwrap().push(update);
        let signed = |secret, error| {
            Some(TSigResponseContext::new(
                id,
                record.data.time,
                signer(secret),
                record.data.mac.clone(),
                error,
            ))
        };
        match answer {
            Answer::Signed(code) => {
                response.metadata.response_code = code;
                signed(SECRET, None)
            }
            Answer::SignedError(error) => {
                response.metadata.response_code = ResponseCode::NotAuth;
                signed(SECRET, Some(error))
            }
            Answer::Unsigned(code) => {
                response.metadata.response_code = code;
                None
            }
            Answer::SignedByAnother => signed(b"another", None),
            Answer::Hangup => return None,
            Answer::Gibberish => return Some(b"gibberish".to_vec()),
        }
    };
    if let Some(context) = context {
        let signature = context.sign(&response.to_vec().unwrap()).unwrap();
        response.set_signature(signature);
    }
    Some(response.to_vec().unwrap())
}

fn updater(server: SocketAddr) -> Updater {
    updater_with(server, "akacert-key", TsigAlgorithm::HmacSha256, SECRET)
}

fn updater_with(server: SocketAddr, name: &str, algorithm: TsigAlgorithm, secret: &[u8]) -> Updater {
    Updater::new(server, TsigKey { name: name.into(), algorithm, secret: secret.to_vec().into() })
}

async fn add(updater: &Updater) -> Result<(), UpdateError> {
    let values = ["first".to_owned(), "second".to_owned()];
    updater.add_txt("example.com", "_acme-challenge.www.example.com", &values, 60).await
}

async fn answered(answer: Answer) -> Result<(), UpdateError> {
    add(&updater(server(answer).await.0)).await
}

#[tokio::test]
async fn values_are_added_each_as_a_record_and_nothing_else_is_touched() {
    let (address, seen) = server(Answer::Signed(ResponseCode::NoError)).await;
    add(&updater(address)).await.unwrap();
    let update = seen.lock().unwrap().remove(0);
    assert_eq!(update.metadata.op_code, OpCode::Update);
    let zone = &update.queries[0];
    assert_eq!((zone.name().clone(), zone.query_type()), (name("example.com"), RecordType::SOA));
    assert!(update.answers.is_empty());
    let added: Vec<_> = update.authorities.iter().map(|r| (r.data.clone(), r.dns_class, r.ttl)).collect();
    assert_eq!(added, vec![(txt("first"), DNSClass::IN, 60), (txt("second"), DNSClass::IN, 60)]);
    assert!(update.authorities.iter().all(|r| r.name == name("_acme-challenge.www.example.com")));
}

#[tokio::test]
async fn values_are_removed_each_by_itself() {
    let (address, seen) = server(Answer::Signed(ResponseCode::NoError)).await;
    let values = ["first".to_owned()];
    updater(address).remove_txt("example.com", "_acme-challenge.www.example.com", &values).await.unwrap();
    let update = seen.lock().unwrap().remove(0);
    let removed: Vec<_> = update.authorities.iter().map(|r| (r.data.clone(), r.dns_class, r.ttl)).collect();
    assert_eq!(removed, vec![(txt("first"), DNSClass::NONE, 0)]);
}

#[tokio::test]
async fn each_refusal_has_an_error_of_its_own() {
    let zone = || "example.com".to_owned();
    let cases = [
        (ResponseCode::Refused, UpdateError::Refused(zone())),
        (ResponseCode::NotAuth, UpdateError::NotAuthoritative(zone())),
        (ResponseCode::NotZone, UpdateError::NotInZone(zone())),
        (ResponseCode::ServFail, UpdateError::Failed(zone())),
        (ResponseCode::NotImp, UpdateError::Unsupported(zone(), 4)),
    ];
    for (code, error) in cases {
        assert_eq!(answered(Answer::Signed(code)).await, Err(error.clone()));
        assert_eq!(answered(Answer::Unsigned(code)).await, Err(error));
    }
    assert_eq!(answered(Answer::SignedError(TsigError::BadTime)).await, Err(UpdateError::Clock));
}

#[tokio::test]
async fn a_key_that_the_server_does_not_know_is_told_from_a_wrong_secret() {
    let (address, seen) = server(Answer::Signed(ResponseCode::NoError)).await;
    let unknown = Err(UpdateError::UnknownKey("other".into()));
    assert_eq!(add(&updater_with(address, "other", TsigAlgorithm::HmacSha256, SECRET)).await, unknown);
    let algorithm = Err(UpdateError::UnknownKey("akacert-key".into()));
    assert_eq!(
        add(&updater_with(address, "akacert-key", TsigAlgorithm::HmacSha512, SECRET)).await,
        algorithm
    );
    let wrong = Err(UpdateError::BadSignature("akacert-key".into()));
    assert_eq!(add(&updater_with(address, "akacert-key", TsigAlgorithm::HmacSha256, b"wrong")).await, wrong);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn success_has_to_be_signed_with_the_key() {
    let unverified = Err(UpdateError::Unverified("akacert-key".into()));
    assert_eq!(answered(Answer::Unsigned(ResponseCode::NoError)).await, unverified);
    assert_eq!(answered(Answer::SignedByAnother).await, unverified);
    assert_eq!(answered(Answer::Gibberish).await, unverified);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_or_hangs_up_is_unreachable() {
    let (address, _) = server(Answer::Hangup).await;
    assert_eq!(add(&updater(address)).await, Err(UpdateError::Unreachable(address)));
    // Nothing listens there.
    let nobody = "127.0.0.9:1".parse().unwrap();
    assert_eq!(add(&updater(nobody)).await, Err(UpdateError::Unreachable(nobody)));
}

#[tokio::test]
async fn a_name_that_is_none_is_not_sent() {
    let (address, seen) = server(Answer::Signed(ResponseCode::NoError)).await;
    let failed = updater(address).remove_txt("example..com", "x.example.com", &["v".to_owned()]).await;
    assert_eq!(failed, Err(UpdateError::Malformed));
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn the_secret_is_not_shown() {
    let shown = format!("{:?}", updater("127.0.0.1:53".parse().unwrap()));
    assert!(shown.contains("akacert-key") && !shown.contains("48"), "{shown}");
}
