//! EdgeGrid signatures against fixed values: those of Akamai's own clients, and others computed with Akamai's Python
//! client. The code under test computes none of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use akamai_cps::Credentials;
use akamai_cps::edgegrid::{
    Authorization, AuthorizationError, Message, Signer, VerifyError, authorization, content_hash,
    format_timestamp, parse_timestamp, verify,
};

const HOST: &str = "akaa-baseurl-xxxxxxxxxxx-xxxxxxxxxxxxx.luna.akamaiapis.net";
const NONCE: &str = "nonce-xx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
const SECRET: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=";
const ACKNOWLEDGE: &str = "/cps/v2/enrollments/10002/changes/10002/input/update/lets-encrypt-challenges-completed\
                           ?accountSwitchKey=1-ABCD:1-2RBL";

fn credentials(secret: &str) -> Credentials {
    let (client, access) =
        ("akab-client-token-xxx-xxxxxxxxxxxxxxxx", "akab-access-token-xxx-xxxxxxxxxxxxxxxx");
    Credentials::new(HOST, client, secret, access).unwrap()
}

fn time() -> jiff::Timestamp {
    "2014-03-21T19:34:21Z".parse().unwrap()
}

struct Vector {
    method: &'static str,
    path: &'static str,
    body: Vec<u8>,
    max_body: usize,
    hash: &'static str,
    signature: &'static str,
}

fn vector(
    method: &'static str,
    path: &'static str,
    body: impl Into<Vec<u8>>,
    max_body: usize,
    hash: &'static str,
    signature: &'static str,
) -> Vector {
    Vector { method, path, body: body.into(), max_body, hash, signature }
}

fn vectors() -> Vec<Vector> {
    akamais_own().into_iter().chain(computed()).collect()
}

/// Those of Akamai's own clients.
fn akamais_own() -> Vec<Vector> {
    let usual = Credentials::DEFAULT_MAX_BODY;
    vec![
        vector("GET", "/", "", usual, "", "tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU="),
        vector(
            "GET",
            "/testapi/v1/t1?p1=1&p2=2",
            "",
            usual,
            "",
            "hKDH1UlnQySSHjvIcZpDMbQHihTQ0XyVAKZaApabdeA=",
        ),
        vector(
            "POST",
            "/testapi/v1/t3",
            "datadatadatadatadatadatadatadata",
            usual,
            "fDimoYqXOLntG3If/Z0K2aS9I19Pkv9P5OMCoL8lY0w=",
            "hXm4iCxtpN22m4cbZb4lVLW5rhX8Ca82vCFqXzSTPe4=",
        ),
        vector(
            "POST",
            "/testapi/v1/t3",
            vec![b'd'; 2049],
            2048,
            "iysZKJ78BqF0NvDrpv9Hc3pJBWC5f5apR4qUK/Qfo5k=",
            "6Q6PiTipLae6n4GsSIDTCJ54bEbHUBp+4MUXrbQCBoY=",
        ),
        vector("POST", "/testapi/v1/t6", "", usual, "", "1gEDxeQGD5GovIkJJGcBaKnZ+VaPtrc4qBUHixjsPCQ="),
        vector(
            "PUT",
            "/testapi/v1/t6",
            "PPPPPPPPPP",
            usual,
            "",
            "GNBWEYSEWOLtu+7dD52da2C39aX/Jchpon3K/AmBqBU=",
        ),
    ]
}

/// Computed with Akamai's Python client 2.0.9.
fn computed() -> Vec<Vector> {
    let usual = Credentials::DEFAULT_MAX_BODY;
    vec![
        vector(
            "POST",
            ACKNOWLEDGE,
            r#"{"acknowledgement":"acknowledge"}"#,
            usual,
            "qEOLwU52Sw9C3w1QIjX0sxl/+oE0aXfHvzQ+003QlT8=",
            "aY/sFvPIsREIAX3ij2uXgTSZZzxBbalbF1ldjSWH8vs=",
        ),
        vector(
            "PUT",
            "/cps/v2/enrollments/10002?allow-cancel-pending-changes=true",
            "any body",
            usual,
            "",
            "HGz+YIWlPk2TN7h8ebP3OzPtHJ7mzTGY+szphFPfkAI=",
        ),
        vector(
            "GET",
            "/cps/v2/enrollments?contractId=1-1TJZH5&accountSwitchKey=1-ABCD%3A1-2RBL",
            "",
            usual,
            "",
            "3ZWbeiule4RTqOQWIH/fjVlq5Y7RzTpHDB/UZn1r014=",
        ),
        vector(
            "POST",
            "/cps/v2/enrollments?contractId=1-1TJZH5",
            "{\"org\":{\"name\":\"Bäckerei\"}}",
            usual,
            "LFjAxDQAlpV3pFpN1tB/L3w/5xbNrysYfDjcIr6SssU=",
            "QTHZDpEI6btq6nuOU++ajZV2O20wmzYsne/qyC4HBjA=",
        ),
        vector(
            "DELETE",
            "/cps/v2/enrollments/10002",
            "",
            usual,
            "",
            "7Gjvvfn2jotpCW6H9rwXe+8wmqW6t756phWbu8MxAdI=",
        ),
        vector(
            "POST",
            "/testapi/v1/t3",
            vec![b'd'; 131_073],
            usual,
            "LaujUkG/mDmRGVx1CqMe/Go7FaBU/989OLSUOFtBras=",
            "NfvzHwqMZcQc4Z0tQE5bnKN0Z1c4WDw0rFfVM2AyrmY=",
        ),
    ]
}

