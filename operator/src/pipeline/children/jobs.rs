//! Jobs: prepare (until every probe passes), one per training run, and cleanup at deletion.

use foresail_crds::names::hash8;
use foresail_crds::worker_config::{CONFIG_FILE, TrainingRun};
use foresail_crds::{Role, exit_code};
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::meta;
use super::pod::{Shape, template};
use crate::context::Images;
use crate::pipeline::labels;
use crate::pipeline::validate::{Beside, ValidatedPipeline};

/// Longest a cleanup may hold up the deletion of a Pipeline.
const CLEANUP_SECONDS: i64 = 240;

/// Makes topics and probes Kafka, S3, Redis and the source; tries until all is well.
pub(super) fn prepare_job(pipeline: &ValidatedPipeline, images: &Images) -> Job {
    let role = Role::Prepare;
    // A Job cannot be changed: one with other resources takes its place, where it has not ended well before.
    let resources = pipeline.declared_resources(role);
    let resources = resources.map(|r| serde_json::to_string(&r).unwrap_or_default());
    let identity = format!(
        "{}{}",
        pipeline.prepare_config,
        resources.unwrap_or_default()
    );
    let hash = hash8(identity.as_bytes());
    let name = pipeline.name.child(&format!("{role}-{hash}"));
    Job {
        metadata: meta(pipeline, name, role.name()),
        spec: Some(JobSpec {
            backoff_limit: Some(100),
            ttl_seconds_after_finished: Some(300),
            template: template(pipeline, images, Shape::for_role(role)),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Removes what `deletionPolicy` does not retain, but for bars that others read: its configuration and the Job. Neither is
/// owned by the Pipeline, whose dependents may be gone before the Job has run; who makes them removes them.
pub fn cleanup(
    pipeline: &ValidatedPipeline,
    images: &Images,
    bars_are_read: bool,
) -> (ConfigMap, Job) {
    let role = Role::Cleanup;
    let name = pipeline.name.child(role.name());
    let free = |name: &str| ObjectMeta {
        owner_references: None,
        ..meta(pipeline, name.into(), role.name())
    };
    let beside = Beside {
        bars_are_read,
        ..Beside::default()
    };
    let config = ConfigMap {
        metadata: free(&name),
        data: Some([(CONFIG_FILE.to_string(), pipeline.config(role, beside).json)].into()),
        ..ConfigMap::default()
    };
    let shape = Shape {
        config: Some(name.clone()),
        ..Shape::for_role(role)
    };
    let job = Job {
        metadata: free(&name),
        spec: Some(JobSpec {
            backoff_limit: Some(10),
            active_deadline_seconds: Some(CLEANUP_SECONDS),
            template: template(pipeline, images, shape),
            ..JobSpec::default()
        }),
        status: None,
    };
    (config, job)
}

/// One training run.
pub(super) fn train_job(pipeline: &ValidatedPipeline, run: &TrainingRun, images: &Images) -> Job {
    let (role, run_as) = (Role::Train, &pipeline.training_job);
    let label = (labels::RUN.to_string(), run.run_id.clone());
    let shape = Shape {
        args: vec![
            "--run".into(),
            serde_json::to_string(run).unwrap_or_default(),
        ],
        // Each try is a pod of its own: the failure policy reads how it ended.
        restart: Some("Never"),
        label: Some(label.clone()),
        ..Shape::for_role(role)
    };
    let name = pipeline.name.child(&format!("{role}-{}", run.run_id));
    let mut metadata = meta(pipeline, name, role.name());
    metadata.labels.get_or_insert_default().extend([label]);
    Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(run_as.backoff_limit),
            active_deadline_seconds: Some(run_as.active_deadline_seconds),
            pod_failure_policy: Some(failure_policy()),
            pod_replacement_policy: Some("Failed".into()),
            ttl_seconds_after_finished: Some(600),
            suspend: Some(pipeline.suspends(role)),
            template: template(pipeline, images, shape),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Evictions cost no retry; configuration errors and kills for memory are not retried,
/// since the next pod would end the same way.
fn failure_policy() -> PodFailurePolicy {
    let disruption = PodFailurePolicyRule {
        action: "Ignore".into(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".into(),
            status: "True".into(),
        }]),
        ..PodFailurePolicyRule::default()
    };
    let final_codes = PodFailurePolicyRule {
        action: "FailJob".into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(Role::Train.name().into()),
            operator: "In".into(),
            values: [exit_code::USER, exit_code::KILLED].map(i32::from).to_vec(),
        }),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy {
        rules: vec![disruption, final_codes],
    }
}
