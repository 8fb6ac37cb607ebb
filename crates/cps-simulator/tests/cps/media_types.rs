//! Media types: CPS is strict about them, with and without `charset=utf-8`.

use crate::client::{Call, media};
use crate::world::{World, enrollment};

fn create(body: &serde_json::Value) -> Call {
    Call::new("POST", "/cps/v2/enrollments?contractId=C-1", "enrollment-status.v1")
        .body("enrollment.v11", body)
}

#[tokio::test]
async fn an_unknown_unversioned_or_missing_accept_gives_406() {
    let world = World::start(|_| {}).await;
    let list = Call::new("GET", "/cps/v2/enrollments?contractId=C-1", "enrollments.v11");
    let others = [
        None,
        Some("*/*".to_owned()),
        Some("application/json".to_owned()),
        Some("application/vnd.akamai.cps.enrollments+json".to_owned()),
        Some(media("enrollments.v6")),
    ];
    for accept in others {
        let nonce = format!("{accept:?}").replace(['"', ' ', ';'], "");
        let answer = world.cps.send(Call { accept: accept.clone(), nonce, ..list.clone() }).await;
        assert_eq!((answer.status, answer.slug()), (406, "not-acceptable"), "{accept:?}");
    }
}

#[tokio::test]
async fn a_wrong_content_type_gives_415_and_creates_nothing() {
    let world = World::start(|_| {}).await;
    for content_type in [None, Some("application/json".to_owned()), Some(media("enrollment.v6"))] {
        let body = enrollment(&["www.example.com"]);
        let answer = world.cps.send(Call { content_type, ..create(&body) }).await;
        assert_eq!((answer.status, answer.slug()), (415, "unsupported-media-type"));
    }
    let list = world.cps.get("/cps/v2/enrollments?contractId=C-1", "enrollments.v11").await;
    assert_eq!(list.json, serde_json::json!({"enrollments": []}));
}

#[tokio::test]
async fn a_charset_is_accepted() {
    let world = World::start(|_| {}).await;
    let charset = |name| Some(format!("{}; charset=utf-8", media(name)));
    let call = Call {
        content_type: charset("enrollment.v11"),
        accept: charset("enrollment-status.v1"),
        ..create(&enrollment(&["www.example.com"]))
    };
    let answer = world.cps.send(call).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("content-type"), media("enrollment-status.v1"));
}

#[tokio::test]
async fn deployments_are_answered_in_the_version_that_was_asked_for() {
    let world = World::start(|_| {}).await;
    let (enrollment, _) = world.deployed(&["www.example.com"]).await;
    for version in ["deployments.v7", "deployments.v8"] {
        let path = format!("/cps/v2/enrollments/{enrollment}/deployments");
        assert_eq!(world.cps.get(path, version).await.header("content-type"), media(version));
    }
}
