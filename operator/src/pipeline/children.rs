//! All children of a Pipeline as they must be. Pure, cannot fail: what could is checked in `validate`.

mod autoscaler;
mod config_map;
mod jobs;
mod pod;
mod rbac;
mod server;
mod workers;

use foresail_crds::role::{Role, Workload};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::labels;
use super::plan::types::Plan;
use super::resources::{Prepared, Resources};
use super::validate::ValidatedPipeline;
use crate::context::Images;

pub use jobs::cleanup;

/// All children of a plan.
pub fn build(pipeline: &ValidatedPipeline, plan: &Plan, images: &Images) -> Resources<Prepared> {
    let mut resources = Resources::default();
    config_map::add(&mut resources, pipeline, plan);
    rbac::add(&mut resources, pipeline);
    if !plan.prepared {
        resources.add(&jobs::prepare_job(pipeline, images));
    }
    for role in Role::ALL
        .iter()
        .copied()
        .filter(|role| pipeline.runs(*role))
    {
        match role.facts().workload {
            Workload::Worker if plan.prepared && plan.makes(role) => {
                resources.add(&workers::deployment(pipeline, plan, role, images));
            }
            Workload::Server if plan.serves => {
                server::add(&mut resources, pipeline, role, images);
                autoscaler::add(&mut resources, pipeline, role);
            }
            Workload::Worker | Workload::Server | Workload::Job => {}
        }
    }
    if let Some(run) = &plan.training {
        resources.add(&jobs::train_job(pipeline, run, images));
    }
    resources
}

/// Metadata of a child; `component` is the role it belongs to, or what it is when it has none.
fn meta(pipeline: &ValidatedPipeline, name: String, component: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(pipeline.name.namespace.clone()),
        labels: Some(labels::labels_for(&pipeline.name, component)),
        owner_references: Some(vec![pipeline.owner.clone()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
