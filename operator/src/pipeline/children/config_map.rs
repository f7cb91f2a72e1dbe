//! The immutable configuration of each role, and the one mutable document: which versions serve.

use foresail_crds::Role;
use foresail_crds::worker_config::{CONFIG_FILE, SERVING_FILE};
use k8s_openapi::api::core::v1::ConfigMap;

use super::meta;
use crate::pipeline::plan::types::Plan;
use crate::pipeline::resources::{Prepared, Resources};
use crate::pipeline::validate::ValidatedPipeline;

pub(super) fn add(resources: &mut Resources<Prepared>, pipeline: &ValidatedPipeline, plan: &Plan) {
    let data = |key: &str, text: String| Some([(key.to_string(), text)].into());
    // Cleanup runs once the Pipeline is deleted; its configuration is made with its Job.
    let living = Role::ALL
        .iter()
        .filter(|role| **role != Role::Cleanup && pipeline.runs(**role) && !plan.leaves(**role));
    for role in living {
        let config = pipeline.config(*role, plan.beside());
        resources.add(&ConfigMap {
            metadata: meta(pipeline, config.name, role.name()),
            data: data(CONFIG_FILE, config.json),
            immutable: Some(true),
            ..ConfigMap::default()
        });
    }
    let serving = serde_json::to_string_pretty(&plan.serving).unwrap_or_default();
    resources.add(&ConfigMap {
        metadata: meta(pipeline, pipeline.name.serving(), "serving"),
        data: data(SERVING_FILE, serving),
        ..ConfigMap::default()
    });
}
