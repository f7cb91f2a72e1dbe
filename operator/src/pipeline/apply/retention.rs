//! Which children outlive their being wanted: pods that run on must find what they mount. Pure.

use std::time::Duration;

use foresail_crds::Role;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::ResourceExt;
use kube::api::DynamicObject;

use crate::pipeline::labels;
use crate::pipeline::observed::Observed;
use crate::pipeline::pods;

/// Whether a child that is no longer wanted is needed still: workers until a changed configuration is
/// prepared, a configuration until nothing that mounts it is left. Finished Jobs end by their own clock.
pub(super) fn in_use(
    live: &DynamicObject,
    deployments: &[Deployment],
    observed: &Observed,
    prepared: bool,
) -> bool {
    let kind = live.types.as_ref().map_or("", |t| t.kind.as_str());
    match kind {
        "Job" => {
            live.labels().get(labels::COMPONENT).map(String::as_str) != Some(Role::Prepare.name())
        }
        "ConfigMap" | "Deployment" if !prepared => true,
        "ConfigMap" => {
            let name = live.name_any();
            let component = live.labels().get(labels::COMPONENT);
            let own = |child: &&Deployment| child.labels().get(labels::COMPONENT) == component;
            observed.pods.iter().any(|pod| runs_with(pod, &name))
                || observed.jobs.iter().any(|job| runs_on_with(job, &name))
                || deployments.iter().filter(own).any(is_rolling)
        }
        _ => false,
    }
}

/// Time after which a report of a Job that has ended must have been seen.
const REPORTED: Duration = Duration::from_secs(10);

/// A prepare Job that ended well while status does not say so: a pod of the configuration before it, on its way out, has
/// written last. The Job goes, so that it is made and reports again.
pub(super) fn lost_its_report(live: &DynamicObject, prepared: bool, now: Timestamp) -> bool {
    let kind = live.types.as_ref().map(|t| t.kind.as_str());
    if prepared || kind != Some("Job") || !labels::is_role(live, Role::Prepare) {
        return false;
    }
    let conditions = live.data["status"]["conditions"].as_array();
    let complete = conditions
        .into_iter()
        .flatten()
        .find(|c| c["type"] == "Complete" && c["status"] == "True");
    let since = complete.and_then(|c| c["lastTransitionTime"].as_str()?.parse().ok());
    since.is_some_and(|since: Timestamp| now.duration_since(since).unsigned_abs() > REPORTED)
}

fn mounts(pod: Option<&PodSpec>, config_map: &str) -> bool {
    let volumes = pod.and_then(|spec| spec.volumes.as_ref());
    let mut mounted = volumes
        .into_iter()
        .flatten()
        .filter_map(|v| v.config_map.as_ref());
    mounted.any(|source| source.name == config_map)
}

fn runs_with(pod: &Pod, config_map: &str) -> bool {
    !matches!(pods::phase(pod), Some("Succeeded" | "Failed"))
        && mounts(pod.spec.as_ref(), config_map)
}

/// A Job that has not ended may make another pod at any time.
fn runs_on_with(job: &Job, config_map: &str) -> bool {
    let conditions = job.status.as_ref().and_then(|s| s.conditions.as_ref());
    let ended = conditions
        .into_iter()
        .flatten()
        .any(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True");
    let template = job.spec.as_ref().and_then(|s| s.template.spec.as_ref());
    !ended && mounts(template, config_map)
}

/// A Deployment that has not finished its rollout, or not seen it yet.
fn is_rolling(deployment: &Deployment) -> bool {
    deployment.status.as_ref().is_none_or(|status| {
        status.observed_generation != deployment.metadata.generation
            || status.updated_replicas != status.replicas
            || status.unavailable_replicas.unwrap_or(0) > 0
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn child(kind: &str, name: &str, component: &str, more: Value) -> DynamicObject {
        let mut value = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {"name": name, "generation": 2, "labels": {labels::COMPONENT: component}}
        });
        for (key, part) in more.as_object().unwrap() {
            value[key] = part.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    fn old_config() -> DynamicObject {
        child("ConfigMap", "p-config-monitor-0a", "monitor", json!({}))
    }

    fn deployment(component: &str, seen: i64) -> Vec<Deployment> {
        let deployment = json!({
            "metadata": {"generation": 2, "labels": {labels::COMPONENT: component}},
            "status": {"observedGeneration": seen, "replicas": 1, "updatedReplicas": 1}
        });
        vec![serde_json::from_value(deployment).unwrap()]
    }

    fn spec(config_map: &str) -> Value {
        json!({"containers": [], "volumes": [{"name": "config", "configMap": {"name": config_map}}]})
    }

    fn pod(config_map: &str, phase: &str) -> Observed {
        let pod = json!({"metadata": {}, "spec": spec(config_map), "status": {"phase": phase}});
        Observed {
            pods: vec![serde_json::from_value(pod).unwrap()],
            ..Observed::default()
        }
    }

    fn job(config_map: &str, conditions: Value) -> Observed {
        let job = json!({
            "metadata": {}, "spec": {"template": {"spec": spec(config_map)}},
            "status": {"conditions": conditions}
        });
        Observed {
            jobs: vec![serde_json::from_value(job).unwrap()],
            ..Observed::default()
        }
    }

    #[test]
    fn a_configuration_goes_with_the_last_pod_that_mounts_it() {
        let rolled_out = deployment("monitor", 2);
        let kept = |observed: &Observed| in_use(&old_config(), &rolled_out, observed, true);
        assert!(kept(&pod("p-config-monitor-0a", "Running")));
        assert!(kept(&pod("p-config-monitor-0a", "Pending")));
        assert!(!kept(&pod("p-config-monitor-0a", "Succeeded")));
        assert!(!kept(&pod("p-config-monitor-0b", "Running")));
        assert!(!kept(&Observed::default()));
    }

    #[test]
    fn a_configuration_stays_while_its_own_role_rolls_out() {
        let nothing = Observed::default();
        let kept = |all: &[Deployment]| in_use(&old_config(), all, &nothing, true);
        assert!(kept(&deployment("monitor", 1)), "not seen yet");
        assert!(!kept(&deployment("monitor", 2)));
        assert!(!kept(&deployment("stream", 1)), "another role's rollout");
    }

    #[test]
    fn a_run_that_has_not_ended_keeps_its_configuration() {
        let kept = |observed: &Observed| in_use(&old_config(), &[], observed, true);
        assert!(kept(&job("p-config-monitor-0a", json!([]))));
        let ended = json!([{"type": "Failed", "status": "True"}]);
        assert!(!kept(&job("p-config-monitor-0a", ended)));
    }

    #[test]
    fn a_training_job_ends_by_its_own_clock_whatever_its_pipeline_is_called() {
        let observed = Observed::default();
        let kept = |component| {
            let job = child("Job", "a-prepare-b-0a", component, json!({}));
            in_use(&job, &[], &observed, true)
        };
        assert!(kept("train"));
        assert!(!kept("prepare"));
    }

    #[test]
    fn nothing_that_works_is_removed_before_prepare_has_ended() {
        let observed = Observed::default();
        let worker = child("Deployment", "p-lake", "lake", json!({}));
        for live in [old_config(), worker] {
            assert!(in_use(&live, &[], &observed, false));
            assert!(!in_use(&live, &[], &observed, true));
        }
    }
}
