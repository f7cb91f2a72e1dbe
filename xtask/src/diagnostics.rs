//! What to look at after a failure, gathered while it is still there: `state/<node>/diagnostics`.

use std::path::Path;

use crate::install::NAMESPACE;
use foresail_node::Node;
use foresail_node::exec;
use foresail_node::progress::say;

const QUERIES: &[(&str, &[&str])] = &[
    (
        "objects.txt",
        &[
            "get",
            "all,configmaps,pipelines,modelversions,provideraccounts,hpa,pdb,leases",
            "--all-namespaces",
            "--output=wide",
        ],
    ),
    (
        "events.txt",
        &[
            "get",
            "events",
            "--all-namespaces",
            "--sort-by=.lastTimestamp",
        ],
    ),
    (
        "pipelines.yaml",
        &[
            "get",
            "pipelines,modelversions,provideraccounts",
            "--all-namespaces",
            "--output=yaml",
        ],
    ),
    ("pods.txt", &["describe", "pods", "--all-namespaces"]),
    (
        "top.txt",
        &["top", "pods", "--all-namespaces", "--containers"],
    ),
];

/// Gathers what can be had; a query that fails is noted in its own file.
pub fn collect(node: &Node) {
    let folder = node.state.join("diagnostics");
    for (file, arguments) in QUERIES {
        keep(
            &folder.join(file),
            exec::capture(node.kubectl().args(*arguments)),
        );
    }
    let pods =
        exec::capture(
            node.kubectl()
                .args(["get", "pods", "--all-namespaces", "--no-headers"]),
        )
        .unwrap_or_default();
    for line in pods.lines() {
        let mut words = line.split_whitespace();
        let (Some(namespace), Some(pod)) = (words.next(), words.next()) else {
            continue;
        };
        let lines = if namespace == NAMESPACE {
            "--tail=2000"
        } else {
            "--tail=200"
        };
        let log = exec::capture(node.kubectl().args([
            "--namespace",
            namespace,
            "logs",
            pod,
            "--all-containers",
            "--prefix",
            lines,
        ]));
        keep(
            &folder.join("logs").join(format!("{namespace}.{pod}.log")),
            log,
        );
    }
    say(format!(
        "diagnostics: {} (parts of the node: {})",
        folder.display(),
        node.state.join("log").display()
    ));
}

fn keep(file: &Path, text: anyhow::Result<String>) {
    let text = text.unwrap_or_else(|error| format!("{error:#}\n"));
    if let Err(error) = exec::write(file, text) {
        say(format!("{error:#}"));
    }
}
