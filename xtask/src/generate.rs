//! `make generate`: the files that are written from Rust types, the calendars, and whether the committed ones are these.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{calendars, images};
use foresail_node::Paths;
use foresail_node::exec;

/// Kinds, as `crdgen` and the files are called.
const KINDS: [&str; 3] = ["modelversions", "pipelines", "provideraccounts"];

/// Writes the CRDs from their Rust types, and then the calendars, which need PyPI once.
///
/// # Errors
/// When a program cannot be built or run, or a file cannot be written.
pub fn generate(paths: &Paths) -> Result<()> {
    let crdgen = images::helper(paths, "crdgen")?;
    for kind in KINDS {
        let text = exec::capture(Command::new(&crdgen).arg(kind))?;
        for place in committed(paths, kind) {
            exec::write(&place, &text)?;
        }
    }
    calendars::generate(paths)
}

/// Whether the committed files are those.
///
/// # Errors
/// The first that is not.
pub fn compare(paths: &Paths) -> Result<()> {
    let crdgen = images::helper(paths, "crdgen")?;
    for kind in KINDS {
        let text = exec::capture(Command::new(&crdgen).arg(kind))?;
        for file in committed(paths, kind) {
            if fs::read_to_string(&file).ok().as_ref() != Some(&text) {
                bail!(
                    "{} is not what the Rust types say: run `make generate` and commit the result",
                    file.display()
                );
            }
        }
    }
    calendars::compare(paths)
}

/// For readers and `kubectl apply`, and for Helm, whose charts cannot hold links.
fn committed(paths: &Paths, kind: &str) -> [PathBuf; 2] {
    ["crds/yaml", "charts/foresail-crds/templates"]
        .map(|folder| paths.repo.join(folder).join(format!("{kind}.yaml")))
}
