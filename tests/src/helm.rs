//! Helm, as an administrator calls it.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs Helm in a namespace; `input` is what it reads as `-`. Returns what it prints.
///
/// # Errors
/// Its own words.
pub fn run(namespace: &str, arguments: &[&str], input: Option<&str>) -> Result<String> {
    let mut child = Command::new("helm")
        .args(arguments)
        .args(["--namespace", namespace])
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run helm")?;
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(text.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "helm {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The values of an installed release, as JSON.
///
/// # Errors
/// Helm's own words.
pub fn values(namespace: &str, release: &str) -> Result<String> {
    let get = ["get", "values", release, "--all", "--output", "json"];
    run(namespace, &get, None)
}
