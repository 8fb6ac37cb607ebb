//! Which namespaces the operator watches: all, or some. It watches each namespace of a list separately: it then
//! needs permissions in those namespaces only.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;

use futures::stream::{self, BoxStream, StreamExt};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use akacert_core::published::slim;

/// The events of a kind: one list, and then changes (`optional` puts empty lists before it). A broken watch starts again after a back-off. It then reports as
/// changes what happened in the gap: a second list would not tell what changed.
pub type Watch<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// The events of one watch: whenever it starts again, another list.
type Listing<K> = BoxStream<'static, watcher::Result<Event<K>>>;

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
            return everywhere(client, config, seen);
        }
        let each = |namespace: &String| {
            (
                Some(namespace.clone()),
                watcher(Api::namespaced(client.clone(), namespace), config.clone()).boxed(),
            )
        };
        merged(self.0.iter().map(each), seen)
    }
}

/// Watches all objects of a kind. `seen` is the store that the watch fills.
#[must_use]
pub fn everywhere<K>(client: &Client, config: &watcher::Config, seen: &Store<K>) -> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    merged([(None, watcher(Api::all(client.clone()), config.clone()).boxed())], seen)
}

/// Merges watches into one.
fn merged<K>(watches: impl IntoIterator<Item = (Option<String>, Listing<K>)>, seen: &Store<K>) -> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let (namespaces, watches): (Vec<_>, Vec<_>) = watches.into_iter().unzip();
    let watches = watches.into_iter().enumerate();
    let watches = watches
        .map(|(index, watch)| watch.default_backoff().modify(slim).map(move |event| (index, event)).boxed());
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

/// Merges the watches of several namespaces, or the single cluster-wide watch, into one stream. The stream begins with one
/// list of everything, and has only changes after it. A store would treat a later list of one namespace as the complete
/// list.
struct Merge<K: Resource<DynamicType = ()> + 'static> {
    parts: Vec<Part<K>>,
    listed: bool,
    seen: Store<K>,
}

struct Part<K> {
    /// None: all.
    namespace: Option<String>,
    list: Vec<K>,
    listed: bool,
}

impl<K> Merge<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn new(namespaces: Vec<Option<String>>, seen: Store<K>) -> Self {
        let part = |namespace| Part { namespace, list: vec![], listed: false };
        Self { parts: namespaces.into_iter().map(part).collect(), listed: false, seen }
    }

    fn take(&mut self, index: usize, event: Event<K>) -> Vec<Event<K>> {
        if self.parts.len() == 1 && !self.listed {
            // No other to wait for: a large list is not held here.
            self.listed = matches!(event, Event::InitDone);
            return vec![event];
        }
        let Some(part) = self.parts.get_mut(index) else { return vec![] };
        match event {
            Event::Init => {
                part.list.clear();
                // Until it has listed again, what it has would be taken for everything.
                part.listed = self.listed;
            }
            Event::InitApply(object) => part.list.push(object),
            Event::InitDone if self.listed => return relisted(part, &self.seen),
            Event::InitDone => {
                part.listed = true;
                if self.parts.iter().all(|part| part.listed) {
                    self.listed = true;
                    let all = self.parts.iter_mut().flat_map(|part| std::mem::take(&mut part.list));
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

/// Turns the list that follows a gap into changes. An object that the list lacks was deleted. An object that is new or has
/// another version was changed.
fn relisted<K>(part: &mut Part<K>, seen: &Store<K>) -> Vec<Event<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let mut list = std::mem::take(&mut part.list);
    let present: HashSet<_> = list.iter().map(ObjectRef::from_obj).collect();
    let gone = seen.state_filter(|known| {
        (part.namespace.is_none() || known.namespace() == part.namespace)
            && !present.contains(&ObjectRef::from_obj(known))
    });
    list.retain(|object| {
        let known = seen.get(&ObjectRef::from_obj(object));
        known.is_none_or(|known| {
            known.uid() != object.uid() || known.resource_version() != object.resource_version()
        })
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
        Scene { merge: Merge::new(vec![Some("a".into()), Some("b".into())], seen.clone()), writer, seen }
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
    fn a_namespace_that_is_listed_again_before_the_others_loses_nothing() {
        let mut scene = scene();
        scene.list(0, &["one", "two"]);
        scene.take(0, [Event::Init, Event::InitApply(object("a", "one"))]);
        scene.list(1, &["one"]);
        assert!(scene.seen().is_empty());
        scene.take(0, [Event::InitApply(object("a", "two")), Event::InitDone]);
        assert_eq!(scene.seen(), ["a/one", "a/two", "b/one"]);
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
    fn a_list_after_a_gap_says_what_changed_in_the_gap() {
        let (seen, mut writer) = reflector::store();
        let mut merge = Merge::new(vec![None], seen);
        let at = |version: &str, mut object: ConfigMap| {
            object.metadata.resource_version = Some(version.into());
            object
        };
        let mut list = |objects: Vec<ConfigMap>| {
            let listed = objects.into_iter().map(Event::InitApply);
            let events = [Event::Init].into_iter().chain(listed).chain([Event::InitDone]);
            let events: Vec<_> = events.flat_map(|event| merge.take(0, event)).collect();
            events.iter().for_each(|event| writer.apply_watcher_event(event));
            events.iter().map(told).collect::<Vec<_>>()
        };
        let first =
            vec![at("1", object("a", "same")), at("1", object("a", "other")), at("1", object("b", "gone"))];
        assert_eq!(list(first), ["Init", "InitApply same", "InitApply other", "InitApply gone", "InitDone"]);
        let second =
            vec![at("1", object("a", "same")), at("2", object("a", "other")), at("3", object("c", "new"))];
        assert_eq!(list(second), ["Delete gone", "Apply other", "Apply new"]);
    }

    fn told(event: &Event<ConfigMap>) -> String {
        match event {
            Event::Init => "Init".to_owned(),
            Event::InitApply(object) => format!("InitApply {}", object.name_any()),
            Event::InitDone => "InitDone".to_owned(),
            Event::Apply(object) => format!("Apply {}", object.name_any()),
            Event::Delete(object) => format!("Delete {}", object.name_any()),
        }
    }

    #[test]
    fn the_operators_own_namespace_is_added_to_some_and_is_among_all() {
        assert_eq!(Scope::new(&["a".into()]).and("own").0.into_iter().collect::<Vec<_>>(), ["a", "own"]);
        assert!(Scope::new(&[]).and("own").0.is_empty());
    }
}
