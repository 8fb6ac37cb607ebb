//! Which URL has which answer: one entry per host, with the ConfigMaps that its tokens and its redirect come from.
//! Not here: what is kept of one ConfigMap (`part`), the format of a ConfigMap (`akacert_core::published`), HTTP (`server`).
//!
//! For a while two ConfigMaps may answer the same URL, one of them of a certificate that is going. The ConfigMap whose name
//! sorts first wins, in whatever order they arrive.

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

/// What there is for a host and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Answer(Bytes),
    /// The path is a challenge's. The challenges of the host are redirected to this host.
    Redirect(Arc<str>),
    UnknownPath,
    /// No token is for this host.
    UnknownHost,
}

#[derive(Default)]
struct Index {
    hosts: HashMap<Arc<str>, Host>,
    sources: HashMap<Arc<str>, Source>,
    /// How many URLs have an answer.
    urls: usize,
    /// The number of the newest listing.
    listing: u64,
}

/// What is known of one host: a part for each ConfigMap, ordered by the ConfigMap's name. Nearly always there is one.
#[derive(Debug, Default, PartialEq)]
struct Host(Vec<Part>);

/// One ConfigMap.
struct Source {
    hosts: Box<[Arc<str>]>,
    /// The listing during or after which it was last seen.
    seen: u64,
}

impl Challenges {
    /// Takes in an event of the watch. What a listing holds is answered at once; what it does not hold is answered until
    /// the listing is complete.
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

    /// What there is for a host, lower case and without a port, and a path.
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

/// The name of a ConfigMap, and what it holds. One that somebody spoilt holds nothing.
fn content(config_map: &ConfigMap) -> (Arc<str>, Content) {
    let source = Arc::from(config_map.name_any());
    let content = read(config_map).unwrap_or_else(|error| {
        tracing::warn!(config_map = %source, %error, "a ConfigMap is left out");
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

    /// Replaces what a ConfigMap held before.
    fn put(&mut self, source: Arc<str>, parts: Vec<(String, Part)>) {
        self.remove(&source);
        if parts.is_empty() {
            return;
        }
        let hosts = parts.into_iter().map(|(host, part)| self.add(host, part)).collect();
        self.sources.insert(source, Source { hosts, seen: self.listing });
    }

    /// Adds one part to one host, and returns the name by which the index has the host.
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

    /// Removes the ConfigMaps that were last seen before the listing that is now complete.
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
        // Room for more than one would be wasted on nearly every host.
        parts.reserve_exact(1);
        parts.insert(place, part);
    }

    fn remove(&mut self, source: &str) {
        self.0.retain(|part| part.source() != source);
    }

    /// How many paths have an answer.
    fn urls(&self) -> usize {
        match self.0.as_slice() {
            [part] => part.paths().count(),
            parts => parts.iter().flat_map(Part::paths).collect::<BTreeSet<_>>().len(),
        }
    }
}

/// A host name as the index has it: lower case, without the dot at the end of a fully qualified name.
pub(super) fn normalised(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}
