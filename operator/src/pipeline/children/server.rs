//! A role that answers requests: a Deployment whose replicas belong to the autoscaler, a Service, a
//! disruption budget.

use foresail_crds::Role;
use foresail_crds::role::{GRPC_PORT, HTTP_PORT};
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::meta;
use super::pod::{Shape, template};
use crate::context::Images;
use crate::pipeline::labels;
use crate::pipeline::resources::{Prepared, Resources};
use crate::pipeline::validate::ValidatedPipeline;

pub(super) fn add(
    out: &mut Resources<Prepared>,
    pipeline: &ValidatedPipeline,
    role: Role,
    images: &Images,
) {
    let name = pipeline.name.child(role.name());
    let has_tls = pipeline.has_tls();
    let selector = LabelSelector {
        match_labels: Some(labels::pods(&pipeline.name, role)),
        ..LabelSelector::default()
    };
    out.add(&Service {
        metadata: meta(pipeline, name.clone(), role.name()),
        spec: Some(ServiceSpec {
            selector: selector.match_labels.clone(),
            ports: Some(vec![
                match has_tls {
                    true => port("https", 443, HTTP_PORT),
                    false => port("http", 80, HTTP_PORT),
                },
                port("grpc", GRPC_PORT, GRPC_PORT),
            ]),
            ..ServiceSpec::default()
        }),
        status: None,
    });
    out.add(&Deployment {
        metadata: meta(pipeline, name.clone(), role.name()),
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
            template: template(pipeline, images, Shape::for_role(role)),
            ..DeploymentSpec::default()
        }),
        status: None,
    });
    out.add(&PodDisruptionBudget {
        metadata: meta(pipeline, name, role.name()),
        spec: Some(PodDisruptionBudgetSpec {
            // With one replica a minimum would block every drain.
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    });
}

/// A port of the Service, and that of the pods behind it.
fn port(name: &str, port: u16, target: u16) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port: i32::from(port),
        target_port: Some(IntOrString::Int(i32::from(target))),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}
