//! Which URL has which answer: host and path to body, and host to redirect, kept in step with the ConfigMaps.
//! Not here: the format of a ConfigMap (`akacert_core::published`), HTTP (`server`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use akacert_core::published::{Redirection, Token, read};

/// The answers, shared between the watch and the server.
#[derive(Clone, Default)]
pub struct Challenges(Arc<RwLock<State>>);

#[derive(Default)]
struct State {
    current: Index,
    /// A listing in progress; it replaces the current index when it is complete.
    listing: Index,
}

#[derive(Default)]
struct Index {
    /// Host, path, ConfigMap to body. Two ConfigMaps may hold a URL for a while, one of a certificate that is going.
    answers: HashMap<String, HashMap<String, BTreeMap<String, Bytes>>>,
    /// ConfigMap to its URLs.
    urls: HashMap<String, Vec<(String, String)>>,
    /// Host, ConfigMap to the host that its challenges are redirected to.
    redirects: HashMap<String, BTreeMap<String, String>>,
}

impl Challenges {
    /// Takes in an event of the watch.
    pub fn take_in(&self, event: Event<ConfigMap>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => state.listing = Index::default(),
            Event::InitApply(config_map) => state.listing.put(&config_map),
            Event::InitDone => state.current = std::mem::take(&mut state.listing),
            Event::Apply(config_map) => state.current.put(&config_map),
            Event::Delete(config_map) => state.current.remove(&config_map.name_any()),
        }
    }

    /// The body for a host, lower case and without a port, and a path.
    #[must_use]
    pub fn answer(&self, host: &str, path: &str) -> Option<Bytes> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.current.answers.get(host)?.get(path)?.values().next().cloned()
    }

    /// The host that the challenges of a host, lower case and without a port, are redirected to.
    #[must_use]
    pub fn redirect(&self, host: &str) -> Option<String> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.current.redirects.get(host)?.values().next().cloned()
    }

    /// Whether anything is answered for a host.
    #[must_use]
    pub fn knows_host(&self, host: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).current.answers.contains_key(host)
    }

    /// How many URLs have an answer.
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.current.answers.values().map(HashMap::len).sum()
    }

    /// Whether no URL has an answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Index {
    fn put(&mut self, config_map: &ConfigMap) {
        let source = config_map.name_any();
        self.remove(&source);
        let content = match read(config_map) {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(config_map = source, %error, "a ConfigMap is left out");
                return;
            }
        };
        for Redirection { host, to } in content.redirects {
            self.redirects.entry(normalised(&host)).or_default().insert(source.clone(), to);
        }
        for Token { host, path, body } in content.tokens {
            let host = normalised(&host);
            self.urls.entry(source.clone()).or_default().push((host.clone(), path.clone()));
            self.answers
                .entry(host)
                .or_default()
                .entry(path)
                .or_default()
                .insert(source.clone(), Bytes::from(body));
        }
    }

    fn remove(&mut self, source: &str) {
        self.redirects.retain(|_, by_source| {
            by_source.remove(source);
            !by_source.is_empty()
        });
        for (host, path) in self.urls.remove(source).unwrap_or_default() {
            let Some(paths) = self.answers.get_mut(&host) else { continue };
            if let Some(bodies) = paths.get_mut(&path) {
                bodies.remove(source);
                if bodies.is_empty() {
                    paths.remove(&path);
                }
            }
            if paths.is_empty() {
                self.answers.remove(&host);
            }
        }
    }
}

/// A host name as the index has it: lower case, without the dot at the end of a fully qualified name.
pub(super) fn normalised(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}
