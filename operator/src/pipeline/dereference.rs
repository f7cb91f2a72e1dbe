//! Reads what a decision needs: as the watches have shown it, or by lists. Only what was listed may be decided from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foresail_crds::names::PipelineName;
use foresail_crds::worker_config::{SERVING_FILE, ServingConfig};
use foresail_crds::{ModelVersion, Pipeline, PipelineStatus};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams, TypeMeta};
use kube::core::DeserializeGuard;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::error::Error;
use super::observed::{Named, NamedAccount, Observed};
use super::resources::kinds;
use super::validate::ValidatedPipeline;
use super::{labels, pods, predictors};
use crate::context::Context;

/// Time that a pod waits for its start and a Job for its pod while nothing is wrong.
const USUAL_WAIT: Duration = Duration::from_secs(5);

/// Where it is read what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What the watches have shown, where they have shown all of a kind.
    Watches,
    /// The API server.
    Server,
}

/// Everything that exists of one Pipeline.
pub async fn dereference(
    pipeline: &ValidatedPipeline,
    status: PipelineStatus,
    context: &Context,
    (source, now): (Source, Timestamp),
) -> Result<Observed, Error> {
    let name = &pipeline.name;
    let reader = Reader {
        name,
        uid: &pipeline.owner.uid,
        context,
        source,
        by_watch: AtomicBool::new(false),
    };
    let ours = ListParams::default().labels(&labels::selector(name));
    let Versions {
        readable,
        unreadable,
    } = reader.versions().await?;
    let pods: Vec<Pod> = reader.read(&ours).await?;
    let children = reader.children(&ours).await?;
    let jobs = of_kind::<Job>(&children);
    let bars_of = reader
        .named::<Pipeline>(pipeline.bars_of.as_deref())
        .await?;
    Ok(Observed {
        status: reading(pipeline, status, bars_of.found()),
        versions: readable,
        unreadable_versions: unreadable,
        serving: serving(name, &children),
        events: reader.failures(&pods, &jobs, now).await?,
        jobs,
        predictors: predictors::answers(name, &pods, &context.http).await,
        pods,
        children,
        account: reader.named(pipeline.account.as_deref()).await?,
        other_accounts: reader.other_accounts(&pipeline.other_accounts).await?,
        bars_of,
        is_listed: !reader.by_watch.into_inner(),
    })
}

/// Children of a kind.
pub(super) fn of_kind<K>(children: &[DynamicObject]) -> Vec<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let kind = K::kind(&());
    let is_of_kind = |child: &&DynamicObject| {
        let known = child.types.as_ref().map(|types| types.kind.as_str());
        known == Some(&*kind)
    };
    let theirs = children.iter().filter(is_of_kind);
    theirs
        .filter_map(|child| child.clone().try_parse().ok())
        .collect()
}

fn serving(name: &PipelineName, children: &[DynamicObject]) -> Option<ServingConfig> {
    let serving = name.serving();
    let mut maps = of_kind::<ConfigMap>(children).into_iter();
    let map = maps.find(|map| map.name_any() == serving)?;
    serde_json::from_str(map.data?.get(SERVING_FILE)?).ok()
}

/// A status of which ingest is that of the Pipeline whose bars are read. Nothing of it is written anywhere.
fn reading(
    pipeline: &ValidatedPipeline,
    status: PipelineStatus,
    other: Option<&Pipeline>,
) -> PipelineStatus {
    if pipeline.bars_of.is_none() {
        return status;
    }
    let theirs = other.and_then(|other| other.status.as_ref());
    PipelineStatus {
        ingest: theirs.and_then(|status| status.ingest.clone()),
        ..status
    }
}

