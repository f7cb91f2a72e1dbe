//! Deleting a Pipeline: owner references remove the children; before that, when `deletionPolicy`
//! does not retain everything, the workers stop and a Job removes what it names outside the cluster.
//! Bounded: a store that is gone must not hold a name for ever.

use std::fmt::Debug;
use std::time::Duration;

use foresail_crds::pipeline::spec::Deletion;
use foresail_crds::{MANAGER, Pipeline, Role};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Error, code};
use super::validate::{self, ValidatedPipeline};
use super::{another, children, event, finalizer, labels};
use crate::context::Context;

/// Longest the finalizer holds.
const LIMIT: Duration = Duration::from_secs(300);
/// Time between two steps.
const STEP: Duration = Duration::from_secs(2);

/// What the cleanup reads, makes and removes.
trait Kind:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
{
}

impl Kind for ConfigMap {}
impl Kind for Deployment {}
impl Kind for Job {}
impl Kind for Pod {}

/// One step of the deletion.
pub async fn run(object: &Pipeline, context: &Context, now: Timestamp) -> Result<Action, Error> {
    // What is made for a Pipeline that is gone would have nobody to remove it.
    if !finalizer::is_present(object) || !finalizer::is_awaited(object, context).await? {
        return Ok(Action::await_change());
    }
    let pipeline = match validate::validate(object, &context.installation) {
        Ok(pipeline) => pipeline,
        Err(invalid) => return abandon(object, &invalid.to_string(), context).await,
    };
    let cleanup = Cleanup {
        pipeline: &pipeline,
        context,
    };
    if is_late(object, now) {
        cleanup.remove_own().await?;
        return abandon(object, "it did not finish in time", context).await;
    }
    // What still writes would bring back what is removed.
    if !cleanup.stop_workers().await? {
        return Ok(Action::requeue(STEP));
    }
    match cleanup.job().await? {
        Some(job) if has_succeeded(&job) => {
            cleanup.remove_own().await?;
            finalizer::release(object, context).await?;
            Ok(Action::await_change())
        }
        Some(_) => Ok(Action::requeue(STEP)),
        None => match cleanup.start(object).await {
            Ok(()) => Ok(Action::requeue(STEP)),
            Err(error) if is_namespace_going(&error) => {
                abandon(object, "its namespace is being deleted", context).await
            }
            Err(error) => Err(error),
        },
    }
}

/// Lets the Pipeline go with what should have been removed still there, and says so.
pub async fn abandon<K>(object: &K, cause: &str, context: &Context) -> Result<Action, Error>
where
    K: Resource<DynamicType = ()>,
{
    let note = format!(
        "deletionPolicy was not carried out: {cause}; remove topics, objects and keys by hand"
    );
    tracing::warn!(pipeline = object.name_any(), note, "cleanup abandoned");
    let event = Event {
        type_: EventType::Warning,
        reason: "CleanupAbandoned".into(),
        note: Some(note),
        action: "Delete".into(),
        secondary: None,
    };
    event::publish(event, &object.object_ref(&()), context).await;
    finalizer::release(object, context).await?;
    Ok(Action::await_change())
}

fn is_late(object: &Pipeline, now: Timestamp) -> bool {
    let since = object.metadata.deletion_timestamp.as_ref();
    since.is_some_and(|t| now.duration_since(t.0).unsigned_abs() > LIMIT)
}

fn has_succeeded(job: &Job) -> bool {
    let status = job.status.as_ref();
    status.is_some_and(|s| s.succeeded.unwrap_or(0) > 0)
}

/// Nothing can be made any more in a namespace that is being deleted.
fn is_namespace_going(error: &Error) -> bool {
    match error.cause() {
        kube::Error::Api(status) => {
            status.code == 403 && status.message.contains("being terminated")
        }
        _ => false,
    }
}

struct Cleanup<'a> {
    pipeline: &'a ValidatedPipeline,
    context: &'a Context,
}