impl Vector {
    fn message(&self) -> Message<'_> {
        Message {
            method: self.method,
            scheme: "https",
            host: HOST,
            path_and_query: self.path,
            body: &self.body,
        }
    }
}

#[test]
fn every_vector_has_its_content_hash_and_signature() {
    for vector in vectors() {
        let name = format!("{} {}", vector.method, vector.path);
        assert_eq!(content_hash(vector.method, &vector.body, vector.max_body), vector.hash, "{name}");
        let credentials = Credentials { max_body: vector.max_body, ..credentials(SECRET) };
        let expected = format!(
            "EG1-HMAC-SHA256 client_token=akab-client-token-xxx-xxxxxxxxxxxxxxxx;\
             access_token=akab-access-token-xxx-xxxxxxxxxxxxxxxx;timestamp=20140321T19:34:21+0000;nonce={NONCE};\
             signature={}",
            vector.signature
        );
        assert_eq!(authorization(&credentials, &vector.message(), time(), NONCE), expected, "{name}");
    }
}

#[test]
fn plain_http_on_a_port_is_signed_for_that_host_and_scheme() {
    let message = Message {
        method: "POST",
        scheme: "http",
        host: "127.0.0.1:8080",
        path_and_query: "/cps/v2/enrollments?contractId=1-1TJZH5",
        body: b"{}",
    };
    let time = "2026-11-23T01:02:03Z".parse().unwrap();
    let header = authorization(&credentials("short"), &message, time, "1");
    assert!(header.ends_with(";nonce=1;signature=/PzXVx7uICcwJKl1axWeovJbQ3ZBhACg0Vuk0yHcwag="), "{header}");
}

#[test]
fn a_signer_signs_what_any_http_client_is_about_to_send() {
    let signer = Signer::new(credentials(SECRET));
    let sign = |request: http::Request<()>| {
        let header = signer.sign(&request.into_parts().0, b"", time(), NONCE).unwrap();
        assert!(header.is_sensitive() && !format!("{header:?}").contains("akab"));
        header.to_str().unwrap().to_owned()
    };
    let uri = format!("https://{HOST}/testapi/v1/t1?p1=1&p2=2");
    let by_uri = sign(http::Request::get(&uri).body(()).unwrap());
    let by_header =
        sign(http::Request::get("/testapi/v1/t1?p1=1&p2=2").header("host", HOST).body(()).unwrap());
    assert!(by_uri.ends_with("signature=hKDH1UlnQySSHjvIcZpDMbQHihTQ0XyVAKZaApabdeA="), "{by_uri}");
    assert_eq!(by_uri, by_header);
}

#[test]
fn a_server_accepts_what_was_signed_and_nothing_else() {
    for vector in vectors() {
        let credentials = Credentials { max_body: vector.max_body, ..credentials(SECRET) };
        let header = authorization(&credentials, &vector.message(), time(), NONCE);
        let parsed = Authorization::parse(&header).unwrap();
        assert_eq!((parsed.signature.as_str(), parsed.time()), (vector.signature, Some(time())));
        assert_eq!(verify(&credentials, &vector.message(), &parsed), Ok(()));

        let other_path = Message { path_and_query: "/elsewhere", ..vector.message() };
        assert_eq!(verify(&credentials, &other_path, &parsed), Err(VerifyError::Signature));
        let later = Authorization::parse(&header.replace("T19:34:21", "T19:34:22")).unwrap();
        assert_eq!(verify(&credentials, &vector.message(), &later), Err(VerifyError::Signature));
        let other_client = Authorization::parse(&header.replace("akab-client", "akab-other")).unwrap();
        assert_eq!(verify(&credentials, &vector.message(), &other_client), Err(VerifyError::Token));
    }
}

#[test]
fn a_header_that_is_not_edgegrid_is_refused() {
    let header = authorization(&credentials(SECRET), &vectors()[0].message(), time(), NONCE);
    let refused = |header: &str| Authorization::parse(header).unwrap_err();
    assert_eq!(refused("Bearer abc"), AuthorizationError::Scheme);
    assert_eq!(refused(&header.replace("nonce=", "once=")), AuthorizationError::Field("nonce"));
    assert_eq!(refused(&header.replace(NONCE, "")), AuthorizationError::Field("nonce"));
    assert_eq!(
        refused(&header.replace("nonce=", "timestamp=1;nonce=")),
        AuthorizationError::Field("timestamp")
    );
    assert_eq!(refused(&header[..header.len() - 44]), AuthorizationError::Field("signature"));
}

#[test]
fn a_timestamp_is_written_in_edgegrids_own_form_and_read_back() {
    assert_eq!(format_timestamp(time()), "20140321T19:34:21+0000");
    assert_eq!(parse_timestamp("20140321T19:34:21+0000"), Some(time()));
    for malformed in ["2014-03-21T19:34:21Z", "20140321T19:34:21+0100", "", "20141321T19:34:21+0000"] {
        assert_eq!(parse_timestamp(malformed), None, "{malformed}");
    }
}
