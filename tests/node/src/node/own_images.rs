//! The images a node runs for itself.

use super::Node;
use crate::images::Image;
use crate::setup::tools;
use crate::versions;

/// Holds each pod's namespaces.
pub fn pause(node: &Node) -> Image {
    Image {
        reference: format!("localhost/foresail/pause:{}", versions::KUBERNETES),
        dockerfile: "pause.Dockerfile".into(),
        program: tools::pause_folder(&node.paths).join("pause"),
        on_base: false,
    }
}

/// What autoscalers and `kubectl top` read.
pub fn metrics_server(node: &Node) -> Image {
    Image {
        reference: format!(
            "localhost/foresail/metrics-server:{}",
            versions::METRICS_SERVER
        ),
        dockerfile: "metrics-server.Dockerfile".into(),
        program: tools::METRICS_SERVER.program(&node.paths, "metrics-server"),
        on_base: false,
    }
}
