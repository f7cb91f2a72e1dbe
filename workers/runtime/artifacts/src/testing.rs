//! Objects in memory, for the tests of whoever loads artifacts.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use foresail_crds::RoleError;
use foresail_runtime_store::{Bounded, PutNew, S3Uri};

use crate::Objects;

/// Objects by key. A body is handed out only up to the limit, as S3 does.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// Keys whose bodies were handed out.
    bodies: Mutex<Vec<String>>,
}

impl Objects for Memory {
    async fn get_at_most(&self, uri: &S3Uri, most: u64) -> Result<Bounded, RoleError> {
        let found = self.objects.lock().unwrap().get(&uri.key).cloned();
        let body = found.ok_or_else(|| RoleError::outside("S3NotFound", uri.to_string()))?;
        let bytes = body.len() as u64;
        if bytes > most {
            return Ok(Bounded::TooLong(bytes));
        }
        self.bodies.lock().unwrap().push(uri.key.clone());
        Ok(Bounded::Whole(body))
    }

    async fn exists(&self, uri: &S3Uri) -> Result<bool, RoleError> {
        Ok(self.objects.lock().unwrap().contains_key(&uri.key))
    }

    async fn put_new(&self, uri: &S3Uri, body: Bytes) -> Result<PutNew, RoleError> {
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(&uri.key) {
            return Ok(PutNew::Exists);
        }
        objects.insert(uri.key.clone(), body);
        Ok(PutNew::Created)
    }
}

impl Memory {
    /// Replaces the object whose key ends so.
    ///
    /// # Panics
    /// Where there is none.
    pub fn replace(&self, ending: &str, change: impl FnOnce(&Bytes) -> Vec<u8>) {
        let mut objects = self.objects.lock().unwrap();
        let body = objects.iter_mut().find(|(key, _)| key.ends_with(ending));
        let body = body.unwrap().1;
        *body = change(body).into();
    }

    /// Removes the objects whose keys end so.
    pub fn remove(&self, ending: &str) {
        let mut objects = self.objects.lock().unwrap();
        objects.retain(|key, _| !key.ends_with(ending));
    }

    /// Whether a body was handed out whose key ends so.
    pub fn read(&self, ending: &str) -> bool {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().any(|key| key.ends_with(ending))
    }
}
