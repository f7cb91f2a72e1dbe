//! Programs and tests of the `ci` profile share one build. That holds as long as no dev-dependency asks a package
//! for a feature that the programs do not ask for: it would be built again, with all that stands on it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use foresail_node::{Paths, exec};

/// Fails with the packages that tests build with other features.
///
/// # Errors
/// When there is one.
pub fn check(paths: &Paths) -> Result<()> {
    let programs = tree(paths, "normal,build")?;
    let tests = tree(paths, "normal,build,dev")?;
    let differing: Vec<&str> = programs.difference(&tests).map(String::as_str).collect();
    if !differing.is_empty() {
        bail!(
            "a dev-dependency gives these other features than the programs have, so they are built twice; name the \
             feature in tests/Cargo.toml as well:\n{}",
            differing.join("\n")
        );
    }
    Ok(())
}

fn tree(paths: &Paths, edges: &str) -> Result<BTreeSet<String>> {
    let mut command = exec::cargo(paths);
    command
        .args(["tree", "--workspace", "--locked", "--prefix", "none"])
        .args(["--format", "{p} {f}", "--edges", edges])
        .args(["--target", "x86_64-unknown-linux-gnu"]);
    let text = exec::capture(&mut command)?;
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    Ok(lines.map(str::to_owned).collect())
}
