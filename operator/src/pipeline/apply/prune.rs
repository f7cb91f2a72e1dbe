//! Removes children that are no longer wanted: only the object that was seen, by its uid.

use foresail_crds::Role;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::{Api, ResourceExt};

use super::{Applied, failed, is};
use crate::pipeline::decided::Decided;
use crate::pipeline::error::{Error, code};
use crate::pipeline::resources::{Prepared, Resources, kinds};

pub(super) async fn prune(
    at: Decided<'_>,
    prepared: &Resources<Prepared>,
    applied: &Resources<Applied>,
) -> Result<(), Error> {
    // Old configuration stays until no rollout needs it.
    let rolls = applied.all::<Deployment>().any(|d| is_rolling(&d));
    for live in &at.observed.children {
        let wanted = prepared.children.iter().any(|child| is(live, child));
        let going = live.metadata.deletion_timestamp.is_some();
        if !wanted && !going && !is_in_use(live, at.plan.prepared, rolls) {
            remove(at, live).await?;
        }
    }
    Ok(())
}

/// Workers run on until a changed configuration is prepared; finished Jobs end by their own clock.
fn is_in_use(live: &DynamicObject, prepared: bool, rolls: bool) -> bool {
    let kind = live.types.as_ref().map_or("", |t| t.kind.as_str());
    match kind {
        "Job" => !live.name_any().contains(&format!("-{}-", Role::Prepare)),
        "ConfigMap" => !prepared || rolls,
        "Deployment" => !prepared,
        _ => false,
    }
}

/// A Deployment that has not finished its rollout.
fn is_rolling(deployment: &Deployment) -> bool {
    deployment.status.as_ref().is_some_and(|status| {
        status.updated_replicas != status.replicas || status.unavailable_replicas.unwrap_or(0) > 0
    })
}

async fn remove(at: Decided<'_>, live: &DynamicObject) -> Result<(), Error> {
    let known = live.types.as_ref().map(|t| t.kind.as_str());
    let Some(kind) = kinds().into_iter().find(|k| known == Some(&k.kind)) else {
        return Ok(());
    };
    let (client, namespace) = (at.context.client.clone(), &at.pipeline.name.namespace);
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &kind);
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: live.metadata.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::background()
    };
    let name = live.name_any();
    match at
        .context
        .effects
        .perform("kubernetes", "delete", api.delete(&name, &params))
        .await
    {
        Ok(_) => {
            tracing::info!(kind = kind.kind, name, "removed");
            Ok(())
        }
        // Gone already, or another object of the same name.
        Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(()),
        Err(source) => Err(failed(format!("{} {name}", kind.kind), source)),
    }
}
