//! The publisher against an API server in memory: what it sends, and what it leaves alone.

use std::time::Duration;

use akacert_core::life::fixtures::Scene;
use akacert_core::published::{Kind, Object, Write};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::reflector;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{PublishError, Publisher};
use crate::cluster::api_server::{ApiServer, Fault};
use crate::cluster::scope::Scope;

const PATH: &str = "/api/v1/namespaces/akacert-system/configmaps/akacert-1";

struct World {
    api: ApiServer,
    publisher: Publisher,
    shutdown: CancellationToken,
}

impl World {
    async fn new() -> Self {
        let (api, shutdown) = (ApiServer::default(), CancellationToken::new());
        let (namespaces, _) = reflector::store();
        let rules = Scene::new().publishing;
        let (publisher, _) = Publisher::start(api.client(), rules, &Scope::default(), namespaces, &shutdown);
        publisher.synced().await.unwrap();
        api.forget_requests();
        Self { api, publisher, shutdown }
    }

    fn seen(&self) -> Option<std::sync::Arc<ConfigMap>> {
        let key = reflector::ObjectRef::new("akacert-1").within("akacert-system");
        self.publisher.watches.config_maps.store.get(&key)
    }

    /// The object is there, and the watch shows it.
    async fn with(object: &Value) -> Self {
        let world = Self::new().await;
        world.api.put(PATH, object);
        let deadline = Instant::now() + Duration::from_secs(60);
        while world.seen().is_none() {
            assert!(Instant::now() < deadline, "the watch does not show the object");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world
    }

    async fn apply(&self, tokens: &str) -> Result<(), PublishError> {
        let object = serde_json::from_value(object("uid-of-www", tokens)).unwrap();
        self.publisher.perform(&Write::Apply(Object::ConfigMap(object))).await
    }

    fn tokens(&self) -> Value {
        self.api.get(PATH).unwrap()["data"]["challenges.json"].clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn object(certificate: &str, tokens: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "akacert-1", "namespace": "akacert-system",
            "labels": {
                "app.kubernetes.io/managed-by": "akacert", "akacert.io/component": "http01-challenges",
                "akacert.io/certificate-uid": certificate
            }
        },
        "data": {"challenges.json": tokens}
    })
}

#[tokio::test]
async fn an_object_is_written_once_and_the_next_look_sees_it() {
    let world = World::new().await;
    world.apply("one").await.unwrap();
    assert!(world.seen().is_some());
    world.apply("one").await.unwrap();
    assert_eq!(world.api.writes(), [format!("PATCH {PATH}")]);
}

#[tokio::test]
async fn certificates_that_write_one_object_at_once_send_one_request() {
    let world = World::new().await;
    let (first, second) = tokio::join!(world.apply("one"), world.apply("one"));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(world.api.writes(), [format!("PATCH {PATH}")]);
}

#[tokio::test]
async fn an_object_that_the_watch_does_not_show_yet_is_read_and_written() {
    let world = World::new().await;
    world.api.let_watches_wait(true);
    world.api.put(PATH, &object("uid-of-www", "old"));
    let written = async {
        let shown = async {
            while world.tokens() != "new" {
                tokio::task::yield_now().await;
            }
            world.api.let_watches_wait(false);
        };
        tokio::join!(world.apply("new"), shown).0
    };
    tokio::time::timeout(Duration::from_secs(60), written).await.unwrap().unwrap();
    assert_eq!(world.tokens(), "new");
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone_and_named() {
    let world = World::with(&object("uid-of-another", "theirs")).await;
    let error = world.apply("ours").await.unwrap_err();
    assert!(matches!(error, PublishError::Blocked(_)), "{error}");
    assert!(error.to_string().contains("ConfigMap akacert-system/akacert-1"), "{error}");
    assert_eq!((world.tokens(), world.api.writes()), (json!("theirs"), vec![]));
}

#[tokio::test]
async fn what_a_webhook_changes_is_told_and_not_taken_for_done() {
    let world = World::new().await;
    world.api.admit(|object| object["data"]["challenges.json"] = json!("other"));
    let error = world.apply("ours").await.unwrap_err();
    assert!(matches!(error, PublishError::Overruled { .. }), "{error}");
}

#[tokio::test]
async fn an_object_that_is_replaced_under_each_write_is_given_up_after_some() {
    let world = World::with(&object("uid-of-www", "old")).await;
    for _ in 0..10 {
        world.api.fault(&format!("PATCH {PATH}"), Fault::Refused(409));
    }
    let error = world.apply("new").await.unwrap_err();
    assert!(matches!(error, PublishError::Contended { .. }), "{error}");
    assert_eq!(world.api.writes().len(), 4);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_done_by_the_next_one() {
    let world = World::new().await;
    world.api.fault(&format!("PATCH {PATH}"), Fault::AnswerLost);
    let error = world.apply("one").await.unwrap_err();
    assert!(matches!(error, PublishError::Api { .. }), "{error}");
    world.apply("one").await.unwrap();
    assert_eq!(world.tokens(), "one");
}

#[tokio::test]
async fn only_the_very_object_that_was_seen_is_deleted() {
    let world = World::with(&object("uid-of-www", "old")).await;
    let delete = |uid: &str| Write::Delete {
        kind: Kind::ConfigMap,
        namespace: "akacert-system".into(),
        name: "akacert-1".into(),
        uid: uid.into(),
    };
    world.publisher.perform(&delete("uid-of-a-former-one")).await.unwrap();
    assert!(world.api.get(PATH).is_some());
    let uid = world.api.get(PATH).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    world.publisher.perform(&delete(&uid)).await.unwrap();
    assert!(world.api.get(PATH).is_none() && world.seen().is_none());
}
