//! An API server in memory, for the tests of what talks to one: any kind, with preconditions, server-side apply, watches,
//! and faults that a test asks for. It is tolerant where a test need not care: no schema, no defaults, no admission.

pub mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use wire::{Answer, lines, object, refusal};

/// Something that changes objects while they are written, such as an admission webhook, or another client just before.
type Hook = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What a request meets in place of its answer.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is refused with this status, and not carried out.
    Refused(u16),
    /// It is carried out, and the answer is status 504.
    AnswerLost,
}

#[derive(Clone, Default)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By their paths.
    objects: BTreeMap<String, Value>,
    version: u64,
    /// What happened, by the version that it led to.
    history: Vec<(u64, Happened)>,
    watchers: Vec<Watcher>,
    watches_are_late: bool,
    /// What happened up to this version is forgotten.
    compacted: u64,
    requests: Vec<String>,
    faults: VecDeque<(String, Fault)>,
    admission: Option<Hook>,
    before_write: Option<Hook>,
}

#[derive(Clone)]
struct Happened {
    path: String,
    event: Value,
}

struct Watcher {
    collection: Collection,
    events: mpsc::UnboundedSender<Value>,
}

/// A path of the API, taken apart.
#[derive(Clone, Debug, PartialEq)]
struct Collection {
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    api: String,
    namespace: Option<String>,
    plural: String,
    selector: Vec<(String, Option<String>)>,
}

/// What a path names in its collection.
struct Named {
    name: String,
    subresource: Option<String>,
}

impl ApiServer {
    pub fn client(&self) -> Client {
        let server = self.clone();
        wire::client(move |request| {
            let server = server.clone();
            async move { server.answer(request).await }
        })
    }

    /// Creates an object, or replaces it; answers it as stored. Its path is that of the API.
    pub fn put(&self, path: &str, object: &Value) -> Value {
        let mut state = self.lock();
        let uid = state.objects.get(path).map(|found| found["metadata"]["uid"].clone());
        let mut object = object.clone();
        if let Some(uid) = uid {
            object["metadata"]["uid"] = uid;
        }
        state.store(path, object)
    }

    /// Removes an object at once, whatever its finalizers.
    pub fn remove(&self, path: &str) {
        self.lock().remove(path);
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        self.lock().objects.get(path).cloned()
    }

    /// What the next request meets of which "METHOD path" contains this.
    pub fn fault(&self, request: &str, fault: Fault) {
        self.lock().faults.push_back((request.to_owned(), fault));
    }

    /// Changes each object that is written from now on.
    pub fn admit(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.lock().admission = Some(Arc::new(change));
    }

    /// Changes the object right before the next write of it, as another client would.
    pub fn before_the_next_write(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.lock().before_write = Some(Arc::new(change));
    }

    /// Whether watches show nothing for now. What happened meanwhile comes once they do.
    pub fn let_watches_wait(&self, wait: bool) {
        let mut state = self.lock();
        state.watches_are_late = wait;
        if !wait {
            // Each watch ends, and the next one goes on where it was.
            state.watchers.clear();
        }
    }

    /// Ends all watches, and forgets what has happened: each has to list again.
    pub fn break_watches(&self) {
        let mut state = self.lock();
        state.watchers.clear();
        state.history.clear();
        state.compacted = state.version + 1;
    }

