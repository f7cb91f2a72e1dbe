//! All children of a Pipeline as they must be. Pure, cannot fail: what could is checked in `validate`.

mod autoscaler;
mod config_map;
mod jobs;
mod pod;
mod rbac;
mod server;
mod workers;

use foresail_crds::role::{Role, Workload};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role as Rights, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::ApiResource;
use serde::Serialize;
use serde_json::Value;

use super::labels;
use super::plan::Plan;
use super::validate::ValidatedPipeline;
use crate::context::Images;

pub use jobs::cleanup;

/// One child as it must be.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its API.
    pub kind: ApiResource,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// The object, with type and metadata.
    pub value: Value,
}

/// Children in the order they are applied.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// Configuration before workloads, so that no pod waits for it.
    pub children: Vec<Child>,
}

impl Resources {
    pub(crate) fn add<K>(&mut self, object: &K)
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let kind = ApiResource::erase::<K>(&());
        let mut value = serde_json::to_value(object).unwrap_or_default();
        value["apiVersion"] = kind.api_version.clone().into();
        value["kind"] = kind.kind.clone().into();
        let meta = object.meta();
        self.children.push(Child {
            name: meta.name.clone().unwrap_or_default(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            kind,
            value,
        });
    }
}

/// Every kind the operator makes, in the order of applying.
pub fn kinds() -> [ApiResource; 9] {
    [
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Rights>(&()),
        ApiResource::erase::<RoleBinding>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ApiResource::erase::<Job>(&()),
    ]
}

/// Builds them.
pub fn build(pipeline: &ValidatedPipeline, plan: &Plan, images: &Images) -> Resources {
    let mut resources = Resources::default();
    config_map::add(&mut resources, pipeline, plan);
    rbac::add(&mut resources, pipeline);
    if !plan.prepared {
        resources.add(&jobs::prepare_job(pipeline, images));
    }
    for role in Role::ALL.iter().copied() {
        match role.facts().workload {
            Workload::Worker if plan.prepared => {
                resources.add(&workers::deployment(pipeline, role, images));
            }
            Workload::Server if plan.champion.is_some() => {
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
        labels: Some(labels::of(&pipeline.name, component)),
        owner_references: Some(vec![pipeline.owner.clone()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
