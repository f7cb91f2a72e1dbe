//! The watches that fill the store. An object is in the store before it leads to a reconcile, so that the reconcile sees it.

use foresail_crds::{ModelVersion, ProviderAccount};
use futures::{Stream, StreamExt, future, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::pipeline::{labels, resources};
use crate::store::{Of, Store};

/// Objects in one answer of a list.
const PAGE: u32 = 50;

/// A kind that is followed.
pub struct Followed {
    /// Its API.
    pub kind: ApiResource,
    /// By whom its objects are read: a Pipeline, but for accounts.
    pub of: Of,
    /// Labels of the objects; none for all.
    selector: Option<String>,
    /// Leaves out what no reconcile reads.
    trim: fn(&mut DynamicObject),
}

/// What Pipelines own.
pub fn children() -> impl Iterator<Item = Followed> {
    resources::kinds().into_iter().map(|kind| Followed {
        kind,
        of: labelled,
        selector: Some(labels::managed_selector()),
        trim: |_| (),
    })
}

/// Pods of all roles.
pub fn pods() -> Followed {
    Followed {
        kind: ApiResource::erase::<Pod>(&()),
        of: labelled,
        selector: Some(labels::managed_selector()),
        trim: |pod| {
            let volumes = pod.data["spec"]["volumes"].take();
            pod.data["spec"] = json!({"containers": [], "volumes": volumes});
        },
    }
}

/// Versions, those that a person has made included.
pub fn versions() -> Followed {
    Followed {
        kind: ApiResource::erase::<ModelVersion>(&()),
        of: pipeline_of,
        selector: None,
        trim: |_| (),
    }
}

/// Accounts, by their own names.
pub fn accounts() -> Followed {
    Followed {
        kind: ApiResource::erase::<ProviderAccount>(&()),
        of: |account| account.metadata.name.clone(),
        selector: None,
        trim: |_| (),
    }
}

/// Objects of a kind as they change, each in the store already. A watch that fails begins again, with a list and after a
/// pause of its own: it holds up no other one.
pub fn follow(
    followed: &Followed,
    (client, namespace): (&Client, Option<&str>),
    store: &Store,
) -> impl Stream<Item = Result<DynamicObject, watcher::Error>> + Send + use<> {
    let shelf = store.shelf(&followed.kind, followed.of);
    let trim = followed.trim;
    let trim = move |object: &mut DynamicObject| {
        object.metadata.managed_fields = None;
        trim(object);
    };
    let events = events(followed, client, namespace);
    events.flat_map(move |event| {
        let changed = shelf.note(event.map(|event| event.modify(trim)));
        stream::iter(changed.into_iter().map(Ok))
    })
}

fn events(
    followed: &Followed,
    client: &Client,
    namespace: Option<&str>,
) -> impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send + use<> {
    let (client, kind) = (client.clone(), &followed.kind);
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, kind),
        None => Api::all_with(client, kind),
    };
    let config = watcher::Config {
        label_selector: followed.selector.clone(),
        ..watcher::Config::default().page_size(PAGE)
    };
    let watches = stream::repeat_with(move || {
        let watch = watcher(api.clone(), config.clone());
        // What was missed is not known: the next one lists all again.
        watch.scan(false, |failed, event| {
            let over = std::mem::replace(failed, event.is_err());
            future::ready((!over).then_some(event))
        })
    });
    watches.flatten().default_backoff()
}

/// The Pipeline that an object of the operator is labelled with.
fn labelled(object: &DynamicObject) -> Option<String> {
    object.labels().get(labels::PIPELINE).cloned()
}

/// The Pipeline of a version; of one that does not decode, by its name.
fn pipeline_of(version: &DynamicObject) -> Option<String> {
    match guarded::<ModelVersion>(version)?.0 {
        Ok(version) => Some(version.spec.pipeline),
        Err(invalid) => Some(invalid.metadata.name?.rsplit_once("-v")?.0.to_owned()),
    }
}

/// An object in its own type, or why it does not decode.
pub fn guarded<K>(object: &DynamicObject) -> Option<DeserializeGuard<K>>
where
    K: Resource + DeserializeOwned,
{
    serde_json::from_value(serde_json::to_value(object).ok()?).ok()
}

/// Brings the store to what the API server holds now, as the watches of a running operator do.
#[cfg(test)]
pub async fn catch_up(client: &Client, store: &Store) {
    let others = [pods(), versions(), accounts()];
    for followed in children().chain(others) {
        let ended = |event: &watcher::Result<Event<DynamicObject>>| {
            matches!(event, Ok(Event::InitDone) | Err(_))
        };
        let shelf = store.shelf(&followed.kind, followed.of);
        let mut events = std::pin::pin!(events(&followed, client, Some("n")));
        while let Some(event) = events.next().await {
            let is_last = ended(&event);
            shelf.note(event.map(|event| event.modify(followed.trim)));
            if is_last {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::scripted_api::Server;

    #[test]
    fn a_version_leads_to_its_pipeline_also_when_it_does_not_decode() {
        let pipeline = |spec| {
            let version = json!({
                "apiVersion": "foresail.dev/v1alpha1", "kind": "ModelVersion",
                "metadata": {"name": "a-v2-v13", "namespace": "n"}, "spec": spec
            });
            pipeline_of(&serde_json::from_value(version).unwrap())
        };
        assert_eq!(pipeline(json!({})).as_deref(), Some("a-v2"));
    }

    #[tokio::test]
    async fn a_watch_that_breaks_lists_again_and_tells_what_has_gone() {
        // This server knows no watches: each breaks at once.
        let (server, client) = Server::start();
        let labels =
            json!({"app.kubernetes.io/managed-by": foresail_crds::MANAGER, labels::PIPELINE: "p"});
        let fields = json!([{"manager": "m"}]);
        let metadata = json!({"labels": labels, "managedFields": fields});
        server.put("configmaps/a", json!({"metadata": metadata}));
        let store = Store::default();
        let followed = children().next().unwrap();
        let mut stream = std::pin::pin!(follow(&followed, (&client, Some("n")), &store));
        let shown = || store.read::<ConfigMap>("ConfigMap", "n", "p");
        let told = stream.next().await.unwrap().unwrap();
        assert_eq!(told.name_any(), "a");
        assert_eq!(told.metadata.managed_fields, None);
        assert_eq!(shown(), None, "its list has not ended");
        server.remove("configmaps/a");
        let told = stream.next().await.unwrap().unwrap();
        assert_eq!(told.name_any(), "a");
        assert!(shown().unwrap().is_empty(), "it has gone before it is told");
    }
}
