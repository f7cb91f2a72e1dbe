//! Reads everything a decision needs, live: lists by label, never from a cache that may be stale.

use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::status::WorkerError;
use foresail_crds::worker_config::{SERVING_FILE, ServingConfig};
use foresail_crds::{ModelVersion, Pipeline, PipelineStatus};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{DynamicObject, ListParams};
use kube::core::ObjectList;
use kube::{Api, Client, ResourceExt};

use super::Error;
use super::{children, labels, predictors};
use crate::context::Context;

/// What exists.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Status as stored.
    pub status: PipelineStatus,
    /// Versions of this Pipeline, ascending.
    pub versions: Vec<ModelVersion>,
    /// Content of the `-serving` ConfigMap.
    pub serving: Option<ServingConfig>,
    /// Training Jobs.
    pub jobs: Vec<Job>,
    /// Pods of all roles.
    pub pods: Vec<Pod>,
    /// Warning events about those pods that never started.
    pub events: Vec<Event>,
    /// What predictors say stands in their way, by pod.
    pub predictors: Vec<(String, WorkerError)>,
    /// Every child of a kind the operator makes.
    pub children: Vec<DynamicObject>,
}

/// Reads them.
pub async fn dereference(object: &Pipeline, context: &Context) -> Result<Observed, Error> {
    let name = PipelineName::new(object.namespace().unwrap_or_default(), object.name_any());
    let client = &context.client;
    let ours = ListParams::default().labels(&labels::selector(&name));
    let namespace = name.namespace.as_str();
    let mut versions: Vec<ModelVersion> = list(
        &Api::namespaced(client.clone(), namespace),
        &ListParams::default(),
    )
    .await?
    .items;
    versions.retain(|v| v.spec.pipeline == name.name);
    versions.sort_by_key(|v| v.spec.version);
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let serving = maps
        .get_opt(&name.serving())
        .await
        .map_err(Error::Dereference)?;
    let pods = list(&pods, &ours).await?.items;
    Ok(Observed {
        status: object.status.clone().unwrap_or_default(),
        versions,
        serving: serving.and_then(|m| serde_json::from_str(m.data?.get(SERVING_FILE)?).ok()),
        jobs: list(&jobs, &ours).await?.items,
        events: mount_failures(client, namespace, &pods).await?,
        predictors: predictors::errors(&pods, &context.http).await,
        pods,
        children: live_children(client, namespace, &ours).await?,
    })
}

async fn live_children(
    client: &Client,
    namespace: &str,
    ours: &ListParams,
) -> Result<Vec<DynamicObject>, Error> {
    let mut all = Vec::new();
    for kind in children::kinds() {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
        let found = list(&api, ours).await?;
        // Items of a list come without their type.
        all.extend(found.items.into_iter().map(|mut item| {
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
async fn mount_failures(
    client: &Client,
    namespace: &str,
    pods: &[Pod],
) -> Result<Vec<Event>, Error> {
    let stuck = pods.iter().any(|p| {
        let phase = p.status.as_ref().and_then(|s| s.phase.as_deref());
        phase == Some("Pending")
    });
    if !stuck {
        return Ok(Vec::new());
    }
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    Ok(
        list(&api, &ListParams::default().fields("reason=FailedMount"))
            .await?
            .items,
    )
}

async fn list<K>(api: &Api<K>, params: &ListParams) -> Result<ObjectList<K>, Error>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    api.list(params).await.map_err(Error::Dereference)
}