impl Cleanup<'_> {
    fn api<K: Kind>(&self) -> Api<K> {
        Api::namespaced(self.context.client.clone(), &self.pipeline.name.namespace)
    }

    fn name(&self) -> String {
        self.pipeline.name.child(Role::Cleanup.name())
    }

    async fn job(&self) -> Result<Option<Job>, Error> {
        let name = self.name();
        let job = self.api::<Job>().get_opt(&name).await;
        job.map_err(|source| failed::<Job>(&name, source))
    }

    async fn start(&self, object: &Pipeline) -> Result<(), Error> {
        let readers = match object.spec.deletion_policy.topics {
            Deletion::Retain => Vec::new(),
            Deletion::Delete => self.readers().await?,
        };
        let images = &self.context.images;
        let (config, job) = children::cleanup(self.pipeline, images, !readers.is_empty());
        self.apply(&config).await?;
        self.apply(&job).await?;
        if !readers.is_empty() {
            self.announce_bars(object, &readers).await;
        }
        Ok(())
    }

    /// Pipelines that read the bars of this one, by name.
    async fn readers(&self) -> Result<Vec<String>, Error> {
        let (client, namespace) = (self.context.client.clone(), &self.pipeline.name.namespace);
        let kind = ApiResource::erase::<Pipeline>(&());
        // What does not decode counts, too.
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &kind);
        let list = api.list(&ListParams::default()).await;
        let list = list.map_err(|source| Error::Cleanup {
            object: "Pipelines".into(),
            source,
        })?;
        let all = list.items.into_iter().map(serde_json::to_value);
        let all: Vec<_> = all.filter_map(Result::ok).collect();
        Ok(another::readers(&self.pipeline.name.name, all.iter()))
    }

    /// Bars that somebody reads are not taken away. Nobody removes them later, so a person is told.
    async fn announce_bars(&self, object: &Pipeline, readers: &[String]) {
        let topic = self.pipeline.bars_topic();
        let note = format!(
            "the topic {topic} stays, since its bars are read by Pipeline {}; remove it by hand once nobody reads it",
            readers.join(", ")
        );
        let event = Event {
            type_: EventType::Warning,
            reason: "BarsKept".into(),
            note: Some(note),
            action: "Delete".into(),
            secondary: None,
        };
        event::publish(event, &object.object_ref(&()), self.context).await;
    }

    async fn apply<K: Kind>(&self, object: &K) -> Result<(), Error> {
        let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(object));
        let (api, name) = (self.api::<K>(), object.name_any());
        let write = api.patch(&name, &params, &patch);
        self.context
            .effects
            .perform("kubernetes", "apply", write)
            .await
            .map(drop)
            .map_err(|source| failed::<K>(&name, source))
    }

    /// Removes Deployments and Jobs; true when no pod of them is left.
    async fn stop_workers(&self) -> Result<bool, Error> {
        let others = format!(
            "{},{}!={}",
            labels::selector(&self.pipeline.name),
            labels::COMPONENT,
            Role::Cleanup
        );
        let others = ListParams::default().labels(&others);
        self.remove_listed::<Deployment>(&others).await?;
        self.remove_listed::<Job>(&others).await?;
        Ok(self.list::<Pod>(&others).await?.is_empty())
    }

    async fn list<K: Kind>(&self, which: &ListParams) -> Result<Vec<K>, Error> {
        let list = self.api::<K>().list(which).await;
        Ok(list.map_err(|source| failed::<K>("", source))?.items)
    }

    async fn remove_listed<K: Kind>(&self, which: &ListParams) -> Result<(), Error> {
        for object in self.list::<K>(which).await? {
            if object.meta().deletion_timestamp.is_none() {
                self.remove::<K>(&object.name_any()).await?;
            }
        }
        Ok(())
    }

    async fn remove<K: Kind>(&self, name: &str) -> Result<(), Error> {
        let (api, params) = (self.api::<K>(), DeleteParams::background());
        match self
            .context
            .effects
            .perform("kubernetes", "delete", api.delete(name, &params))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some(404) => Ok(()),
            Err(source) => Err(failed::<K>(name, source)),
        }
    }

    /// The cleanup's own objects have no owner that would take them along.
    async fn remove_own(&self) -> Result<(), Error> {
        let name = self.name();
        self.remove::<Job>(&name).await?;
        self.remove::<ConfigMap>(&name).await
    }
}

fn failed<K: Kind>(name: &str, source: kube::Error) -> Error {
    let object = format!("{} {name}", K::kind(&())).trim_end().to_string();
    Error::Cleanup { object, source }
}
