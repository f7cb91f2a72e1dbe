//! The finalizer: present exactly while the deletion policy removes something outside the cluster.

use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions::CLEANUP_FINALIZER;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::error::{Error, code};
use crate::context::Context;

/// Whether the object waits for the cleanup when it is deleted.
pub fn is_present<K: Resource>(object: &K) -> bool {
    object.finalizers().iter().any(|f| f == CLEANUP_FINALIZER)
}

/// Whether the API server still holds this very object with its finalizer. The watch may be behind: to it, a Pipeline
/// that was let go a moment ago is still there, and so is one whose name has passed to another.
pub async fn is_awaited(object: &Pipeline, context: &Context) -> Result<bool, Error> {
    let name = object.name_any();
    let stored = api(object, context).get_metadata_opt(&name).await;
    let stored = stored.map_err(|source| Error::Cleanup {
        object: format!("Pipeline {name}"),
        source,
    })?;
    Ok(stored.is_some_and(|stored| stored.uid() == object.uid() && is_present(&stored)))
}

/// Sets or removes it; true when the object was written.
pub async fn keep(object: &Pipeline, wanted: bool, context: &Context) -> Result<bool, Error> {
    if wanted == is_present(object) {
        return Ok(false);
    }
    if wanted {
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(CLEANUP_FINALIZER.into());
        write(object, &finalizers, context).await?;
    } else {
        release(object, context).await?;
    }
    Ok(true)
}

/// Lets the object go.
pub async fn release<K>(object: &K, context: &Context) -> Result<(), Error>
where
    K: Resource<DynamicType = ()>,
{
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|f| f != CLEANUP_FINALIZER);
    write(object, &finalizers, context).await
}

fn api(object: &impl ResourceExt, context: &Context) -> Api<Pipeline> {
    let namespace = object.namespace().unwrap_or_default();
    Api::namespaced(context.client.clone(), &namespace)
}

async fn write<K>(object: &K, finalizers: &[String], context: &Context) -> Result<(), Error>
where
    K: Resource<DynamicType = ()>,
{
    // The resource version keeps a finalizer of somebody else that was added meanwhile.
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": object.resource_version(),
    }});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let name = object.name_any();
    // Only the metadata is asked for: the rest of the object need not decode.
    let api = api(object, context);
    let write = api.patch_metadata(&name, &params, &patch);
    match context
        .effects
        .perform("kubernetes", "finalizer", write)
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == Some(404) => Ok(()),
        Err(error) => Err(Error::Finalizer(error)),
    }
}
