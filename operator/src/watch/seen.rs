//! Which events of a watch are news to who reads the objects: most of them tell of progress that concerns nobody else.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use serde::Serialize;

/// Hashes of what an object holds: enough to tell what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    told: u64,
    untold: u64,
}

impl Content {
    /// Of what concerns others, and of what changes without concerning them.
    pub fn new(told: &impl Serialize, untold: &impl Serialize) -> Self {
        Self {
            told: hash(told),
            untold: hash(untold),
        }
    }
}

fn hash(value: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    let text = serde_json::to_string(value).unwrap_or_default();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What was seen of the objects of a kind.
pub struct Seen<K: Resource<DynamicType = ()>>(Mutex<HashMap<ObjectRef<K>, Content>>);

impl<K: Resource<DynamicType = ()>> Default for Seen<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Resource<DynamicType = ()>> Seen<K> {
    /// Whether an event of an object concerns others; one that does not decode, and has no content, always does. An event
    /// without any change is that of a deletion, which shows the object as it was.
    pub fn is_news(&self, object: &K, content: Option<Content>) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = ObjectRef::from_obj(object);
        let before = match content {
            Some(content) => seen.insert(name, content),
            None => seen.remove(&name),
        };
        let is_progress = before
            .zip(content)
            .is_some_and(|(old, new)| old.told == new.told && old.untold != new.untold);
        !is_progress
    }
}
