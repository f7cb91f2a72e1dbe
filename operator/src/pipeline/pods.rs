//! Root causes copied up from pods: what a person would find with `kubectl describe`. Pure.

use foresail_crds::pipeline::status::{ErrorClass, WorkerError};
use foresail_crds::{Role, RoleError};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;

use super::labels;
use super::observed::Observed;

fn error(class: ErrorClass, reason: &str, message: String) -> WorkerError {
    RoleError {
        class,
        reason: reason.into(),
        message,
    }
    .to_worker_error()
}

/// Why the pods of a role do not run, if they do not; the newest pod counts.
pub(crate) fn trouble(observed: &Observed, role: Role) -> Option<WorkerError> {
    let pods = || observed.pods.iter().filter(|p| labels::is_role(*p, role));
    let Some(pod) = newest(pods()) else {
        return no_pod(observed, role);
    };
    if let Some(error) = pod_trouble(pod, role, &observed.events) {
        return Some(error);
    }
    // The pod that takes the place of one that was evicted tells nothing until it is ready.
    if is_ready(pod) {
        return None;
    }
    pods().find_map(|p| evicted(p, role))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Why the kubelet has ended a pod: its own disk, or that of its node.
fn evicted(pod: &Pod, role: Role) -> Option<WorkerError> {
    let status = pod.status.as_ref()?;
    if status.reason.as_deref() != Some("Evicted") {
        return None;
    }
    let why = status.message.as_deref().unwrap_or_default().trim();
    let limit = role.facts().scratch;
    let is_own_disk = why.contains("EmptyDir volume");
    let (class, advice) = match role {
        _ if !is_own_disk => (
            ErrorClass::Outside,
            "another one takes its place; lower what the pods of the node use, or give it more"
                .to_owned(),
        ),
        Role::Ingest => (
            ErrorClass::User,
            format!(
                "the file of source.csv must fit {limit} unpacked: split it, or leave out what is not read"
            ),
        ),
        Role::Train => (
            ErrorClass::User,
            format!(
                "what a run holds on disk must fit {limit}: lower spec.training.maxSessions, or the number of instruments"
            ),
        ),
        _ => (
            ErrorClass::Internal,
            format!("{role} has no reason to hold more than {limit} on disk"),
        ),
    };
    let message = format!("pod {} was evicted: {why} {advice}", pod.name_any());
    Some(error(class, "Evicted", message))
}

/// A Job that has begun and has no pod yet.
pub(crate) fn has_none_yet(job: &Job) -> bool {
    let suspended = job.spec.as_ref().and_then(|s| s.suspend) == Some(true);
    let status = job.status.clone().unwrap_or_default();
    let pods = [status.active, status.succeeded, status.failed];
    !suspended && pods.iter().flatten().sum::<i32>() == 0
}

/// What keeps a Deployment or a Job from making its pod: a quota, a policy.
fn no_pod(observed: &Observed, role: Role) -> Option<WorkerError> {
    let refused = |message: String| {
        let message = format!("no pod of {role} can be made: {message}; it is tried again");
        error(ErrorClass::Outside, "PodRefused", message)
    };
    let deployments = observed
        .children
        .iter()
        .filter(|child| labels::is_role(*child, role));
    let conditions = deployments.filter_map(|child| child.data["status"]["conditions"].as_array());
    let failure = conditions
        .flatten()
        .find(|c| c["type"] == "ReplicaFailure" && c["status"] == "True");
    if let Some(message) = failure.and_then(|c| c["message"].as_str()) {
        return Some(refused(message.to_owned()));
    }
    let jobs = observed.jobs.iter();
    let waiting = jobs.filter(|job| labels::is_role(*job, role) && has_none_yet(job));
    let names: Vec<String> = waiting.map(ResourceExt::name_any).collect();
    let about = |event: &&Event| {
        let object = &event.involved_object;
        object.kind.as_deref() == Some("Job")
            && object
                .name
                .as_ref()
                .is_some_and(|name| names.contains(name))
    };
    let message = observed.events.iter().rfind(about)?.message.clone()?;
    Some(refused(message))
}

/// Why the pod of a training run failed.
pub(crate) fn training_failure(pods: &[Pod], run_id: &str) -> Option<WorkerError> {
    let pod = newest(of_run(pods, run_id))?;
    let ended = || containers(pod).find_map(|c| terminated(pod, Role::Train, c));
    evicted(pod, Role::Train).or_else(ended)
}

/// Phase that the kubelet reports.
pub(crate) fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

fn of_run<'a>(pods: &'a [Pod], run_id: &str) -> impl Iterator<Item = &'a Pod> {
    pods.iter()
        .filter(move |p| p.labels().get(labels::RUN).is_some_and(|r| r == run_id))
}

