//! The autoscaler always exists, so the ownership of `replicas` never changes.

use foresail_crds::Role;
use foresail_crds::pipeline::spec::ScaleMetric;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};

use super::meta;
use crate::pipeline::resources::{Prepared, Resources};
use crate::pipeline::validate::ValidatedPipeline;

pub(super) fn add(out: &mut Resources<Prepared>, pipeline: &ValidatedPipeline, role: Role) {
    let serving = &pipeline.serving;
    let name = pipeline.name.child(role.name());
    let resource = match serving.scale_metric {
        ScaleMetric::Cpu => "cpu",
        ScaleMetric::Memory => "memory",
    };
    out.add(&HorizontalPodAutoscaler {
        metadata: meta(pipeline, name.clone(), role.name()),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name,
            },
            min_replicas: Some(serving.min_replicas),
            max_replicas: serving.max_replicas,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".into(),
                resource: Some(ResourceMetricSource {
                    name: resource.into(),
                    target: MetricTarget {
                        type_: "Utilization".into(),
                        average_utilization: Some(serving.scale_target),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: serving.behavior.clone(),
        }),
        status: None,
    });
}
