//! Which URL has which answer: one entry per host, with the ConfigMaps that its tokens and its redirect come from.
//!
//! Two ConfigMaps may answer the same URL for a while, when the certificate of one is being deleted. The ConfigMap
//! whose name sorts first wins, whatever the order in which they arrive.

mod part;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use akacert_core::published::{Content, read};
use part::{Part, Path, parts};

/// The answers, shared between the watch and the server.
#[derive(Clone, Default)]
pub struct Challenges(Arc<RwLock<Index>>);

/// The answer for a host and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Answer(Bytes),
    /// The path is below the challenge path. The requested host redirects its challenges to the host in this value.
    Redirect(Arc<str>),
    UnknownPath,
    /// No ConfigMap has a token for this host.
    UnknownHost,
}

#[derive(Default)]
struct Index {
    hosts: HashMap<Arc<str>, Host>,
    sources: HashMap<Arc<str>, Source>,
    /// How many URLs have an answer.
    urls: usize,
    listing: u64,
}

/// One part per ConfigMap, ordered by the ConfigMap's name. Nearly every host has only one.
#[derive(Debug, Default, PartialEq)]
struct Host(Vec<Part>);

struct Source {
    hosts: Box<[Arc<str>]>,
    /// The number of the last listing that had the ConfigMap, or during which an event changed it.
    seen: u64,
}

impl Challenges {
    /// Applies an event of the watch. A new entry is served at once. During a listing, the index keeps old entries
    /// until the listing is complete.
    pub fn take_in(&self, event: Event<ConfigMap>) {
        match event {
            Event::Init => self.change(|index| index.listing += 1),
            Event::InitApply(config_map) | Event::Apply(config_map) => {
                let (source, content) = content(&config_map);
                // Requests do not wait for this.
                let parts = parts(&source, content);
                self.change(|index| index.put(source, parts));
            }
            Event::Delete(config_map) => self.change(|index| index.remove(&config_map.name_any())),
            Event::InitDone => self.change(Index::remove_unlisted),
        }
    }

    /// Finds the answer. `host` is in lower case and without a port.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Found {
        self.0.read().unwrap_or_else(PoisonError::into_inner).find(host, path)
    }

    /// How many URLs have an answer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).urls
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn change(&self, change: impl FnOnce(&mut Index)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The name of a ConfigMap, and its content. A ConfigMap that cannot be parsed counts as empty.
fn content(config_map: &ConfigMap) -> (Arc<str>, Content) {
    let source = Arc::from(config_map.name_any());
    let content = read(config_map).unwrap_or_else(|error| {
        tracing::warn!(config_map = %source, %error, "the solver ignores a ConfigMap that it cannot parse");
        Content::default()
    });
    (source, content)
}

impl Index {
    fn find(&self, host: &str, path: &str) -> Found {
        let Some(Host(parts)) = self.hosts.get(host) else { return Found::UnknownHost };
        let path = Path::of(path);
        if let Some(body) = parts.iter().find_map(|part| part.answer(path)) {
            return Found::Answer(body);
        }
        let redirect = || parts.iter().find_map(Part::redirect);
        match redirect().filter(|_| path.is_challenge()) {
            Some(to) => Found::Redirect(to.clone()),
            None if parts.iter().any(Part::has_tokens) => Found::UnknownPath,
            None => Found::UnknownHost,
        }
    }

    /// Replaces the parts of a ConfigMap.
    fn put(&mut self, source: Arc<str>, parts: Vec<(String, Part)>) {
        self.remove(&source);
        if parts.is_empty() {
            return;
        }
        let hosts = parts.into_iter().map(|(host, part)| self.add(host, part)).collect();
        self.sources.insert(source, Source { hosts, seen: self.listing });
    }

    /// Adds a part to a host, and returns the index's own copy of the host's name.
    fn add(&mut self, host: String, part: Part) -> Arc<str> {
        let name = match self.hosts.get_key_value(host.as_str()) {
            Some((name, _)) => name.clone(),
            None => Arc::from(host),
        };
        let entry = self.hosts.entry(name.clone()).or_default();
        self.urls -= entry.urls();
        entry.insert(part);
        self.urls += entry.urls();
        name
    }

    fn remove(&mut self, source: &str) {
        let Some(Source { hosts, .. }) = self.sources.remove(source) else { return };
        for host in hosts {
            let Some(entry) = self.hosts.get_mut(&host) else { continue };
            self.urls -= entry.urls();
            entry.remove(source);
            self.urls += entry.urls();
            if entry.0.is_empty() {
                self.hosts.remove(&host);
            }
        }
    }

    /// Removes the ConfigMaps that the complete listing no longer has.
    fn remove_unlisted(&mut self) {
        let unlisted = self.sources.iter().filter(|(_, source)| source.seen < self.listing);
        let unlisted: Vec<Arc<str>> = unlisted.map(|(name, _)| name.clone()).collect();
        for source in unlisted {
            self.remove(&source);
        }
    }
}

impl Host {
    fn insert(&mut self, part: Part) {
        let Host(parts) = self;
        let place = parts.partition_point(|other| other.source() < part.source());
        // Nearly every host has one part; spare capacity would be wasted.
        parts.reserve_exact(1);
        parts.insert(place, part);
    }

    fn remove(&mut self, source: &str) {
        self.0.retain(|part| part.source() != source);
    }

    fn urls(&self) -> usize {
        match self.0.as_slice() {
            [part] => part.paths().count(),
            parts => parts.iter().flat_map(Part::paths).collect::<BTreeSet<_>>().len(),
        }
    }
}

/// A host name as the index stores it: in lower case, without the trailing dot of a fully qualified name.
pub(super) fn normalised(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}