fn newest<'a>(pods: impl Iterator<Item = &'a Pod>) -> Option<&'a Pod> {
    pods.max_by_key(|p| p.metadata.creation_timestamp.as_ref().map(|t| t.0))
}

/// Whether the pod of a training run runs.
pub(crate) fn runs(pods: &[Pod], run_id: &str) -> bool {
    of_run(pods, run_id).any(|pod| phase(pod) == Some("Running"))
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status
        .as_ref()
        .and_then(|s| s.container_statuses.as_ref())
        .into_iter()
        .flatten()
}

fn pod_trouble(pod: &Pod, role: Role, events: &[Event]) -> Option<WorkerError> {
    let status = pod.status.as_ref()?;
    if let Some(error) = evicted(pod, role) {
        return Some(error);
    }
    let unschedulable = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = unschedulable {
        let why = condition.message.clone().unwrap_or_default();
        let message = format!(
            "pod {} has no node: {why}; free resources, or lower the requests in {}",
            pod.name_any(),
            role.resources_field()
        );
        return Some(error(ErrorClass::Outside, "Unschedulable", message));
    }
    if let Some(error) = containers(pod).find_map(|c| waiting(pod, role, c)) {
        return Some(error);
    }
    if status.phase.as_deref() == Some("Pending") {
        return mount_failure(pod, events);
    }
    None
}

fn waiting(pod: &Pod, role: Role, container: &ContainerStatus) -> Option<WorkerError> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let (reason, detail) = (
        waiting.reason.as_deref()?,
        waiting.message.clone().unwrap_or_default(),
    );
    let pod_name = pod.name_any();
    match reason {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
            let message = format!(
                "pod {pod_name} cannot get image {}: {detail}; it is tried again",
                container.image
            );
            Some(error(ErrorClass::Outside, "ImageMissing", message))
        }
        "CreateContainerConfigError" => {
            let message = format!("pod {pod_name} cannot start: {detail}; make what it names");
            Some(error(ErrorClass::User, "ConfigMissing", message))
        }
        "CrashLoopBackOff" => terminated(pod, role, container),
        _ => None,
    }
}

/// How the container ended last.
fn terminated(pod: &Pod, role: Role, container: &ContainerStatus) -> Option<WorkerError> {
    let state = |s: &Option<k8s_openapi::api::core::v1::ContainerState>| {
        s.as_ref().and_then(|s| s.terminated.clone())
    };
    let end = state(&container.state).or_else(|| state(&container.last_state))?;
    let pod_name = pod.name_any();
    if end.reason.as_deref() == Some("OOMKilled") {
        let message = format!(
            "container of pod {pod_name} needed more memory than its limit; raise limits.memory in {}",
            role.resources_field()
        );
        return Some(error(ErrorClass::User, "OOMKilled", message));
    }
    if end.exit_code == 0 {
        return None;
    }
    let last = end.message.unwrap_or_default();
    if let Ok(own) = serde_json::from_str::<WorkerError>(last.trim()) {
        return Some(own);
    }
    let class = ErrorClass::from_exit_code(end.exit_code);
    let line = last.lines().last().unwrap_or("no last line");
    let message = format!(
        "container of pod {pod_name} ended with exit code {}: {line}; it is started again",
        end.exit_code
    );
    Some(error(class, "CrashLoop", message))
}

