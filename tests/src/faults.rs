//! Breaks things for real: SIGKILL of a container's process, and of the node's Kafka, Redis and S3
//! through the node helper.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use tokio::process::Command;

use crate::settings::NeedsNode;
use crate::{Cluster, Space, until};

/// Asks the node helper to do something with a part of the node: `kill`, `start`, `freeze`, `thaw`.
///
/// # Errors
/// Its own words.
pub async fn component(cluster: &Cluster, action: &str, part: &str) -> Result<()> {
    let settings = &cluster.settings;
    let program = settings.xtask.as_ref().ok_or(NeedsNode)?;
    let output = Command::new(program)
        .args(["component", "--name", &settings.node, action, part])
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{action} {part}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Pods that run for a child `<pipeline>-<role>`, oldest first.
///
/// # Errors
/// When the API server does not answer.
pub async fn pods_of(space: &Space, child: &str) -> Result<Vec<Pod>> {
    let prefix = format!("{child}-");
    let mut pods: Vec<Pod> = space
        .api::<Pod>()
        .list(&ListParams::default())
        .await?
        .items
        .into_iter()
        .filter(|pod| {
            let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            name.starts_with(&prefix)
                && phase == Some("Running")
                && pod.metadata.deletion_timestamp.is_none()
        })
        .collect();
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|t| t.0));
    Ok(pods)
}

/// SIGKILLs the processes of a pod's containers (not its sandbox), as the kernel would; the kubelet
/// starts them again. Returns how many were killed.
///
/// # Errors
/// When the pod has no running process here.
pub fn kill_processes(pod: &Pod) -> Result<usize> {
    let mut killed = 0;
    for process in processes(pod)? {
        let status = std::process::Command::new("kill")
            .args(["-KILL", &process.to_string()])
            .status()?;
        killed += usize::from(status.success());
    }
    ensure!(
        killed > 0,
        "no process of {:?} was killed",
        pod.metadata.name
    );
    Ok(killed)
}

/// Process identifiers of our programs in a pod of this machine.
///
/// # Errors
/// When the pod has no running process here.
pub fn processes(pod: &Pod) -> Result<Vec<u32>> {
    let uid = pod.metadata.uid.as_deref().context("the pod has no uid")?;
    let patterns = [uid.to_owned(), uid.replace('-', "_")];
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse() else {
            continue;
        };
        let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
        let command = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let ours = patterns.iter().any(|p| groups.contains(p.as_str()));
        if ours && command.contains("foresail-") {
            found.push(process);
        }
    }
    ensure!(
        !found.is_empty(),
        "no process of pod {} runs on this machine",
        pod.metadata.name.as_deref().unwrap_or_default()
    );
    Ok(found)
}

/// SIGKILLs what runs for a child, and waits until its containers run again.
///
/// # Errors
/// When nothing runs, or nothing comes back.
pub async fn kill_child(space: &Space, child: &str, limit: Duration) -> Result<()> {
    let pods = pods_of(space, child).await?;
    let pod = pods
        .first()
        .with_context(|| format!("no pod runs for {child}"))?;
    kill_pod(space, pod, limit).await
}

/// SIGKILLs what runs in a pod, and waits until its containers run again.
///
/// # Errors
/// When nothing runs in it, or nothing comes back.
pub async fn kill_pod(space: &Space, pod: &Pod, limit: Duration) -> Result<()> {
    // Elsewhere the processes of pods run on other machines.
    space.cluster.settings.xtask.as_ref().ok_or(NeedsNode)?;
    let name = pod.metadata.name.clone().unwrap_or_default();
    let before = restarts(pod);
    kill_processes(pod)?;
    let api: Api<Pod> = space.api();
    until(&format!("restart of {name}"), limit, async || {
        let pod = api.get(&name).await?;
        ensure!(restarts(&pod) > before, "not restarted yet");
        if is_running(&pod) {
            Ok(())
        } else {
            Err(anyhow!("not running yet"))
        }
    })
    .await
}

/// Waits until no pod runs for a child.
///
/// # Errors
/// When one still does after `limit`.
pub async fn stopped(space: &Space, child: &str, limit: Duration) -> Result<()> {
    until(&format!("the end of {child}"), limit, async || {
        let pods = pods_of(space, child).await?;
        ensure!(pods.is_empty(), "{} pods still run", pods.len());
        Ok(())
    })
    .await
}

/// Restarts of all containers of a pod.
pub fn restarts(pod: &Pod) -> i32 {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|s| s.container_statuses.as_ref());
    statuses
        .into_iter()
        .flatten()
        .map(|c| c.restart_count)
        .sum()
}

/// Whether every container of a pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|s| s.container_statuses.as_ref());
    statuses.is_some_and(|all| all.iter().all(|c| c.ready))
}

fn is_running(pod: &Pod) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|s| s.container_statuses.as_ref());
    statuses.is_some_and(|all| {
        all.iter().all(|c| {
            c.state
                .as_ref()
                .is_some_and(|state| state.running.is_some())
        })
    })
}
