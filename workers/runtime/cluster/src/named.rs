//! One object, watched by its name: all that a worker has the right to.

use std::fmt::Debug;

use futures::{StreamExt, TryStreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// Hands on the object as it is and each of its changes, for as long as it is asked. A watch that breaks is opened again.
pub async fn watch<K>(api: Api<K>, name: &str, mut each: impl FnMut(K))
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut stream = watcher(api, config)
        .default_backoff()
        .applied_objects()
        .boxed();
    loop {
        match stream.try_next().await {
            Ok(Some(object)) => each(object),
            Ok(None) => return,
            Err(error) => {
                let kind = K::kind(&());
                tracing::warn!(%error, %kind, name, "not watched, trying again");
            }
        }
    }
}
