//! The list and the watch of ConfigMaps, against a mock API server.

use std::time::Duration;

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower_test::mock::{Handle, pair};

use super::*;
use crate::solver::Found;

const DEADLINE: Duration = Duration::from_secs(10);

struct Following {
    server: Handle<Request<Body>, Response<Body>>,
    challenges: Challenges,
    readiness: Readiness,
    task: JoinHandle<()>,
}

impl Following {
    fn start() -> Self {
        let (service, server) = pair();
        let (challenges, readiness) = (Challenges::default(), Readiness::default());
        let (index, ready) = (challenges.clone(), readiness.clone());
        let client = Client::new(service, "default");
        let task = tokio::spawn(async move { follow(client, "akacert-system", index, ready).await });
        Self { server, challenges, readiness, task }
    }

    /// Waits for the next request, and answers it. By then the solver has applied all earlier answers.
    async fn answer(&mut self, answer: impl FnOnce(&Self, &str) -> String) {
        let next = tokio::time::timeout(DEADLINE, self.server.next_request());
        let (request, send) = next.await.expect("a request").unwrap();
        let answer = answer(self, &request.uri().to_string());
        send.send_response(Response::new(Body::from(answer.into_bytes())));
    }

    fn answers(&self, host: &str) -> bool {
        matches!(self.challenges.find(host, "/p"), Found::Answer(_))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config_map(name: &str, host: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "akacert-system", "resourceVersion": "2", "uid": "1",
            "labels": {"app.kubernetes.io/component": "challenges"},
            "managedFields": [{"manager": "akacert", "fieldsV1": "not what Kubernetes has here"}]
        },
        "data": {"challenges.json": json!([{"host": host, "path": "/p", "body": "b"}]).to_string()}
    })
}

fn page(items: &[Value], next: Option<&str>) -> String {
    let metadata = json!({"resourceVersion": "1", "continue": next});
    json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items}).to_string()
}

fn event(kind: &str, object: &Value) -> String {
    // The API server sends the type first.
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

#[tokio::test]
async fn it_is_ready_when_the_last_page_was_taken_in_and_answers_from_the_first_on() {
    let mut following = Following::start();
    following
        .answer(|_, uri| {
            assert!(uri.starts_with("/api/v1/namespaces/akacert-system/configmaps?"), "{uri}");
            assert!(uri.contains("limit=250"), "{uri}");
            assert!(uri.contains("labelSelector="), "{uri}");
            page(&[config_map("akacert-1", "a.example")], Some("more"))
        })
        .await;
    following
        .answer(|following, uri| {
            assert!(uri.contains("continue=more"), "{uri}");
            assert!(following.answers("a.example"));
            assert!(!following.readiness.get());
            page(&[config_map("akacert-2", "b.example")], None)
        })
        .await;
    following
        .answer(|following, uri| {
            assert!(uri.contains("watch=true"), "{uri}");
            assert!(following.answers("a.example") && following.answers("b.example"));
            assert!(following.readiness.get());
            String::new()
        })
        .await;
}

#[tokio::test]
async fn each_event_of_the_watch_is_taken_in() {
    let mut following = Following::start();
    following.answer(|_, _| page(&[config_map("akacert-1", "a.example")], None)).await;
    let events = [
        event("ADDED", &config_map("akacert-2", "b.example")),
        event("MODIFIED", &config_map("akacert-2", "c.example")),
        event("DELETED", &config_map("akacert-1", "a.example")),
    ];
    following.answer(|_, _| events.concat()).await;
    following
        .answer(|following, _| {
            let hosts = ["a.example", "b.example", "c.example"];
            assert_eq!(hosts.map(|host| following.answers(host)), [false, false, true]);
            String::new()
        })
        .await;
}

#[tokio::test]
async fn when_the_watch_is_too_old_it_lists_again_and_stays_ready() {
    let mut following = Following::start();
    following.answer(|_, _| page(&[config_map("akacert-1", "a.example")], None)).await;
    let gone =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410});
    following.answer(|_, _| event("ERROR", &gone)).await;
    following
        .answer(|following, uri| {
            assert!(!uri.contains("watch="), "{uri}");
            assert!(following.answers("a.example"));
            assert!(following.readiness.get());
            page(&[config_map("akacert-2", "b.example")], None)
        })
        .await;
    following
        .answer(|following, _| {
            assert!(!following.answers("a.example"));
            assert!(following.answers("b.example"));
            String::new()
        })
        .await;
}