    /// The requests so far that write, as "METHOD path".
    pub fn writes(&self) -> Vec<String> {
        self.lock().requests.iter().filter(|request| !request.starts_with("GET")).cloned().collect()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    /// Adds a request to another server to the record.
    pub fn note(&self, request: &str) {
        self.lock().requests.push(request.to_owned());
    }

    pub fn forget_requests(&self) {
        self.lock().requests.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Answer> {
        let (parts, body) = request.into_parts();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut state = self.lock();
        let made = format!("{} {path}", parts.method);
        state.requests.push(made.clone());
        let fault = state.fault(&made);
        if let Some(Fault::Refused(status)) = fault {
            return refusal(status, "a fault of the test", Value::Null);
        }
        let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
        let answer = state.carry_out(&parts.method, path, query, content_type.unwrap_or_default(), &body);
        if let Some(Fault::AnswerLost) = fault {
            return refusal(504, "a fault of the test", Value::Null);
        }
        answer
    }
}

impl State {
    fn fault(&mut self, request: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(part, _)| request.contains(part.as_str()))?;
        self.faults.remove(at).map(|(_, fault)| fault)
    }

    fn carry_out(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        content_type: &str,
        body: &Value,
    ) -> Response<Answer> {
        let Some((collection, named)) = Collection::of(path, query) else {
            return object(&json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": []}));
        };
        let Some(Named { name, subresource }) = named else {
            return match *method {
                Method::POST => {
                    object(&self.store(&format!("{path}/{}", body["metadata"]["name"]), body.clone()))
                }
                _ if query.contains("watch=true") => self.watch(collection, query),
                _ => self.list(&collection),
            };
        };
        let path =
            path.trim_end_matches(&format!("/{}", subresource.as_deref().unwrap_or_default())).to_owned();
        if *method != Method::GET
            && let Some(change) = self.before_write.take()
            && let Some(mut other) = self.objects.get(&path).cloned()
        {
            change(&mut other);
            self.store(&path, other);
        }
        match (method.as_str(), self.objects.get(&path).cloned()) {
            ("GET", Some(found)) => object(&found),
            ("PATCH", found) => self.patch(&path, &name, subresource.as_deref(), content_type, found, body),
            ("DELETE", Some(found)) => self.delete(&path, &found, body),
            (_, _) => refusal(404, "not found", Value::Null),
        }
    }

    fn patch(
        &mut self,
        path: &str,
        name: &str,
        subresource: Option<&str>,
        content_type: &str,
        found: Option<Value>,
        body: &Value,
    ) -> Response<Answer> {
        let applies = content_type.contains("apply-patch");
        let wanted = &body["metadata"];
        let created = || json!({"metadata": {"name": name}});
        let current = match found {
            Some(found) => found,
            None if applies && subresource.is_none() && wanted["uid"].is_null() => created(),
            None => return refusal(404, "not found", Value::Null),
        };
        if wanted["uid"].is_string() && wanted["uid"] != current["metadata"]["uid"] {
            return match applies && subresource.is_none() {
                true => {
                    refusal(422, "Precondition failed: UID", json!({"causes": [{"field": "metadata.uid"}]}))
                }
                false => refusal(409, "Precondition failed: UID", Value::Null),
            };
        }
        let is_new = current["metadata"]["uid"].is_null();
        if wanted["resourceVersion"].is_string()
            && !is_new
            && wanted["resourceVersion"] != current["metadata"]["resourceVersion"]
        {
            return refusal(409, "the object has been modified", Value::Null);
        }
        let mut changed = current.clone();
        match subresource {
            Some(part) => changed[part] = body[part].clone(),
            None => merge(&mut changed, body),
        }
        if let Some(admit) = self.admission.clone() {
            admit(&mut changed);
        }
        if changed == current {
            return object(&current);
        }
        object(&self.store(path, changed))
    }

    fn delete(&mut self, path: &str, found: &Value, body: &Value) -> Response<Answer> {
        let wanted = &body["preconditions"]["uid"];
        if wanted.is_string() && *wanted != found["metadata"]["uid"] {
            return refusal(409, "Precondition failed: UID", Value::Null);
        }
        self.remove(path);
        object(found)
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let is_new = !self.objects.contains_key(path);
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", self.version));
        }
        let ends = metadata["deletionTimestamp"].is_string()
            && metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
        if ends {
            self.objects.insert(path.to_owned(), object.clone());
            self.remove(path);
            return object;
        }
        self.objects.insert(path.to_owned(), object.clone());
        self.tell(path, if is_new { "ADDED" } else { "MODIFIED" }, &object);
        object
    }

    fn remove(&mut self, path: &str) {
        if let Some(object) = self.objects.remove(path) {
            self.version += 1;
            self.tell(path, "DELETED", &object);
        }
    }

    fn tell(&mut self, path: &str, kind: &str, object: &Value) {
        let happened = Happened { path: path.to_owned(), event: json!({"type": kind, "object": object}) };
        if !self.watches_are_late {
            self.watchers.retain(|watcher| {
                !watcher.collection.holds(&happened.path, object)
                    || watcher.events.send(happened.event.clone()).is_ok()
            });
        }
        self.history.push((self.version, happened));
    }

    fn list(&self, collection: &Collection) -> Response<Answer> {
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(path, object)| collection.holds(path, object))
            .map(|(_, object)| object)
            .collect();
        object(&json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}))
    }

    fn watch(&mut self, collection: Collection, query: &str) -> Response<Answer> {
        let since = query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
        let since: u64 = since.and_then(|since| since.parse().ok()).unwrap_or_default();
        let (events, stream) = mpsc::unbounded_channel();
        if since < self.compacted {
            let gone = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "message": "too old", "code": 410});
            events.send(json!({"type": "ERROR", "object": gone})).unwrap();
            return lines(stream);
        }
        if !self.watches_are_late {
            for (_, happened) in self.history.iter().filter(|(version, _)| *version > since) {
                if collection.holds(&happened.path, &happened.event["object"]) {
                    events.send(happened.event.clone()).unwrap();
                }
            }
        }
        self.watchers.push(Watcher { collection, events });
        lines(stream)
    }
}

impl Collection {
    /// None where the path is that of an API group.
    fn of(path: &str, query: &str) -> Option<(Self, Option<Named>)> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (api, rest) = parts.split_at(if parts[0] == "api" { 2 } else { 3 }.min(parts.len()));
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] => {
                (Some((*namespace).to_owned()), [&[*plural], rest].concat())
            }
            rest => (None, rest.to_vec()),
        };
        let (plural, rest) = rest.split_first()?;
        let selector = query.split('&').find_map(|part| part.strip_prefix("labelSelector="));
        let collection = Self {
            api: format!("/{}", api.join("/")),
            namespace,
            plural: (*plural).to_owned(),
            selector: selector.map(requirements).unwrap_or_default(),
        };
        let named = rest.split_first().map(|(name, rest)| Named {
            name: (*name).to_owned(),
            subresource: rest.first().map(|part| (*part).to_owned()),
        });
        Some((collection, named))
    }

    fn holds(&self, path: &str, object: &Value) -> bool {
        let Some((of, _)) = Self::of(path, "") else { return false };
        let labels = &object["metadata"]["labels"];
        let selected = |(key, value): &(String, Option<String>)| match value {
            Some(value) => labels[key] == *value,
            None => labels[key].is_string(),
        };
        of.api == self.api
            && of.plural == self.plural
            && (self.namespace.is_none() || of.namespace == self.namespace)
            && self.selector.iter().all(selected)
    }
}

/// `KEY=VALUE` and `KEY`, with commas between them, as in a query.
fn requirements(selector: &str) -> Vec<(String, Option<String>)> {
    let text = selector.replace("%2F", "/").replace("%3D", "=").replace("%2C", ",");
    text.split(',')
        .map(|part| match part.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (part.to_owned(), None),
        })
        .collect()
}

/// JSON merge patch (RFC 7386), which is also what an apply does to fields that only one manager sets.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else if key != "resourceVersion" {
            // Who applies "this version" means a precondition.
            merge(&mut target[key.as_str()], value);
        }
    }
}
