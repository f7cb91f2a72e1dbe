//! Deleting a Pipeline: owner references remove the children; before that, when `deletionPolicy`
//! does not retain everything, the workers stop and a Job removes what it names outside the cluster.
//! Bounded: a store that is gone must not hold a name for ever.

use std::fmt::Debug;
use std::time::Duration;

use foresail_crds::pipeline::conditions::CLEANUP_FINALIZER;
use foresail_crds::{MANAGER, Pipeline, Role};
use foresail_runtime_base::effects;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::validate::{self, ValidatedPipeline};
use super::{Error, children, labels};
use crate::context::Context;

/// Longest the finalizer holds.
const LIMIT: Duration = Duration::from_secs(300);
/// Pause between two looks at what goes on.
const STEP: Duration = Duration::from_secs(2);

/// One step of the deletion.
pub async fn run(object: &Pipeline, context: &Context) -> Result<Action, Error> {
    if !object.finalizers().iter().any(|f| f == CLEANUP_FINALIZER) {
        return Ok(Action::await_change());
    }
    let pipeline = match validate::validate(object) {
        Ok(pipeline) => pipeline,
        Err(invalid) => return abandon(object, &invalid.to_string(), context).await,
    };
    if late(object) {
        remove_cleanup(&pipeline, context).await?;
        return abandon(object, "it did not finish in time", context).await;
    }
    // What still writes would bring back what is removed.
    if !stopped(&pipeline, context).await? {
        return Ok(Action::requeue(STEP));
    }
    let jobs: Api<Job> = api(&pipeline, context);
    let name = pipeline.name.child(Role::Cleanup.name());
    match jobs.get_opt(&name).await.map_err(Error::Cleanup)? {
        Some(job) if done(&job) => {
            remove_cleanup(&pipeline, context).await?;
            release(object, context).await
        }
        Some(_) => Ok(Action::requeue(STEP)),
        None => start(object, &pipeline, context).await,
    }
}

fn late(object: &Pipeline) -> bool {
    let since = object.metadata.deletion_timestamp.as_ref();
    since.is_some_and(|t| Timestamp::now().duration_since(t.0).unsigned_abs() > LIMIT)
}

fn api<K>(pipeline: &ValidatedPipeline, context: &Context) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(context.client.clone(), &pipeline.name.namespace)
}

async fn start(
    object: &Pipeline,
    pipeline: &ValidatedPipeline,
    context: &Context,
) -> Result<Action, Error> {
    let (config, job) = children::cleanup(pipeline, &context.images);
    let written = match apply(pipeline, &config, context).await {
        Ok(()) => apply(pipeline, &job, context).await,
        refused => refused,
    };
    match written {
        Ok(()) => Ok(Action::requeue(STEP)),
        // Nothing can be made any more in a namespace that is being deleted.
        Err(Error::Cleanup(kube::Error::Api(status)))
            if status.code == 403 && status.message.contains("being terminated") =>
        {
            abandon(object, "its namespace is being deleted", context).await
        }
        Err(error) => Err(error),
    }
}

async fn apply<K>(pipeline: &ValidatedPipeline, object: &K, context: &Context) -> Result<(), Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let api: Api<K> = api(pipeline, context);
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(object));
    let name = object.name_any();
    let write = api.patch(&name, &params, &patch);
    effects::perform("kubernetes", "apply", write)
        .await
        .map(drop)
        .map_err(Error::Cleanup)
}

/// Removes Deployments and Jobs; true when no pod of them is left.
async fn stopped(pipeline: &ValidatedPipeline, context: &Context) -> Result<bool, Error> {
    let others = format!(
        "{},{}!={}",
        labels::selector(&pipeline.name),
        labels::COMPONENT,
        Role::Cleanup
    );
    let others = ListParams::default().labels(&others);
    remove_listed::<Deployment>(pipeline, &others, context).await?;
    remove_listed::<Job>(pipeline, &others, context).await?;
    let pods: Api<Pod> = api(pipeline, context);
    let left = pods.list(&others).await.map_err(Error::Cleanup)?;
    Ok(left.items.is_empty())
}

async fn remove_listed<K>(
    pipeline: &ValidatedPipeline,
    which: &ListParams,
    context: &Context,
) -> Result<(), Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<K> = api(pipeline, context);
    for found in api.list(which).await.map_err(Error::Cleanup)?.items {
        if found.meta().deletion_timestamp.is_none() {
            remove(&api, &found.name_any()).await?;
        }
    }
    Ok(())
}

async fn remove<K>(api: &Api<K>, name: &str) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let params = DeleteParams::background();
    match effects::perform("kubernetes", "delete", api.delete(name, &params)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::Cleanup(error)),
    }
}

/// The cleanup's own objects have no owner that would take them along.
async fn remove_cleanup(pipeline: &ValidatedPipeline, context: &Context) -> Result<(), Error> {
    let name = pipeline.name.child(Role::Cleanup.name());
    remove::<Job>(&api(pipeline, context), &name).await?;
    remove::<ConfigMap>(&api(pipeline, context), &name).await
}

/// Lets the Pipeline go with what should have been removed still there, and says so.
async fn abandon(object: &Pipeline, cause: &str, context: &Context) -> Result<Action, Error> {
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
    let reference = object.object_ref(&());
    let publish = context.recorder.publish(&event, &reference);
    // Events are for people: one that cannot be published changes nothing.
    effects::perform("kubernetes", "event", publish).await.ok();
    release(object, context).await
}

fn done(job: &Job) -> bool {
    job.status
        .as_ref()
        .is_some_and(|s| s.succeeded.unwrap_or(0) > 0)
}

/// Sets or removes the finalizer so that it exists exactly while the policy deletes something.
pub async fn keep_finalizer(object: &Pipeline, context: &Context) -> Result<(), Error> {
    let wanted = object.spec.deletion_policy.deletes_anything();
    let present = object.finalizers().iter().any(|f| f == CLEANUP_FINALIZER);
    if wanted == present {
        return Ok(());
    }
    if present {
        return release(object, context).await.map(drop);
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(CLEANUP_FINALIZER.into());
    write(object, &finalizers, context).await
}

async fn release(object: &Pipeline, context: &Context) -> Result<Action, Error> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|f| f != CLEANUP_FINALIZER);
    write(object, &finalizers, context).await?;
    Ok(Action::await_change())
}

async fn write(object: &Pipeline, finalizers: &[String], context: &Context) -> Result<(), Error> {
    let api: Api<Pipeline> = Api::namespaced(
        context.client.clone(),
        &object.namespace().unwrap_or_default(),
    );
    // The resource version keeps a finalizer of somebody else that was added meanwhile.
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": object.resource_version(),
    }});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let name = object.name_any();
    let write = api.patch(&name, &params, &patch);
    match effects::perform("kubernetes", "finalizer", write).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::Cleanup(error)),
    }
}
