//! The predictors: a Deployment whose replicas belong to the autoscaler, a Service, a disruption budget.

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::{Shape, resources, template};
use super::{Resources, labels, meta};
use crate::context::Images;
use crate::pipeline::validate::ValidatedPipeline;

const ROLE: &str = "predict";
const PORT: i32 = 8080;

pub(super) fn add(out: &mut Resources, pipeline: &ValidatedPipeline, images: &Images) {
    let name = pipeline.name.child(ROLE);
    let selector = LabelSelector {
        match_labels: Some(labels::pods(&pipeline.name, ROLE)),
        ..LabelSelector::default()
    };
    out.add(&Service {
        metadata: meta(pipeline, name.clone(), ROLE),
        spec: Some(ServiceSpec {
            selector: selector.match_labels.clone(),
            ports: Some(vec![ServicePort {
                name: Some("http".into()),
                port: 80,
                target_port: Some(IntOrString::Int(PORT)),
                protocol: Some("TCP".into()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    });
    let declared = pipeline.spec.serving.resources.clone();
    let shape = Shape {
        role: ROLE,
        image: &images.worker,
        args: vec![ROLE.into()],
        resources: declared.unwrap_or_else(|| resources("50m", "48Mi", "256Mi")),
        config: None,
        serving: true,
        admin: true,
        ports: vec![("http", PORT)],
        restart: "Always",
        grace_seconds: 30,
        labels: vec![],
    };
    out.add(&Deployment {
        metadata: meta(pipeline, name.clone(), ROLE),
        spec: Some(DeploymentSpec {
            // The autoscaler's, always: never set here.
            replicas: None,
            selector: selector.clone(),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: Some(IntOrString::Int(1)),
                }),
            }),
            revision_history_limit: Some(3),
            template: template(pipeline, images, shape),
            ..DeploymentSpec::default()
        }),
        status: None,
    });
    out.add(&PodDisruptionBudget {
        metadata: meta(pipeline, name, ROLE),
        spec: Some(PodDisruptionBudgetSpec {
            // With one replica a minimum would block every drain.
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    });
}
