//! `make check-charts`: the charts checked by Helm and by an API server. Starts the node `test`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use foresail_node::Paths;
use foresail_node::node::{self, Name, Node};
use foresail_node::progress::step;
use foresail_node::setup::tools;
use foresail_node::{exec, setup};

/// Sets the node up and checks the charts on it.
///
/// # Errors
/// What Helm or the API server refuses.
pub fn run(paths: &Paths) -> Result<()> {
    setup::all(paths, || Ok(()))?;
    let node = Node::new(paths, Name::Test);
    node::up::up(&node)?;
    step("charts", || charts(&node))
}

/// Lints the charts, and lets the API server itself check what they render.
fn charts(node: &Node) -> Result<()> {
    let folder = node.paths.repo.join("charts");
    for name in ["foresail-crds", "foresail"] {
        let chart = folder.join(name);
        exec::run(helm(node).arg("lint").arg("--strict").arg(&chart))?;
        let rendered = render(node, &chart)?;
        let mut apply = node.kubectl();
        apply.args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "--filename",
            "-",
        ]);
        exec::feed(&mut apply, &rendered)
            .with_context(|| format!("the API server refuses what {} renders", chart.display()))?;
    }
    Ok(())
}

fn render(node: &Node, chart: &Path) -> Result<String> {
    let mut command = helm(node);
    command
        .args(["template", "foresail"])
        .arg(chart)
        .args(["--namespace", "default"]);
    for image in ["operator", "worker", "trainer"] {
        command.args([
            "--set-string",
            &format!("images.{image}=localhost/foresail/{image}:check"),
        ]);
    }
    exec::capture(&mut command)
}

fn helm(node: &Node) -> Command {
    let mut command = exec::bounded(60, tools::HELM.program(&node.paths, "helm"));
    command.arg("--kubeconfig").arg(node.kubeconfig());
    command
}
