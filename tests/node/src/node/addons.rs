//! What a node needs inside the cluster: the DNS Service, metrics-server, a bucket.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Node, env, launch, own_images};
use crate::exec;
use crate::images;
use crate::s3;
use crate::template;

/// Loads both images.
pub fn load_images(node: &Node) -> Result<()> {
    images::load(node, &own_images::pause(node))?;
    images::load(node, &own_images::metrics_server(node))
}

/// Applies the manifests and makes the bucket.
pub fn apply(node: &Node) -> Result<()> {
    for name in ["dns.yaml", "metrics-server.yaml"] {
        let text = template::render_file(
            &node.paths.node_file(&format!("manifests/{name}")),
            &launch::values(node),
        )?;
        exec::feed(node.kubectl().args(["apply", "--filename", "-"]), &text)
            .with_context(|| format!("cannot apply {name}"))?;
    }
    env::s3(node).create_bucket(s3::BUCKET)
}

/// Waits until the metrics API answers with a figure for the node.
pub fn await_metrics(node: &Node) -> Result<()> {
    let waited = exec::wait_until(
        &format!("the metrics API of node {}", node.name),
        Duration::from_secs(120),
        || {
            Ok(exec::succeeds(node.kubectl().args([
                "top",
                "node",
                &node.cluster_name(),
            ])))
        },
    );
    waited.with_context(|| {
        let pods = exec::capture(node.kubectl().args([
            "--namespace",
            "kube-system",
            "get",
            "pods,events",
        ]));
        format!(
            "metrics-server does not answer. In kube-system:\n{}",
            pods.unwrap_or_else(|error| error.to_string())
        )
    })
}
