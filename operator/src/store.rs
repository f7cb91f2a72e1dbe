//! What the watches have shown: the objects of each kind as they were seen last, so that a reconcile that only looks asks the
//! API server nothing. They are kept as the bytes of their JSON, which take less memory than what is read from them.
//!
//! What may be decided from them: docs/adr/0033-reconciles-look-at-watches-and-decide-on-lists.md.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject, TypeMeta};
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;

/// Whom an object belongs to: the name by which it is read. One that belongs to nobody is not kept.
pub type Of = fn(&DynamicObject) -> Option<String>;

/// A shelf for each kind that is watched.
#[derive(Default)]
pub struct Store(RwLock<HashMap<String, Arc<Shelf>>>);

impl Store {
    /// The shelf for the objects of a kind, empty at first.
    pub fn shelf(&self, kind: &ApiResource, of: Of) -> Arc<Shelf> {
        let shelf = Arc::new(Shelf {
            kind: kind.clone(),
            of,
            objects: RwLock::default(),
        });
        let mut shelves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        shelves.insert(kind.kind.clone(), shelf.clone());
        shelf
    }

    /// The objects of a kind in a namespace that belong to `of`. None where it is not known which there are: nobody watches
    /// the kind, its first list has not ended, its watch is broken, or one of the objects is not what `K` reads.
    pub fn read<K: DeserializeOwned>(
        &self,
        kind: &str,
        namespace: &str,
        of: &str,
    ) -> Option<Vec<K>> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.get(kind)?.clone();
        drop(shelves);
        shelf.read(namespace, of)
    }
}

/// Objects of one kind.
pub struct Shelf {
    kind: ApiResource,
    of: Of,
    objects: RwLock<Objects>,
}

#[derive(Default)]
struct Objects {
    /// Every object is here: from the end of the list that a watch begins with, until the watch breaks.
    complete: bool,
    known: Kept,
    /// Those of a list that has not ended.
    listed: Kept,
}

/// By namespace and name.
type Kept = BTreeMap<(String, String), Entry>;

struct Entry {
    of: String,
    json: Box<[u8]>,
}

impl Shelf {
    /// Takes in what a watch says; answers with the objects that have changed, those included that have gone while no watch
    /// was there to tell.
    pub fn note(&self, event: Result<Event<DynamicObject>, watcher::Error>) -> Vec<DynamicObject> {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(Event::Init) => {
                objects.complete = false;
                objects.listed.clear();
                Vec::new()
            }
            Ok(Event::InitApply(object)) => {
                vec![self.put(&mut objects.listed, object)]
            }
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut objects.listed);
                let before = std::mem::replace(&mut objects.known, listed);
                objects.complete = true;
                let gone = before.iter();
                let gone = gone.filter(|(key, _)| !objects.known.contains_key(*key));
                gone.filter_map(|(_, entry)| entry.read().ok()).collect()
            }
            Ok(Event::Apply(object)) => {
                vec![self.put(&mut objects.known, object)]
            }
            Ok(Event::Delete(object)) => {
                objects.known.remove(&key(&object));
                vec![object]
            }
            Err(error) => {
                if std::mem::take(&mut objects.complete) {
                    tracing::warn!(kind = self.kind.kind, %error, "watch broken; the kind is listed until it is back");
                }
                Vec::new()
            }
        }
    }

    fn put(&self, into: &mut Kept, mut object: DynamicObject) -> DynamicObject {
        // Items of a list come without their type.
        object.types = Some(TypeMeta {
            api_version: self.kind.api_version.clone(),
            kind: self.kind.kind.clone(),
        });
        let key = key(&object);
        match self.entry(&object) {
            Some(entry) => into.insert(key, entry),
            None => into.remove(&key),
        };
        object
    }

    fn entry(&self, object: &DynamicObject) -> Option<Entry> {
        let of = (self.of)(object)?;
        let json = serde_json::to_vec(object).ok()?.into_boxed_slice();
        Some(Entry { of, json })
    }

    fn read<K: DeserializeOwned>(&self, namespace: &str, of: &str) -> Option<Vec<K>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        if !objects.complete {
            return None;
        }
        let first = (namespace.to_owned(), String::new());
        let here = objects.known.range(first..);
        let here = here.take_while(|((there, _), _)| there == namespace);
        let theirs = here.filter(|(_, entry)| entry.of == of);
        theirs.map(|(_, entry)| entry.read().ok()).collect()
    }
}

