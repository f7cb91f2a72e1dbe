//! `cargo xtask bench-loop`: the released (`dist`) images on the node `test`, and the program that
//! measures them.

use std::process::Command;

use anyhow::{Context, Result};

use crate::images::{self, Profile};
use crate::test_run;
use foresail_node::Paths;
use foresail_node::exec;
use foresail_node::node::component::ctr;
use foresail_node::node::{self, Node};
use foresail_node::progress::step;

/// Sets everything up and prints one line per figure.
pub fn run_loop(paths: &Paths) -> Result<()> {
    let node = test_run::ready_node(paths, Profile::Dist)?;
    let program = images::helper(paths, "foresail-bench-loop")?;
    println!("command: make bench-loop");
    print_sizes(&node)?;
    let mut command = Command::new(&program);
    command.envs(node::env::variables(&node));
    step("measuring", || exec::stream(&mut command))
}

/// Sizes of the loaded images, compressed layers included as a registry would hold them.
fn print_sizes(node: &Node) -> Result<()> {
    let references = foresail_node::images::loaded(node).context("no images are loaded")?;
    let table = exec::capture(ctr(node).args(["images", "ls"]))?;
    for reference in [
        &references.operator,
        &references.worker,
        &references.trainer,
    ] {
        let line = table.lines().find(|line| line.starts_with(&**reference));
        let size = line.and_then(size_of).unwrap_or("unknown size");
        println!("image {reference}: {size}");
    }
    Ok(())
}

/// The size column, `12.3 MiB`, wherever it stands.
fn size_of(line: &str) -> Option<&str> {
    let unit = line.find("iB").map(|at| at + 2)?;
    let number = line.get(..unit)?.trim_end_matches(char::is_alphabetic);
    let start = number
        .trim_end()
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + 1);
    line.get(start..unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_column_is_found() {
        let line = "localhost/foresail/worker:1 application/vnd.oci.image.manifest.v1+json sha256:00 26.6 MiB linux/amd64 -";
        assert_eq!(size_of(line), Some("26.6 MiB"));
        assert_eq!(size_of("nothing"), None);
    }
}
