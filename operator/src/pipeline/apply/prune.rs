//! Removes children that are no longer wanted: only the object that was seen, by its uid.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::{Api, ResourceExt};

use super::retention::{in_use, lost_its_report};
use super::{Applied, failed, same_object, set_aside};
use crate::pipeline::decided::Decided;
use crate::pipeline::dereference::of_kind;
use crate::pipeline::error::{Error, Refused, code};
use crate::pipeline::labels;
use crate::pipeline::observed::Observed;
use crate::pipeline::plan::types::Plan;
use crate::pipeline::resources::{Prepared, Resources, kinds};

pub(super) async fn prune(
    at: Decided<'_>,
    prepared: &Resources<Prepared>,
    applied: &Resources<Applied>,
) -> Result<Vec<Refused>, Error> {
    let mut refused = Vec::new();
    // What a watch has not shown yet may need what seems superfluous.
    if !at.observed.is_listed {
        return Ok(refused);
    }
    let deployments: Vec<Deployment> = applied.all().collect();
    for live in superfluous((at.observed, at.plan, at.now), prepared, &deployments) {
        if let Err(error) = remove(at, live).await {
            refused.push(set_aside(error, labels::role(live))?);
        }
    }
    Ok(refused)
}

/// Whether anything would be removed.
pub fn removes(
    observed: &Observed,
    plan: &Plan,
    prepared: &Resources<Prepared>,
    now: Timestamp,
) -> bool {
    let deployments: Vec<Deployment> = of_kind(&observed.children);
    let mut found = superfluous((observed, plan, now), prepared, &deployments);
    found.next().is_some()
}

/// Children that are neither wanted nor needed still.
fn superfluous<'a>(
    (observed, plan, now): (&'a Observed, &'a Plan, Timestamp),
    prepared: &'a Resources<Prepared>,
    deployments: &'a [Deployment],
) -> impl Iterator<Item = &'a DynamicObject> {
    observed.children.iter().filter(move |live| {
        let mut wanted = prepared.children.iter();
        let wanted = wanted.any(|child| same_object(live, child));
        let wanted = wanted && !lost_its_report(live, plan.prepared, now);
        let going = live.metadata.deletion_timestamp.is_some();
        let left = labels::role(*live).is_some_and(|role| plan.leaves(role));
        !wanted && !going && !left && !in_use(live, deployments, observed, plan.prepared)
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
