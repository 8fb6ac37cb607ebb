//! Which namespaces the operator watches: all, or some. It watches each of some namespaces separately, because that
//! needs no right beyond the namespace.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;

use futures::stream::{self, BoxStream, StreamExt};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::Store;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// The events of a kind. A watch that breaks starts again, after a growing pause.
pub type Watch<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// A set of namespaces; the empty set means all.
#[derive(Clone, Debug, Default)]
pub struct Scope(BTreeSet<String>);

impl Scope {
    /// These namespaces; none means all.
    #[must_use]
    pub fn new(namespaces: &[String]) -> Self {
        Self(namespaces.iter().cloned().collect())
    }

    /// Adds a namespace.
    #[must_use]
    pub fn and(&self, namespace: &str) -> Self {
        let mut namespaces = self.0.clone();
        if !namespaces.is_empty() {
            namespaces.insert(namespace.to_owned());
        }
        Self(namespaces)
    }

    /// Watches a kind in these namespaces. `seen` is the store that the watch fills.
    #[must_use]
    pub fn watch<K>(&self, client: &Client, config: &watcher::Config, seen: &Store<K>) -> Watch<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        if self.0.is_empty() {
            return everywhere(client, config);
        }
        let namespaces: Vec<String> = self.0.iter().cloned().collect();
        let watches: Vec<_> = namespaces
            .iter()
            .enumerate()
            .map(|(index, namespace)| {
                let api = Api::namespaced(client.clone(), namespace);
                watcher(api, config.clone()).default_backoff().map(move |event| (index, event)).boxed()
            })
            .collect();
        let mut merge = Merge::new(namespaces, seen.clone());
        stream::select_all(watches)
            .flat_map(move |(index, event)| {
                stream::iter(match event {
                    Ok(event) => merge.take(index, event).into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                })
            })
            .boxed()
    }
}

/// Watches all objects of a kind.
#[must_use]
pub fn everywhere<K>(client: &Client, config: &watcher::Config) -> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(Api::all(client.clone()), config.clone()).default_backoff().boxed()
}

/// Merges the watches of several namespaces into one: a first list of all, and then only changes. A store would take
/// a later list of one namespace for the list of all.
struct Merge<K: Resource<DynamicType = ()> + 'static> {
    namespaces: Vec<Part<K>>,
    listed: bool,
    seen: Store<K>,
}

struct Part<K> {
    namespace: String,
    list: Vec<K>,
    listed: bool,
}

impl<K> Merge<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn new(namespaces: Vec<String>, seen: Store<K>) -> Self {
        let part = |namespace| Part { namespace, list: vec![], listed: false };
        Self { namespaces: namespaces.into_iter().map(part).collect(), listed: false, seen }
    }

    fn take(&mut self, index: usize, event: Event<K>) -> Vec<Event<K>> {
        let Some(part) = self.namespaces.get_mut(index) else { return vec![] };
        match event {
            Event::Init => part.list.clear(),
            Event::InitApply(object) => part.list.push(object),
            Event::InitDone if self.listed => return relisted(part, &self.seen),
            Event::InitDone => {
                part.listed = true;
                if self.namespaces.iter().all(|part| part.listed) {
                    self.listed = true;
                    let all = self.namespaces.iter_mut().flat_map(|part| std::mem::take(&mut part.list));
                    let all = all.map(Event::InitApply);
                    return [Event::Init].into_iter().chain(all).chain([Event::InitDone]).collect();
                }
            }
            change if self.listed => return vec![change],
            // Other namespaces are not listed yet. Until then, keep the list of this one up to date.
            Event::Apply(object) => {
                part.list.retain(|known| known.name_any() != object.name_any());
                part.list.push(object);
            }
            Event::Delete(object) => part.list.retain(|known| known.name_any() != object.name_any()),
        }
        vec![]
    }
}

/// Handles a list after a gap in the watch. Whatever it lacks was deleted meanwhile.
fn relisted<K>(part: &mut Part<K>, seen: &Store<K>) -> Vec<Event<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let list = std::mem::take(&mut part.list);
    let present: HashSet<String> = list.iter().map(ResourceExt::name_any).collect();
    let gone = seen.state_filter(|known| {
        known.namespace().as_deref() == Some(&part.namespace) && !present.contains(&known.name_any())
    });
    let gone = gone.iter().map(|object| Event::Delete(object.as_ref().clone()));
    gone.chain(list.into_iter().map(Event::Apply)).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::reflector::{self, store::Writer};

    use super::*;

    struct Scene {
        merge: Merge<ConfigMap>,
        writer: Writer<ConfigMap>,
        seen: Store<ConfigMap>,
    }

    fn scene() -> Scene {
        let (seen, writer) = reflector::store();
        Scene { merge: Merge::new(vec!["a".into(), "b".into()], seen.clone()), writer, seen }
    }

    fn object(namespace: &str, name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some(namespace.into());
        object.metadata.name = Some(name.into());
        object
    }

    impl Scene {
        fn take(&mut self, index: usize, events: impl IntoIterator<Item = Event<ConfigMap>>) {
            for event in events {
                for merged in self.merge.take(index, event) {
                    self.writer.apply_watcher_event(&merged);
                }
            }
        }

        fn list(&mut self, index: usize, names: &[&str]) {
            let namespace = ["a", "b"][index];
            let listed = names.iter().map(|name| Event::InitApply(object(namespace, name)));
            self.take(index, [Event::Init].into_iter().chain(listed).chain([Event::InitDone]));
        }

        fn seen(&self) -> Vec<String> {
            let mut seen: Vec<_> = self
                .seen
                .state()
                .iter()
                .map(|object| format!("{}/{}", object.namespace().unwrap(), object.name_any()))
                .collect();
            seen.sort();
            seen
        }
    }

    #[test]
    fn nothing_is_seen_before_every_namespace_is_listed() {
        let mut scene = scene();
        scene.list(0, &["one", "two"]);
        assert!(scene.seen().is_empty());
        scene.list(1, &["one"]);
        assert_eq!(scene.seen(), ["a/one", "a/two", "b/one"]);
    }

    #[test]
    fn what_changes_while_another_namespace_is_listed_is_not_lost() {
        let mut scene = scene();
        scene.list(0, &["one", "two"]);
        scene.take(0, [Event::Delete(object("a", "one")), Event::Apply(object("a", "three"))]);
        scene.list(1, &[]);
        assert_eq!(scene.seen(), ["a/three", "a/two"]);
    }

    #[test]
    fn changes_are_passed_on() {
        let mut scene = scene();
        scene.list(0, &["one"]);
        scene.list(1, &["one"]);
        scene.take(1, [Event::Delete(object("b", "one")), Event::Apply(object("b", "two"))]);
        assert_eq!(scene.seen(), ["a/one", "b/two"]);
    }

    #[test]
    fn a_namespace_that_is_listed_again_leaves_the_others_as_they_are() {
        let mut scene = scene();
        scene.list(0, &["one", "two"]);
        scene.list(1, &["one"]);
        scene.list(0, &["two", "three"]);
        assert_eq!(scene.seen(), ["a/three", "a/two", "b/one"]);
    }

    #[test]
    fn the_operators_own_namespace_is_added_to_some_and_is_among_all() {
        assert_eq!(Scope::new(&["a".into()]).and("own").0.into_iter().collect::<Vec<_>>(), ["a", "own"]);
        assert!(Scope::new(&[]).and("own").0.is_empty());
    }
}
