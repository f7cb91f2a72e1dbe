//! The settings other programs need to use a node, as shell exports.

use std::env::current_exe;
use std::path::PathBuf;

use anyhow::Result;

use super::Node;
use crate::exec;
use crate::images;
use crate::s3;
use crate::setup::tools;

/// Where they are written.
pub fn file(node: &Node) -> PathBuf {
    node.state.join("env")
}

/// The node's S3 server.
pub fn s3(node: &Node) -> s3::Server {
    s3::Server::of_node(format!("http://{}:7070", node.ip()))
}

/// Kafka's address.
pub fn kafka(node: &Node) -> String {
    format!("{}:9092", node.ip())
}

/// Redis' address.
pub fn redis(node: &Node) -> String {
    format!("redis://{}:6379", node.ip())
}

/// Names and values.
pub fn variables(node: &Node) -> Vec<(&'static str, String)> {
    let server = s3(node);
    let mut variables = vec![
        ("KUBECONFIG", node.kubeconfig().display().to_string()),
        ("FORESAIL_NODE", node.name.to_owned()),
        ("FORESAIL_NODE_NAME", node.cluster_name()),
        ("FORESAIL_NODE_IP", node.ip()),
        ("FORESAIL_NODE_DIR", node.state.display().to_string()),
        ("FORESAIL_NETNS", node.netns().display().to_string()),
        (
            "FORESAIL_AUDIT_LOG",
            node.state.join("log/audit.log").display().to_string(),
        ),
        ("FORESAIL_KAFKA", kafka(node)),
        ("FORESAIL_REDIS", redis(node)),
        ("FORESAIL_S3_ENDPOINT", server.endpoint),
        ("FORESAIL_S3_BUCKET", s3::BUCKET.to_owned()),
        (
            "FORESAIL_DATA_DIR",
            node.paths.demo_bars().display().to_string(),
        ),
        ("AWS_ACCESS_KEY_ID", server.access_key),
        ("AWS_SECRET_ACCESS_KEY", server.secret_key),
        ("AWS_REGION", s3::REGION.to_owned()),
    ];
    if let Ok(program) = current_exe() {
        variables.push(("FORESAIL_XTASK", program.display().to_string()));
    }
    if let Some(images) = images::loaded(node) {
        variables.push(("FORESAIL_OPERATOR_IMAGE", images.operator));
        variables.push(("FORESAIL_WORKER_IMAGE", images.worker));
        variables.push(("FORESAIL_TRAINER_IMAGE", images.trainer));
    }
    variables
}

/// Folders of `kubectl`, `helm` and `ctr`.
pub fn program_path(node: &Node) -> String {
    let tools = [tools::KUBERNETES, tools::HELM, tools::CONTAINERD];
    tools
        .iter()
        .map(|tool| tool.folder(&node.paths).display().to_string())
        .collect::<Vec<_>>()
        .join(":")
}

/// Writes the file and returns its text.
pub fn write(node: &Node) -> Result<String> {
    let mut text = String::new();
    for (name, value) in variables(node) {
        text.push_str(&format!("export {name}='{value}'\n"));
    }
    text.push_str(&format!("export PATH=\"{}:$PATH\"\n", program_path(node)));
    exec::write(&file(node), &text)?;
    Ok(text)
}
