//! The roles of which one pod runs all day, replaced rather than doubled.

use foresail_crds::Role;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::meta;
use super::pod::{Shape, template};
use crate::context::Images;
use crate::pipeline::labels;
use crate::pipeline::plan::types::Plan;
use crate::pipeline::validate::ValidatedPipeline;

pub(super) fn deployment(
    pipeline: &ValidatedPipeline,
    plan: &Plan,
    role: Role,
    images: &Images,
) -> Deployment {
    let name = pipeline.name.child(role.name());
    let shape = Shape {
        beside: plan.beside(),
        ..Shape::for_role(role)
    };
    Deployment {
        metadata: meta(pipeline, name, role.name()),
        spec: Some(DeploymentSpec {
            replicas: Some(i32::from(!pipeline.suspends(role))),
            selector: LabelSelector {
                match_labels: Some(labels::pods(&pipeline.name, role)),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".into()),
                rolling_update: None,
            }),
            revision_history_limit: Some(3),
            template: template(pipeline, images, shape),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}
