//! Ingest, lake, stream and monitor: one pod each, replaced rather than doubled.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::pod::{Shape, resources, template};
use super::{Resources, labels, meta};
use crate::context::Images;
use crate::pipeline::validate::ValidatedPipeline;

/// Role, whether it follows the serving configuration, whether `suspend` stops it, memory limit.
const WORKERS: &[(&str, bool, bool, &str)] = &[
    ("ingest", true, true, "512Mi"),
    ("lake", false, false, "512Mi"),
    ("stream", false, true, "512Mi"),
    ("monitor", true, false, "512Mi"),
];

pub(super) fn add(resources: &mut Resources, pipeline: &ValidatedPipeline, images: &Images) {
    for (role, serving, stops, memory) in WORKERS {
        let running = i32::from(!(*stops && pipeline.spec.suspend));
        resources.add(&deployment(
            pipeline,
            images,
            role,
            *serving,
            (running, memory),
        ));
    }
}

fn deployment(
    pipeline: &ValidatedPipeline,
    images: &Images,
    role: &'static str,
    serving: bool,
    (replicas, memory): (i32, &str),
) -> Deployment {
    let shape = Shape {
        role,
        image: &images.worker,
        args: vec![role.into()],
        resources: resources("20m", "32Mi", memory),
        config: None,
        serving,
        admin: true,
        ports: vec![],
        restart: "Always",
        grace_seconds: 20,
        labels: vec![],
    };
    Deployment {
        metadata: meta(pipeline, pipeline.name.child(role), role),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
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
