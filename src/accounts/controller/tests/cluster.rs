//! An API server with ClusterAkamaiAccounts and Secrets in memory. It answers the requests of the accounts'
//! controller in the order in which they come, unless a test holds some back, and records them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::cluster::api_server::wire::{self, Answer, lines, object, refusal};
use akacert_api::ClusterAkamaiAccount;
use akacert_api::names::ACCOUNT_FINALIZER;

const ACCOUNTS: &str = "/apis/akacert.io/v1alpha1/clusterakamaiaccounts";
const SECRETS: &str = "/api/v1/namespaces/akacert-system/secrets";

#[derive(Clone, Default)]
pub struct Cluster {
    state: Arc<Mutex<State>>,
    secrets_open: Arc<Gate>,
}

/// Open, or closed until a test opens it.
struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(Semaphore::MAX_PERMITS))
    }
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Value>,
    version: u64,
    /// Every event of accounts, with its resource version.
    history: Vec<(u64, Value)>,
    watchers: Vec<mpsc::UnboundedSender<Value>>,
    /// Watches of kinds that have no objects; they stay open.
    idle: Vec<mpsc::UnboundedSender<Value>>,
    requests: Vec<String>,
    /// Requests to refuse, once each: a part of "METHOD path", and a status code.
    refusals: VecDeque<(String, u16)>,
    reading: usize,
    most_reading: usize,
}

