//! Resident memory of every long-running Foresail pod.

use anyhow::{Context, Result};
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::{Space, faults};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

/// Prints `VmRSS` per pod, and the sum.
pub async fn print(space: &Space, when: &str) -> Result<()> {
    let mut sum = 0.0;
    for namespace in [OPERATOR_NAMESPACE, &space.name] {
        let api: Api<Pod> = Api::namespaced(space.cluster.client.clone(), namespace);
        for pod in api.list(&ListParams::default()).await? {
            let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
            // Jobs have ended.
            if phase != Some("Running") {
                continue;
            }
            let resident = resident(&pod)?;
            let name = pod.name_any();
            println!("memory {when}, {name}: {resident:.1} MiB resident");
            sum += resident;
        }
    }
    println!("memory {when}, all long-running Foresail pods: {sum:.1} MiB resident");
    Ok(())
}

/// MiB.
fn resident(pod: &Pod) -> Result<f64> {
    let mut kib = 0.0;
    for process in faults::processes(pod)? {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        kib += number
            .context("no VmRSS")?
            .parse::<f64>()
            .context("VmRSS is no number")?;
    }
    Ok(kib / 1024.0)
}
