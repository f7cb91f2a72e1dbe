//! Reads everything a decision needs, live: lists by label, never from a cache that may be stale.

use foresail_crds::names::PipelineName;
use foresail_crds::worker_config::{SERVING_FILE, ServingConfig};
use foresail_crds::{ModelVersion, PipelineStatus};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{DynamicObject, ListParams};
use kube::core::DeserializeGuard;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::error::Error;
use super::observed::Observed;
use super::resources::kinds;
use super::{labels, predictors};
use crate::context::Context;

/// Everything that exists of one Pipeline.
pub async fn dereference(
    name: &PipelineName,
    status: PipelineStatus,
    context: &Context,
) -> Result<Observed, Error> {
    let reader = Reader { name, context };
    let ours = ListParams::default().labels(&labels::selector(name));
    let Versions {
        readable,
        unreadable,
    } = reader.versions().await?;
    let pods: Vec<Pod> = reader.list(&ours).await?;
    Ok(Observed {
        status,
        versions: readable,
        unreadable_versions: unreadable,
        serving: reader.serving().await?,
        jobs: reader.list::<Job>(&ours).await?,
        events: reader.mount_failures(&pods).await?,
        predictors: predictors::errors(&pods, &context.http).await,
        pods,
        children: reader.children(&ours).await?,
    })
}

struct Reader<'a> {
    name: &'a PipelineName,
    context: &'a Context,
}

struct Versions {
    readable: Vec<ModelVersion>,
    unreadable: Vec<u32>,
}

impl Reader<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.context.client.clone(), &self.name.namespace)
    }

    async fn list<K>(&self, params: &ListParams) -> Result<Vec<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let list = self.api::<K>().list(params).await;
        let list = list.map_err(|source| failed(&K::kind(&()), source))?;
        Ok(list.items)
    }

    /// Versions of this Pipeline. One that does not decode, written by another release perhaps, is
    /// counted by its name and keeps nobody from being read.
    async fn versions(&self) -> Result<Versions, Error> {
        let all = self.list(&ListParams::default()).await?;
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for DeserializeGuard(version) in all {
            match version {
                Ok(version) => readable.push(version),
                Err(invalid) => {
                    let name = invalid.metadata.name.clone().unwrap_or_default();
                    if let Some(number) = self.number(&name) {
                        tracing::error!(
                            version = name,
                            error = invalid.error,
                            "this ModelVersion does not decode and is left as it is; upgrade the operator or correct the object"
                        );
                        unreadable.push(number);
                    }
                }
            }
        }
        readable.retain(|v: &ModelVersion| v.spec.pipeline == self.name.name);
        readable.sort_by_key(|v| v.spec.version);
        Ok(Versions {
            readable,
            unreadable,
        })
    }

    /// The number in the name of a version of this Pipeline.
    fn number(&self, version: &str) -> Option<u32> {
        let number = version.strip_prefix(&self.name.name)?.strip_prefix("-v")?;
        number.parse().ok()
    }

    async fn serving(&self) -> Result<Option<ServingConfig>, Error> {
        let name = self.name.serving();
        let map = self.api::<ConfigMap>().get_opt(&name).await;
        let map = map.map_err(|source| failed(&format!("ConfigMap {name}"), source))?;
        Ok(map.and_then(|m| serde_json::from_str(m.data?.get(SERVING_FILE)?).ok()))
    }

    async fn children(&self, ours: &ListParams) -> Result<Vec<DynamicObject>, Error> {
        let mut all = Vec::new();
        for kind in kinds() {
            let client = self.context.client.clone();
            let api: Api<DynamicObject> = Api::namespaced_with(client, &self.name.namespace, &kind);
            let list = api.list(ours).await;
            let list = list.map_err(|source| failed(&kind.kind, source))?;
            // Items of a list come without their type.
            all.extend(list.items.into_iter().map(|mut item| {
                item.types = Some(kube::core::TypeMeta {
                    api_version: kind.api_version.clone(),
                    kind: kind.kind.clone(),
                });
                item
            }));
        }
        Ok(all)
    }

    /// A pod that waits for a missing Secret says so only in events.
    async fn mount_failures(&self, pods: &[Pod]) -> Result<Vec<Event>, Error> {
        let stuck = pods.iter().any(|pod| {
            let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
            phase == Some("Pending")
        });
        if !stuck {
            return Ok(Vec::new());
        }
        let mounts = ListParams::default().fields("reason=FailedMount");
        self.list(&mounts).await
    }
}

fn failed(object: &str, source: kube::Error) -> Error {
    Error::Dereference {
        object: object.to_string(),
        source,
    }
}
