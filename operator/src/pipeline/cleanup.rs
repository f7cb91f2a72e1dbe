//! Deleting a Pipeline: owner references remove the children; a Job removes what `deletionPolicy`
//! does not retain outside the cluster. Bounded: a store that is gone must not hold a name for ever.

use std::time::Duration;

use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions::CLEANUP_FINALIZER;
use foresail_runtime_base::effects;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::{Error, build, validate};
use crate::context::{Context, MANAGER};

/// Longest the finalizer holds.
const LIMIT: Duration = Duration::from_secs(300);

/// One step of the deletion.
pub async fn run(object: &Pipeline, context: &Context) -> Result<Action, Error> {
    let ours = object.finalizers().iter().any(|f| f == CLEANUP_FINALIZER);
    let Some(pipeline) = ours.then(|| validate::validate(object).ok()).flatten() else {
        return if ours {
            release(object, context).await
        } else {
            Ok(Action::await_change())
        };
    };
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &pipeline.name.namespace);
    let name = pipeline.name.child("cleanup");
    let since = object
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or(Timestamp::now(), |t| t.0);
    let late = Timestamp::now().duration_since(since).unsigned_abs() > LIMIT;
    match jobs.get_opt(&name).await.map_err(Error::Cleanup)? {
        Some(job) if done(&job) => release(object, context).await,
        _ if late => {
            let note =
                "cleanup did not finish in time; remove the topics and objects by hand".to_string();
            let event = Event {
                type_: EventType::Warning,
                reason: "CleanupAbandoned".into(),
                note: Some(note),
                action: "Delete".into(),
                secondary: None,
            };
            context
                .recorder
                .publish(&event, &object.object_ref(&()))
                .await
                .ok();
            release(object, context).await
        }
        Some(_) => Ok(Action::requeue(Duration::from_secs(2))),
        None => {
            let mut job = build::cleanup_job(&pipeline, &context.images);
            job.metadata.managed_fields = None;
            let patch = Patch::Apply(&job);
            let params = PatchParams::apply(MANAGER).force();
            let write = jobs.patch(&name, &params, &patch);
            effects::perform("kubernetes", "apply", write)
                .await
                .map_err(Error::Cleanup)?;
            Ok(Action::requeue(Duration::from_secs(2)))
        }
    }
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
