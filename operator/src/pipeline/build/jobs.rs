//! Jobs: prepare (until every probe passes), one per training run, and cleanup at deletion.

use foresail_crds::exit_code;
use foresail_crds::names::hash8;
use foresail_crds::worker_config::{CONFIG_FILE, TrainingRun};
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod::{Shape, resources, template};
use super::{labels, meta};
use crate::context::Images;
use crate::pipeline::validate::ValidatedPipeline;

/// Longest a cleanup may hold up the deletion of a Pipeline.
const CLEANUP_SECONDS: i64 = 240;
/// Role, and end of the name, of the cleanup.
pub const CLEANUP: &str = "cleanup";

/// Makes topics and probes Kafka, S3, Redis and the source; tries until all is well.
pub(super) fn prepare_job(pipeline: &ValidatedPipeline, images: &Images) -> Job {
    let shape = job_shape(
        "prepare",
        &images.worker,
        vec!["prepare".into()],
        "OnFailure",
    );
    let name = pipeline.name.child(&format!(
        "prepare-{}",
        hash8(pipeline.config_name.as_bytes())
    ));
    Job {
        metadata: meta(pipeline, name, "prepare"),
        spec: Some(JobSpec {
            backoff_limit: Some(100),
            ttl_seconds_after_finished: Some(300),
            template: template(pipeline, images, shape),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Removes what `deletionPolicy` does not retain: its configuration and the Job. Neither is owned by
/// the Pipeline, whose dependents may be gone before the Job has run; who makes them removes them.
pub fn cleanup(pipeline: &ValidatedPipeline, images: &Images) -> (ConfigMap, Job) {
    let name = pipeline.name.child(CLEANUP);
    let free = |name: &str| ObjectMeta {
        owner_references: None,
        ..meta(pipeline, name.into(), CLEANUP)
    };
    let config = ConfigMap {
        metadata: free(&name),
        data: Some([(CONFIG_FILE.to_string(), pipeline.config.to_json())].into()),
        ..ConfigMap::default()
    };
    let mut shape = job_shape(CLEANUP, &images.worker, vec!["cleanup".into()], "OnFailure");
    shape.config = Some(name.clone());
    let mut template = template(pipeline, images, shape);
    if let Some(pod) = &mut template.spec {
        // It talks to Kafka, S3 and Redis only.
        pod.service_account_name = None;
        pod.automount_service_account_token = Some(false);
    }
    let job = Job {
        metadata: free(&name),
        spec: Some(JobSpec {
            backoff_limit: Some(10),
            active_deadline_seconds: Some(CLEANUP_SECONDS),
            template,
            ..JobSpec::default()
        }),
        status: None,
    };
    (config, job)
}

/// One training run.
pub(super) fn train_job(pipeline: &ValidatedPipeline, run: &TrainingRun, images: &Images) -> Job {
    let training = &pipeline.spec.training;
    let json = serde_json::to_string(run).unwrap_or_default();
    let args = vec!["train".into(), "--run".into(), json];
    let mut shape = job_shape("train", &images.trainer, args, "Never");
    shape.resources = training
        .resources
        .clone()
        .unwrap_or_else(|| resources("250m", "256Mi", "1Gi"));
    shape.labels = vec![(labels::RUN, run.run_id.clone())];
    let mut metadata = meta(
        pipeline,
        pipeline.name.child(&format!("train-{}", run.run_id)),
        "train",
    );
    metadata
        .labels
        .get_or_insert_default()
        .insert(labels::RUN.into(), run.run_id.clone());
    Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(training.backoff_limit),
            active_deadline_seconds: Some(training.active_deadline_seconds),
            pod_failure_policy: Some(failure_policy()),
            pod_replacement_policy: Some("Failed".into()),
            ttl_seconds_after_finished: Some(600),
            suspend: Some(pipeline.spec.suspend),
            template: template(pipeline, images, shape),
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn job_shape<'a>(
    role: &'static str,
    image: &'a str,
    args: Vec<String>,
    restart: &'static str,
) -> Shape<'a> {
    Shape {
        role,
        image,
        args,
        resources: resources("20m", "32Mi", "256Mi"),
        config: None,
        serving: false,
        admin: false,
        ports: vec![],
        restart,
        grace_seconds: 30,
        labels: vec![],
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
            container_name: Some("train".into()),
            operator: "In".into(),
            values: [exit_code::USER, exit_code::KILLED].map(i32::from).to_vec(),
        }),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy {
        rules: vec![disruption, final_codes],
    }
}