fn mount_failure(pod: &Pod, events: &[Event]) -> Option<WorkerError> {
    let name = pod.name_any();
    let about = events
        .iter()
        .filter(|e| e.involved_object.name.as_deref() == Some(name.as_str()));
    // A kubelet that is behind says so of any volume, and goes on by itself: that is no cause.
    let is_cause = |text: &String| !text.contains(" cache: timed out waiting for the condition");
    let text = about.filter_map(|e| e.message.clone()).rfind(is_cause)?;
    let reason = if text.contains("secret") {
        "SecretMissing"
    } else {
        "MountFailed"
    };
    let message = format!("pod {name} waits: {text}; it starts once that exists");
    Some(error(ErrorClass::User, reason, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p-ingest-x", "labels": {labels::COMPONENT: "ingest", labels::RUN: "r1"}},
            "status": status
        }))
        .unwrap()
    }

    fn container(state: serde_json::Value) -> serde_json::Value {
        json!({"containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 1, "state": state}]})
    }

    #[test]
    fn causes_are_named() {
        let cases = [
            (
                container(json!({"waiting": {"reason": "ImagePullBackOff"}})),
                Some("ImageMissing"),
            ),
            (
                container(
                    json!({"waiting": {"reason": "CreateContainerConfigError", "message": "secret"}}),
                ),
                Some("ConfigMissing"),
            ),
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "cpu"}]}),
                Some("Unschedulable"),
            ),
            (container(json!({"running": {}})), None),
            (
                container(json!({"waiting": {"reason": "ContainerCreating"}})),
                None,
            ),
        ];
        for (status, expected) in cases {
            let observed = Observed {
                pods: vec![pod(status)],
                ..Observed::default()
            };
            let reason = trouble(&observed, Role::Ingest).map(|e| e.reason);
            assert_eq!(reason.as_deref(), expected);
        }
    }

    #[test]
    fn a_kill_for_memory_names_the_field_that_raises_the_limit() {
        for role in Role::ALL {
            let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
            let mut status = container(json!({"waiting": {"reason": "CrashLoopBackOff"}}));
            status["containerStatuses"][0]["lastState"] = killed;
            let mut killed = pod(status);
            let component = [(labels::COMPONENT.to_owned(), role.to_string())];
            killed.metadata.labels.as_mut().unwrap().extend(component);
            let observed = Observed {
                pods: vec![killed],
                ..Observed::default()
            };
            let error = trouble(&observed, *role).unwrap();
            let advice = format!("raise limits.memory in {}", role.resources_field());
            assert!(error.message.ends_with(&advice), "{}", error.message);
        }
    }

    #[test]
    fn an_eviction_is_named_with_its_advice_until_the_next_pod_is_ready() {
        let full = "Usage of EmptyDir volume \"tmp\" exceeds the limit \"16Gi\". ";
        let low = "The node was low on resource: ephemeral-storage. ";
        let cases = [
            (Role::Ingest, full, ErrorClass::User, "split it"),
            (Role::Lake, full, ErrorClass::Internal, "no reason to hold"),
            (
                Role::Ingest,
                low,
                ErrorClass::Outside,
                "another one takes its place",
            ),
        ];
        for (role, why, class, advice) in cases {
            let of_role = |status, second: u8| -> Pod {
                let labels = json!({labels::COMPONENT: role, labels::RUN: "r1"});
                let metadata = json!({
                    "name": "p", "labels": labels,
                    "creationTimestamp": format!("2026-01-01T00:00:0{second}Z")
                });
                serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
            };
            let gone = of_role(
                json!({"phase": "Failed", "reason": "Evicted", "message": why}),
                1,
            );
            let mut observed = Observed {
                pods: vec![gone],
                ..Observed::default()
            };
            let error = trouble(&observed, role).unwrap();
            assert_eq!((error.reason.as_str(), error.class), ("Evicted", class));
            let message = &error.message;
            assert!(
                message.contains(why.trim()) && message.contains(advice),
                "{message}"
            );
            let next = |ready| {
                let ready = json!([{"type": "Ready", "status": ready}]);
                of_role(json!({"phase": "Running", "conditions": ready}), 2)
            };
            observed.pods.push(next("False"));
            assert_eq!(trouble(&observed, role), Some(error));
            observed.pods.push(next("True"));
            assert_eq!(trouble(&observed, role), None);
        }
    }

    #[test]
    fn an_evicted_training_pod_is_no_crash() {
        let mut evicted = container(json!({"terminated": {"exitCode": 137, "reason": "Error"}}));
        evicted["reason"] = json!("Evicted");
        evicted["message"] = json!("Usage of EmptyDir volume \"tmp\" exceeds the limit \"32Gi\". ");
        let error = training_failure(&[pod(evicted)], "r1").unwrap();
        assert_eq!(error.reason, "Evicted");
        assert!(
            error.message.contains("spec.training.maxSessions"),
            "{}",
            error.message
        );
    }

    #[test]
    fn the_end_of_a_training_pod_is_read_from_it() {
        let killed = pod(container(
            json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
        ));
        let error = training_failure(&[killed], "r1").unwrap();
        assert_eq!(
            (error.reason.as_str(), error.class),
            ("OOMKilled", ErrorClass::User)
        );
        let own = json!({"class": "User", "reason": "NotEnoughRows", "message": "m"}).to_string();
        let ended = pod(container(
            json!({"terminated": {"exitCode": 64, "message": own}}),
        ));
        assert_eq!(
            training_failure(&[ended], "r1").unwrap().reason,
            "NotEnoughRows"
        );
        let crashed = pod(container(
            json!({"terminated": {"exitCode": 101, "message": "a\nthe end"}}),
        ));
        assert!(
            training_failure(&[crashed], "r1")
                .unwrap()
                .message
                .contains("the end")
        );
    }

    #[test]
    fn a_missing_secret_is_found_in_events() {
        let waiting = pod(json!({"phase": "Pending"}));
        let event = |message: &str| -> Event {
            let about = json!({"name": "p-ingest-x"});
            let event = json!({"metadata": {}, "involvedObject": about, "message": message});
            serde_json::from_value(event).unwrap()
        };
        let missing = "MountVolume.SetUp failed for volume \"source\" : secret \"s3\" not found";
        let behind = "MountVolume.SetUp failed for volume \"kube-api-access-1\" : failed to sync configmap \
                      cache: timed out waiting for the condition";
        let mut observed = Observed {
            pods: vec![waiting],
            events: vec![event(behind)],
            ..Observed::default()
        };
        assert_eq!(
            trouble(&observed, Role::Ingest),
            None,
            "a kubelet that is behind"
        );
        observed.events = vec![event(missing), event(behind)];
        let reason = trouble(&observed, Role::Ingest).unwrap().reason;
        assert_eq!(reason, "SecretMissing");
    }

    #[test]
    fn a_quota_that_lets_no_pod_be_made_is_named() {
        let quota = "pods \"p-x\" is forbidden: exceeded quota: small";
        let metadata =
            |name: &str, role: &str| json!({"name": name, "labels": {labels::COMPONENT: role}});
        let deployment = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("p-lake", "lake"),
            "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": quota}]}
        }));
        let job = json!({"metadata": metadata("p-train-1", "train"), "status": {}});
        let event = json!({
            "metadata": {}, "involvedObject": {"kind": "Job", "name": "p-train-1"}, "message": quota
        });
        let mut observed = Observed {
            children: vec![deployment.unwrap()],
            jobs: vec![serde_json::from_value(job).unwrap()],
            events: vec![serde_json::from_value(event).unwrap()],
            ..Observed::default()
        };
        for role in [Role::Lake, Role::Train] {
            let error = trouble(&observed, role).unwrap();
            assert_eq!(error.reason, "PodRefused");
            assert!(
                error.message.contains("exceeded quota: small"),
                "{}",
                error.message
            );
        }
        assert_eq!(trouble(&observed, Role::Stream), None);
        // Its pod is there: the event is old.
        observed.jobs[0].status.as_mut().unwrap().active = Some(1);
        assert_eq!(trouble(&observed, Role::Train), None);
    }
}
