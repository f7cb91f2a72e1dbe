//! Reads everything a decision needs, live: lists by label, never from a cache that may be stale.

use foresail_crds::names::PipelineName;
use foresail_crds::worker_config::{SERVING_FILE, ServingConfig};
use foresail_crds::{ModelVersion, PipelineStatus, ProviderAccount};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{DynamicObject, ListParams};
use kube::core::DeserializeGuard;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::error::Error;
use super::observed::{NamedAccount, Observed};
use super::resources::kinds;
use super::validate::ValidatedPipeline;
use super::{labels, pods, predictors};
use crate::context::Context;

/// Everything that exists of one Pipeline.
pub async fn dereference(
    pipeline: &ValidatedPipeline,
    status: PipelineStatus,
    context: &Context,
) -> Result<Observed, Error> {
    let name = &pipeline.name;
    let reader = Reader {
        name,
        uid: &pipeline.owner.uid,
        context,
    };
    let ours = ListParams::default().labels(&labels::selector(name));
    let Versions {
        readable,
        unreadable,
    } = reader.versions().await?;
    let pods: Vec<Pod> = reader.list(&ours).await?;
    let mut jobs = reader.list::<Job>(&ours).await?;
    jobs.retain(|job| labels::is_ours(&job.metadata, reader.uid));
    Ok(Observed {
        status,
        versions: readable,
        unreadable_versions: unreadable,
        serving: reader.serving().await?,
        events: reader.failures(&pods, &jobs).await?,
        jobs,
        predictors: predictors::answers(name, &pods, &context.http).await,
        pods,
        children: reader.children(&ours).await?,
        account: reader.account(pipeline.account.as_deref()).await?,
        other_accounts: reader.other_accounts(&pipeline.other_accounts).await?,
    })
}

struct Reader<'a> {
    name: &'a PipelineName,
    uid: &'a str,
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
        let map = map.filter(|map| labels::is_ours(&map.metadata, self.uid));
        Ok(map.and_then(|m| serde_json::from_str(m.data?.get(SERVING_FILE)?).ok()))
    }

    /// The account of a name; one that does not decode is no error of this reconcile.
    async fn account(&self, name: Option<&str>) -> Result<NamedAccount, Error> {
        let Some(name) = name else {
            return Ok(NamedAccount::Absent);
        };
        let api = self.api::<DeserializeGuard<ProviderAccount>>();
        let account = api.get_opt(name).await;
        let account =
            account.map_err(|source| failed(&format!("ProviderAccount {name}"), source))?;
        Ok(match account {
            None => NamedAccount::Absent,
            Some(DeserializeGuard(Ok(account))) => NamedAccount::Found(Box::new(account)),
            Some(DeserializeGuard(Err(invalid))) => NamedAccount::Undecodable(invalid.error),
        })
    }

    /// The accounts of these names.
    async fn other_accounts(&self, names: &[String]) -> Result<Vec<(String, NamedAccount)>, Error> {
        let mut all = Vec::new();
        for name in names {
            all.push((name.clone(), self.account(Some(name)).await?));
        }
        Ok(all)
    }

    async fn children(&self, ours: &ListParams) -> Result<Vec<DynamicObject>, Error> {
        let mut all = Vec::new();
        for kind in kinds() {
            let client = self.context.client.clone();
            let api: Api<DynamicObject> = Api::namespaced_with(client, &self.name.namespace, &kind);
            let list = api.list(ours).await;
            let list = list.map_err(|source| failed(&kind.kind, source))?;
            let ours = list.items.into_iter();
            let ours = ours.filter(|item| labels::is_ours(&item.metadata, self.uid));
            // Items of a list come without their type.
            all.extend(ours.map(|mut item| {
                item.types = Some(kube::core::TypeMeta {
                    api_version: kind.api_version.clone(),
                    kind: kind.kind.clone(),
                });
                item
            }));
        }
        Ok(all)
    }

    /// A pod that waits for a missing Secret, and a Job that may not make its pod, say so only in events.
    async fn failures(&self, pods: &[Pod], jobs: &[Job]) -> Result<Vec<Event>, Error> {
        let pending = |pod: &Pod| pods::phase(pod) == Some("Pending");
        let mut events = Vec::new();
        if pods.iter().any(pending) {
            let mounts = ListParams::default().fields("reason=FailedMount");
            events.extend(self.list(&mounts).await?);
        }
        if jobs.iter().any(pods::has_none_yet) {
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
