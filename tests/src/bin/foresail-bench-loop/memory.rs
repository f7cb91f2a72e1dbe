//! Memory of every Foresail pod as the kubelet counts it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use foresail_tests::Space;
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use serde_json::Value;

/// Prints resident (anonymous) memory and working set per pod, and the sum of the long-running ones.
pub async fn print(space: &Space, when: &str) -> Result<()> {
    let mut sum = 0.0;
    for (pod, (resident, working)) in pods(space).await? {
        println!("memory {when}, {pod}: resident {resident:.1} MiB, working set {working:.1} MiB");
        sum += resident;
    }
    println!("memory {when}, all long-running Foresail pods: resident {sum:.1} MiB");
    Ok(())
}

/// Long-running pods: name to MiB resident and MiB of working set.
async fn pods(space: &Space) -> Result<BTreeMap<String, (f64, f64)>> {
    let client = &space.cluster.client;
    let get = |path: String| http::Request::get(path).body(Vec::new());
    let nodes: Value = client.request(get("/api/v1/nodes".into())?).await?;
    let mut found = BTreeMap::new();
    for node in nodes["items"].as_array().into_iter().flatten() {
        let name = node["metadata"]["name"]
            .as_str()
            .context("a node has no name")?;
        let path = format!("/api/v1/nodes/{name}/proxy/stats/summary");
        let summary: Value = client.request(get(path)?).await?;
        for pod in summary["pods"].as_array().into_iter().flatten() {
            let namespace = pod["podRef"]["namespace"].as_str().unwrap_or_default();
            let name = pod["podRef"]["name"].as_str().unwrap_or_default();
            let ours = namespace == space.name || namespace == OPERATOR_NAMESPACE;
            // Jobs have ended, or will.
            if !ours || name.contains("-train-") || name.contains("-prepare-") {
                continue;
            }
            let total = |field: &str| {
                let containers = pod["containers"].as_array().into_iter().flatten();
                let bytes = containers.filter_map(|c| c["memory"][field].as_f64());
                bytes.sum::<f64>() / f64::from(1 << 20)
            };
            found.insert(
                name.to_owned(),
                (total("rssBytes"), total("workingSetBytes")),
            );
        }
    }
    Ok(found)
}
