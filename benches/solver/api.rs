//! An API server that has only ConfigMaps: paged lists, and watches that stay open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct Api {
    port: u16,
    items: Arc<Mutex<Vec<String>>>,
    events: broadcast::Sender<String>,
    /// How many watches have begun.
    watches: Arc<watch::Sender<usize>>,
}

impl Api {
    pub async fn start(fleet: &super::Fleet) -> Result<Self> {
        let items = (0..fleet.config_maps).map(|number| fleet.config_map(number)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let api = Self {
            port: listener.local_addr()?.port(),
            items: Arc::new(Mutex::new(items)),
            events: broadcast::channel(16).0,
            watches: Arc::new(watch::channel(0).0),
        };
        let router = Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(api)
    }

    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: bench\nclusters:\n- name: bench\n  cluster: {{server: 'http://127.0.0.1:{}'}}\n\
             users:\n- name: bench\n  user: {{}}\ncontexts:\n- name: bench\n  context: {{cluster: bench, user: bench}}\n",
            self.port
        )
    }

    pub async fn until_watched(&self) -> Result<()> {
        self.until_watches_exceed(0).await
    }

    /// Adds a ConfigMap, and sends it to the watch.
    pub fn add(&self, item: String) -> Result<()> {
        self.events.send(event("ADDED", &item)).context("nobody watches")?;
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        Ok(())
    }

    /// Tells the watch that it is too old, and waits until the client has listed again.
    pub async fn let_relist(&self) -> Result<()> {
        let before = *self.watches.borrow();
        let gone = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}"#;
        self.events.send(event("ERROR", gone)).context("nobody watches")?;
        self.until_watches_exceed(before).await
    }

    async fn until_watches_exceed(&self, number: usize) -> Result<()> {
        let mut watches = self.watches.subscribe();
        tokio::time::timeout(DEADLINE, watches.wait_for(|now| *now > number)).await??;
        Ok(())
    }

    fn list(&self, query: &HashMap<String, String>) -> String {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |key| query.get(key).and_then(|value: &String| value.parse::<usize>().ok());
        let from = number("continue").unwrap_or(0).min(items.len());
        let to = from.saturating_add(number("limit").unwrap_or(usize::MAX)).min(items.len());
        let next = if to < items.len() { format!(r#","continue":"{to}""#) } else { String::new() };
        format!(
            r#"{{"kind":"ConfigMapList","apiVersion":"v1","metadata":{{"resourceVersion":"1"{next}}},"items":[{}]}}"#,
            items[from..to].join(",")
        )
    }
}

fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

async fn answer(State(api): State<Api>, uri: Uri, Query(query): Query<HashMap<String, String>>) -> Response {
    assert!(uri.path().ends_with("/configmaps"), "the solver asks for {uri}");
    let body = if query.contains_key("watch") {
        let events = api.events.subscribe();
        api.watches.send_modify(|watches| *watches += 1);
        Body::from_stream(
            futures::stream::unfold(events, async |mut events| {
                Some((events.recv().await.map(Bytes::from), events))
            })
            .boxed(),
        )
    } else {
        Body::from(api.list(&query))
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