impl Entry {
    fn read<K: DeserializeOwned>(&self) -> serde_json::Result<K> {
        serde_json::from_slice(&self.json)
    }
}

fn key(object: &DynamicObject) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn object(name: &str, of: &str) -> DynamicObject {
        let object = json!({"metadata": {"name": name, "namespace": "n", "labels": {"of": of}}, "data": {"a": "b"}});
        serde_json::from_value(object).unwrap()
    }

    fn store() -> (Store, Arc<Shelf>) {
        let store = Store::default();
        let of: Of = |object| object.labels().get("of").cloned();
        let shelf = store.shelf(&ApiResource::erase::<ConfigMap>(&()), of);
        (store, shelf)
    }

    fn names(store: &Store) -> Option<Vec<String>> {
        let maps: Vec<ConfigMap> = store.read("ConfigMap", "n", "p")?;
        assert!(maps.iter().all(|map| map.data.is_some()));
        Some(maps.iter().map(ResourceExt::name_any).collect())
    }

    fn begin(shelf: &Shelf, objects: &[DynamicObject]) -> Vec<String> {
        let items = objects.iter().cloned().map(Event::InitApply);
        let events = std::iter::once(Event::Init)
            .chain(items)
            .chain([Event::InitDone]);
        let told = events.flat_map(|event| shelf.note(Ok(event)));
        told.map(|object| object.name_any()).collect()
    }

    #[test]
    fn a_kind_that_is_not_fully_known_is_not_read() {
        let (store, shelf) = store();
        assert_eq!(
            store.read::<ConfigMap>("Pod", "n", "p"),
            None,
            "not watched"
        );
        assert_eq!(names(&store), None, "no list yet");
        shelf.note(Ok(Event::Init));
        shelf.note(Ok(Event::InitApply(object("a", "p"))));
        assert_eq!(names(&store), None, "a list that has not ended");
        shelf.note(Ok(Event::InitDone));
        assert_eq!(names(&store).unwrap(), ["a"]);
        shelf.note(Err(watcher::Error::NoResourceVersion));
        assert_eq!(names(&store), None, "a broken watch");
        begin(&shelf, &[]);
        assert_eq!(names(&store).unwrap(), [""; 0]);
    }

    #[test]
    fn changes_are_seen_and_only_those_of_one_owner_are_read() {
        let (store, shelf) = store();
        begin(&shelf, &[object("a", "p"), object("b", "q")]);
        assert_eq!(names(&store).unwrap(), ["a"]);
        shelf.note(Ok(Event::Apply(object("b", "p"))));
        assert_eq!(names(&store).unwrap(), ["a", "b"]);
        shelf.note(Ok(Event::Delete(object("a", "p"))));
        assert_eq!(names(&store).unwrap(), ["b"]);
        let elsewhere = store.read::<ConfigMap>("ConfigMap", "m", "p");
        assert!(elsewhere.unwrap().is_empty());
        shelf.note(Ok(Event::Apply(object("b", "q"))));
        assert_eq!(names(&store).unwrap(), [""; 0]);
    }

    #[test]
    fn what_went_while_the_watch_was_broken_is_told() {
        let (_, shelf) = store();
        assert_eq!(
            begin(&shelf, &[object("a", "p"), object("b", "p")]),
            ["a", "b"]
        );
        shelf.note(Err(watcher::Error::NoResourceVersion));
        assert_eq!(begin(&shelf, &[object("b", "p")]), ["b", "a"]);
        assert_eq!(begin(&shelf, &[object("b", "p")]), ["b"]);
    }
}