struct Reader<'a> {
    name: &'a PipelineName,
    uid: &'a str,
    context: &'a Context,
    source: Source,
    /// Whether anything was read as a watch has shown it.
    by_watch: AtomicBool,
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

    /// What a watch has shown, where that is asked for and there is all of it.
    fn shown<K: DeserializeOwned>(&self, kind: &str, of: &str) -> Option<Vec<K>> {
        if self.source == Source::Server {
            return None;
        }
        let shown = self.context.store.read(kind, &self.name.namespace, of)?;
        self.by_watch.store(true, Ordering::Relaxed);
        Some(shown)
    }

    /// Objects of this Pipeline.
    async fn read<K>(&self, listed: &ListParams) -> Result<Vec<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        match self.shown(&K::kind(&()), &self.name.name) {
            Some(shown) => Ok(shown),
            None => self.list(listed).await,
        }
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
        let all = self.read(&ListParams::default()).await?;
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

    /// The object of a name; one that does not decode is no error of this reconcile.
    async fn named<K>(&self, name: Option<&str>) -> Result<Named<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let Some(name) = name else {
            return Ok(Named::Absent);
        };
        let shown = self.shown(&K::kind(&()), name);
        let object = match shown.and_then(|shown| shown.into_iter().next()) {
            Some(object) => Some(object),
            // It may be newer than what the watch has shown.
            None => {
                let object = self.api::<DeserializeGuard<K>>().get_opt(name).await;
                object.map_err(|source| failed(&format!("{} {name}", K::kind(&())), source))?
            }
        };
        Ok(match object {
            None => Named::Absent,
            Some(DeserializeGuard(Ok(object))) => Named::Found(Box::new(object)),
            Some(DeserializeGuard(Err(invalid))) => Named::Undecodable(invalid.error),
        })
    }

    /// The accounts of these names.
    async fn other_accounts(&self, names: &[String]) -> Result<Vec<(String, NamedAccount)>, Error> {
        let mut all = Vec::new();
        for name in names {
            all.push((name.clone(), self.named(Some(name)).await?));
        }
        Ok(all)
    }

    async fn children(&self, ours: &ListParams) -> Result<Vec<DynamicObject>, Error> {
        let mut all = Vec::new();
        for kind in kinds() {
            let children = match self.shown(&kind.kind, &self.name.name) {
                Some(shown) => shown,
                None => self.list_children(&kind, ours).await?,
            };
            let ours = children.into_iter();
            all.extend(ours.filter(|item| labels::is_ours(&item.metadata, self.uid)));
        }
        Ok(all)
    }

    async fn list_children(
        &self,
        kind: &ApiResource,
        ours: &ListParams,
    ) -> Result<Vec<DynamicObject>, Error> {
        let client = self.context.client.clone();
        let api: Api<DynamicObject> = Api::namespaced_with(client, &self.name.namespace, kind);
        let list = api.list(ours).await;
        let list = list.map_err(|source| failed(&kind.kind, source))?;
        // Items of a list come without their type.
        let typed = list.items.into_iter().map(|mut item| {
            item.types = Some(TypeMeta {
                api_version: kind.api_version.clone(),
                kind: kind.kind.clone(),
            });
            item
        });
        Ok(typed.collect())
    }

    /// A pod that waits for a missing Secret, and a Job that may not make its pod, say so only in events. Nobody watches
    /// those, and every pod waits at first: one that has waited for some time is asked about.
    async fn failures(
        &self,
        pods: &[Pod],
        jobs: &[Job],
        now: Timestamp,
    ) -> Result<Vec<Event>, Error> {
        let waits = |meta: &ObjectMeta| {
            let since = meta.creation_timestamp.as_ref();
            since.is_none_or(|since| now.duration_since(since.0).unsigned_abs() >= USUAL_WAIT)
        };
        let pending = |pod: &Pod| pods::phase(pod) == Some("Pending") && waits(&pod.metadata);
        let without_pod = |job: &Job| pods::has_none_yet(job) && waits(&job.metadata);
        let mut events = Vec::new();
        if pods.iter().any(pending) {
            let mounts = ListParams::default().fields("reason=FailedMount");
            events.extend(self.list(&mounts).await?);
        }
        if jobs.iter().any(without_pod) {
            let fields = "reason=FailedCreate,involvedObject.kind=Job";
            events.extend(self.list(&ListParams::default().fields(fields)).await?);
        }
        Ok(events)
    }
}

fn failed(object: &str, source: kube::Error) -> Error {
    Error::Dereference {
        object: object.to_string(),
        source,
    }
}
