//! Finds the objects of a store by a key, such as their owner or their namespace. A lookup costs as much
//! as it finds, however large the fleet is.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use kube::Resource;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;

/// Namespace and name of an object.
type Name = (String, String);

/// Under which keys an object is found.
type KeysOf<K, Key> = Arc<dyn Fn(&K) -> Vec<Key> + Send + Sync>;

/// An index of a store, updated by the same events as the store.
pub struct Index<K: Resource<DynamicType = ()> + 'static, Key> {
    store: Store<K>,
    keys_of: KeysOf<K, Key>,
    known: Arc<RwLock<Known<Key>>>,
}

impl<K: Resource<DynamicType = ()> + 'static, Key> Clone for Index<K, Key> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), keys_of: self.keys_of.clone(), known: self.known.clone() }
    }
}

struct Known<Key> {
    by_key: HashMap<Key, BTreeSet<Name>>,
    keys_of: HashMap<Name, Vec<Key>>,
    /// What a list in progress has shown so far.
    listed: Vec<(Name, Vec<Key>)>,
}

impl<K, Key> Index<K, Key>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
    Key: Eq + Hash + Clone,
{
    /// An index of a store that is still empty.
    pub fn new(store: Store<K>, keys_of: impl Fn(&K) -> Vec<Key> + Send + Sync + 'static) -> Self {
        let known = Known { by_key: HashMap::new(), keys_of: HashMap::new(), listed: Vec::new() };
        Self { store, keys_of: Arc::new(keys_of), known: Arc::new(RwLock::new(known)) }
    }

    /// Applies an event. Call it after the store has applied the event.
    pub fn follow(&self, event: &Event<K>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Apply(object) => known.put(name(object), (self.keys_of)(object)),
            Event::Delete(object) => known.put(name(object), Vec::new()),
            Event::Init => known.listed.clear(),
            Event::InitApply(object) => known.listed.push((name(object), (self.keys_of)(object))),
            Event::InitDone => {
                known.by_key.clear();
                known.keys_of.clear();
                for (name, keys) in std::mem::take(&mut known.listed) {
                    known.put(name, keys);
                }
            }
        }
    }

    /// The objects with this key, ordered by name.
    pub fn get(&self, key: &Key) -> Vec<Arc<K>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let names = known.by_key.get(key).into_iter().flatten();
        names
            .filter_map(|(namespace, name)| self.store.get(&ObjectRef::new(name).within(namespace)))
            .collect()
    }

    /// Whether an object with this key meets the condition.
    pub fn any(&self, key: &Key, holds: impl Fn(&K) -> bool) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut names = known.by_key.get(key).into_iter().flatten();
        names.any(|(namespace, name)| {
            self.store.get(&ObjectRef::new(name).within(namespace)).is_some_and(|object| holds(&object))
        })
    }
}

impl<Key: Eq + Hash + Clone> Known<Key> {
    fn put(&mut self, name: Name, keys: Vec<Key>) {
        for key in self.keys_of.remove(&name).into_iter().flatten() {
            let emptied = self.by_key.get_mut(&key).is_some_and(|names| {
                names.remove(&name);
                names.is_empty()
            });
            if emptied {
                self.by_key.remove(&key);
            }
        }
        for key in &keys {
            self.by_key.entry(key.clone()).or_default().insert(name.clone());
        }
        if !keys.is_empty() {
            self.keys_of.insert(name, keys);
        }
    }
}

fn name<K: Resource<DynamicType = ()>>(object: &K) -> Name {
    let metadata = object.meta();
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;
    use kube::runtime::reflector;
    use kube::runtime::reflector::store::Writer;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(name: u8, owner: u8) -> ConfigMap {
        let name = format!("n{name}");
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "labels": {"owner": owner.to_string()}}
        }))
        .unwrap()
    }

    fn indexed() -> (Writer<ConfigMap>, Index<ConfigMap, String>) {
        let (store, writer) = reflector::store();
        (writer, Index::new(store, |object: &ConfigMap| object.labels().values().cloned().collect()))
    }

    fn happen(writer: &mut Writer<ConfigMap>, index: &Index<ConfigMap, String>, event: Event<ConfigMap>) {
        writer.apply_watcher_event(&event);
        index.follow(&event);
    }

    fn names(index: &Index<ConfigMap, String>, owner: u8) -> Vec<String> {
        index.get(&owner.to_string()).iter().map(|found| found.name_any()).collect()
    }

    #[test]
    fn an_object_that_changes_hands_is_found_by_its_new_owner_only() {
        let (mut writer, index) = indexed();
        happen(&mut writer, &index, Event::Apply(object(1, 7)));
        happen(&mut writer, &index, Event::Apply(object(1, 8)));
        assert_eq!((names(&index, 7), names(&index, 8)), (vec![], vec!["n1".to_owned()]));
    }

    #[test]
    fn what_a_later_list_does_not_show_is_gone_and_nothing_is_before_the_list_is_whole() {
        let (mut writer, index) = indexed();
        happen(&mut writer, &index, Event::Apply(object(1, 7)));
        happen(&mut writer, &index, Event::Init);
        happen(&mut writer, &index, Event::InitApply(object(2, 7)));
        assert_eq!(names(&index, 7), ["n1"]);
        happen(&mut writer, &index, Event::InitDone);
        assert_eq!(names(&index, 7), ["n2"]);
    }

    proptest! {
        #[test]
        fn whatever_happens_the_index_finds_what_a_walk_through_the_store_finds(
            events in prop::collection::vec((0..4_u8, 0..5_u8, 0..3_u8), 0..40)
        ) {
            let (mut writer, index) = indexed();
            for (kind, name, owner) in events {
                let event = match kind {
                    0 | 1 => Event::Apply(object(name, owner)),
                    2 => Event::Delete(object(name, owner)),
                    _ => {
                        happen(&mut writer, &index, Event::Init);
                        happen(&mut writer, &index, Event::InitApply(object(name, owner)));
                        Event::InitDone
                    }
                };
                happen(&mut writer, &index, event);
                for owner in 0..3_u8 {
                    let label = owner.to_string();
                    let mut walked: Vec<String> = index
                        .store
                        .state_filter(|found| found.labels().get("owner") == Some(&label))
                        .iter()
                        .map(|found| found.name_any())
                        .collect();
                    walked.sort();
                    prop_assert_eq!(names(&index, owner), walked);
                }
            }
        }
    }
}