impl Cluster {
    pub fn client(&self) -> Client {
        let cluster = self.clone();
        wire::client(move |request| {
            let cluster = cluster.clone();
            async move { cluster.answer(request).await }
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Creates an account, or changes its `spec`.
    pub fn put_account(&self, name: &str, secret: &str) {
        let mut state = self.lock();
        let spec = json!({
            "credentials": {"secretRef": {"name": secret}}, "allowedNamespaces": {}, "allowedDomains": ["*"]
        });
        let uid = format!("account-{}", state.version);
        let new = json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "ClusterAkamaiAccount",
            "metadata": {"name": name, "uid": uid, "generation": 0}
        });
        let mut account = state.accounts.get(name).cloned().unwrap_or(new);
        account["spec"] = spec;
        bump(&mut account["metadata"]["generation"]);
        state.put(name, account);
    }

    /// Does what `kubectl delete` does: marks an account with a finalizer for deletion.
    pub fn delete_account(&self, name: &str) {
        let mut state = self.lock();
        let mut account = state.accounts[name].clone();
        account["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
        bump(&mut account["metadata"]["generation"]);
        state.put(name, account);
    }

    /// Removes an account at once, even if it has finalizers.
    pub fn remove_account(&self, name: &str) {
        let mut state = self.lock();
        let mut account = state.accounts[name].clone();
        account["metadata"]["finalizers"] = json!([]);
        account["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
        state.put(name, account);
    }

    pub fn account(&self, name: &str) -> Option<ClusterAkamaiAccount> {
        self.lock().accounts.get(name).map(|account| serde_json::from_value(account.clone()).unwrap())
    }

    /// `status`, `reason` and message of the account's condition Ready, once the status is about the current `spec`.
    pub fn ready(&self, name: &str) -> Option<(String, String, String)> {
        let account = self.account(name)?;
        let status = account
            .status
            .filter(|status| Some(status.observed_generation) == account.metadata.generation)?;
        let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready")?;
        Some((ready.status, ready.reason, ready.message))
    }

    pub fn is_ready(&self, name: &str) -> bool {
        self.ready(name).is_some_and(|(status, ..)| status == "True")
    }

    pub fn reason(&self, name: &str) -> String {
        self.ready(name).map(|(_, reason, _)| reason).unwrap_or_default()
    }

    pub fn is_kept(&self, name: &str) -> bool {
        self.account(name)
            .is_some_and(|account| account.metadata.finalizers.is_some_and(|all| all == [ACCOUNT_FINALIZER]))
    }

    /// Creates or changes a Secret with the credentials of an API client. Returns its metadata.
    pub fn put_secret(&self, name: &str, host: &str) -> Value {
        let mut state = self.lock();
        state.version += 1;
        let uid = format!("secret-{name}");
        let metadata = json!({
            "name": name, "namespace": "akacert-system", "uid": uid, "resourceVersion": state.version.to_string()
        });
        let keys = [("host", host), ("client_token", name), ("client_secret", "s"), ("access_token", "a")];
        let data: serde_json::Map<String, Value> = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(data_encoding::BASE64.encode(value.as_bytes()))))
            .collect();
        state.secrets.insert(name.to_owned(), json!({"metadata": metadata, "data": data}));
        metadata
    }

    /// Deletes a Secret. Returns the metadata that it had.
    pub fn delete_secret(&self, name: &str) -> Value {
        self.lock().secrets.remove(name).unwrap()["metadata"].clone()
    }

    pub fn secrets(&self) -> Vec<Value> {
        self.lock().secrets.values().map(|secret| secret["metadata"].clone()).collect()
    }

    /// Refuses the next request whose "METHOD path" contains `request`.
    pub fn refuse(&self, request: &str, status: u16) {
        self.lock().refusals.push_back((request.to_owned(), status));
    }

    /// Holds back the answers to reads of Secrets until [`Cluster::release_secrets`].
    pub fn hold_secrets(&self) {
        self.secrets_open.0.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn release_secrets(&self) {
        self.secrets_open.0.add_permits(Semaphore::MAX_PERMITS);
    }

    /// How many reads of Secrets wait for an answer now, and how many did at most.
    pub fn reading(&self) -> (usize, usize) {
        let state = self.lock();
        (state.reading, state.most_reading)
    }

    /// The requests so far, without lists and watches.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    /// How many requests had a "METHOD path" that contains `request`.
    pub fn count(&self, request: &str) -> usize {
        self.lock().requests.iter().filter(|made| made.contains(request)).count()
    }

    pub fn forget_requests(&self) {
        self.lock().requests.clear();
    }

    async fn answer(&self, request: Request<Body>) -> Response<Answer> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let body: Value =
            serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or_default();
        let name = path.strip_prefix(ACCOUNTS).map(|name| name.trim_start_matches('/').to_owned());
        if parts.method == Method::GET && !path.starts_with(SECRETS) {
            return match name.filter(String::is_empty) {
                Some(_) if query.contains("watch=true") => self.lock().watch(&query),
                Some(_) => self.lock().list(),
                // There are no AkamaiAccounts.
                None if query.contains("watch=true") => {
                    let (sender, events) = mpsc::unbounded_channel();
                    self.lock().idle.push(sender);
                    lines(events)
                }
                None => object(&json!({"metadata": {"resourceVersion": "1"}, "items": []})),
            };
        }
        let made = format!("{} {path}", parts.method);
        {
            let mut state = self.lock();
            state.requests.push(made.clone());
            if let Some(at) = state.refusals.iter().position(|(part, _)| made.contains(part.as_str())) {
                let status = state.refusals.remove(at).unwrap().1;
                return refusal(status, "a fault of the test", Value::Null);
            }
        }
        if let Some(secret) = path.strip_prefix(SECRETS) {
            return self.read_secret(secret.trim_start_matches('/')).await;
        }
        match name {
            Some(name) => self.lock().patch(&name, &body),
            None => object(&body),
        }
    }

    async fn read_secret(&self, name: &str) -> Response<Answer> {
        {
            let mut state = self.lock();
            state.reading += 1;
            state.most_reading = state.most_reading.max(state.reading);
        }
        drop(self.secrets_open.0.acquire().await);
        let mut state = self.lock();
        state.reading -= 1;
        state.secrets.get(name).map_or_else(|| refusal(404, "not found", Value::Null), object)
    }
}

impl State {
    /// Stores an account, and sends the event to the watches.
    fn put(&mut self, name: &str, mut account: Value) {
        self.version += 1;
        account["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let metadata = &account["metadata"];
        let ends = metadata["deletionTimestamp"].is_string()
            && metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
        let event = json!({"type": if ends { "DELETED" } else { "MODIFIED" }, "object": account});
        match ends {
            true => self.accounts.remove(name),
            false => self.accounts.insert(name.to_owned(), account),
        };
        self.watchers.retain(|watcher| watcher.send(event.clone()).is_ok());
        self.history.push((self.version, event));
    }

    fn list(&self) -> Response<Answer> {
        let items: Vec<_> = self.accounts.values().collect();
        object(&json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}))
    }

    fn watch(&mut self, query: &str) -> Response<Answer> {
        let since = query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
        let since: u64 = since.unwrap().parse().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        for (_, event) in self.history.iter().filter(|(version, _)| *version > since) {
            sender.send(event.clone()).unwrap();
        }
        self.watchers.push(sender);
        lines(events)
    }

    fn patch(&mut self, path: &str, body: &Value) -> Response<Answer> {
        let name = path.trim_end_matches("/status");
        let Some(mut account) = self.accounts.get(name).cloned() else {
            return refusal(404, "not found", Value::Null);
        };
        let (wanted, current) = (&body["metadata"], &account["metadata"]);
        let conflicts = |field: &str| wanted[field].is_string() && wanted[field] != current[field];
        if conflicts("uid") || conflicts("resourceVersion") {
            return refusal(409, "it has changed", Value::Null);
        }
        if path.ends_with("/status") {
            account["status"] = body["status"].clone();
        } else {
            account["metadata"]["finalizers"] = wanted["finalizers"].clone();
        }
        self.put(name, account.clone());
        object(&account)
    }
}

fn bump(number: &mut Value) {
    *number = json!(number.as_u64().unwrap() + 1);
}
