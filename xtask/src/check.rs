//! `make check`: what can be said of a checkout without root, a node or Kubernetes.

use anyhow::Result;

use crate::{arrows, deny, features, generate};
use foresail_node::Paths;
use foresail_node::progress::step;
use foresail_node::{exec, setup};

/// Formatting, arrows, dependencies, lints, generated files, unit tests.
///
/// # Errors
/// The first that fails.
pub fn run(paths: &Paths) -> Result<()> {
    setup::require_compilers()?;
    step("formatting", || cargo(paths, &["fmt", "--all", "--check"]))?;
    step("arrows", || arrows::check(paths))?;
    step("dependencies", || deny::check(paths))?;
    step("features", || features::check(paths))?;
    let lints = [
        "clippy",
        "--profile",
        "ci",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ];
    step("lints", || cargo(paths, &lints))?;
    step("generated files", || generate::compare(paths))?;
    let tests = ["test", "--profile", "ci", "--workspace", "--lib", "--bins"];
    // Programs of tests that need no server: what is generated, and what documents say.
    let programs = ["generated", "catalogue", "documentation"].map(|name| ["--test", name]);
    let tests = [tests.as_slice(), programs.as_flattened()].concat();
    step("unit tests", || cargo(paths, &tests))
}

fn cargo(paths: &Paths, arguments: &[&str]) -> Result<()> {
    exec::stream(exec::cargo(paths).args(arguments))
}
