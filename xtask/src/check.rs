//! `make check` and `make generate`: everything short of the cluster tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::images::{self, Profile};
use crate::node::{self, Name, Node};
use crate::paths::Paths;
use crate::progress::step;
use crate::setup::tools;
use crate::{arrows, exec, setup};

/// Kinds, as `crdgen` and the files are called.
const KINDS: [&str; 2] = ["modelversions", "pipelines"];

/// Writes the CRDs from their Rust types.
pub fn generate(paths: &Paths) -> Result<()> {
    images::compile(paths, Profile::Ci)?;
    for kind in KINDS {
        let text = generated(paths, kind)?;
        for place in committed(paths, kind) {
            exec::write(&place, &text)?;
        }
    }
    Ok(())
}

/// Checks everything that needs no running product.
pub fn run(paths: &Paths) -> Result<()> {
    step("formatting", || cargo(paths, &["fmt", "--all", "--check"]))?;
    arrows::check(paths)?;
    setup::all(paths)?;
    let lints = [
        "clippy",
        "--profile",
        "ci",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    step("lints", || cargo(paths, &lints))?;
    step("generated files", || compare(paths))?;
    let node = Node::new(paths, Name::Test);
    node::up(&node)?;
    step("charts", || charts(&node))?;
    step("unit tests", || {
        cargo(
            paths,
            &["test", "--profile", "ci", "--workspace", "--lib", "--bins"],
        )
    })
}

fn cargo(paths: &Paths, arguments: &[&str]) -> Result<()> {
    exec::stream(exec::cargo(paths).args(arguments))
}

fn compare(paths: &Paths) -> Result<()> {
    images::compile(paths, Profile::Ci)?;
    for kind in KINDS {
        let text = generated(paths, kind)?;
        for file in committed(paths, kind) {
            if fs::read_to_string(&file).ok().as_ref() != Some(&text) {
                bail!(
                    "{} is not what the Rust types say: run `make generate` and commit the result",
                    file.display()
                );
            }
        }
    }
    Ok(())
}

/// For readers and `kubectl apply`, and for Helm, whose charts cannot hold links.
fn committed(paths: &Paths, kind: &str) -> [PathBuf; 2] {
    ["crds/yaml", "charts/foresail-crds/templates"]
        .map(|folder| paths.repo.join(folder).join(format!("{kind}.yaml")))
}

fn generated(paths: &Paths, kind: &str) -> Result<String> {
    exec::capture(Command::new(paths.target.join(Profile::Ci.name()).join("crdgen")).arg(kind))
}

/// Lints the charts, and lets the API server itself judge what they render.
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
