//! The Go toolchain.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::exec;
use crate::versions::GO_MINIMUM;

/// Stops with one line when Go is missing or too old.
pub fn require() -> Result<()> {
    let (major, minor) = GO_MINIMUM;
    let Ok(found) = exec::capture(
        Command::new("go")
            .args(["env", "GOVERSION"])
            .env("GOTOOLCHAIN", "local"),
    ) else {
        bail!(
            "Go is missing: install Go >= {major}.{minor} from https://go.dev/dl and put it on PATH"
        );
    };
    if two_numbers(&found).is_none_or(|version| version < GO_MINIMUM) {
        bail!(
            "Go >= {major}.{minor} is needed, found {}: install a newer one from https://go.dev/dl",
            found.trim()
        );
    }
    Ok(())
}

/// Nobody runs a debugger on the node's programs: without its tables, and with a collector that runs less often, the
/// compiler takes a fifth less time.
pub const FLAGS: &str = "-trimpath -gcflags=all=-dwarf=false";

/// A `go` command with the settings every build shares. Cargo goes before it: the two run side by side, and a first
/// build ends with cargo.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new("nice");
    command
        .args(["-n", "10", "go"])
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", FLAGS)
        .env("GOGC", "300")
        .env("GOTOOLCHAIN", "local");
    command
}

/// The first `major.minor` in a version line such as `rustc 1.95.0 (...)` or `go1.26.8`.
pub fn two_numbers(text: &str) -> Option<(u32, u32)> {
    let digits = text.find(|letter: char| letter.is_ascii_digit())?;
    let mut parts = text[digits..].split(|letter: char| !letter.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_version_lines() {
        assert_eq!(
            two_numbers("rustc 1.95.0 (59807616e 2026-04-14)"),
            Some((1, 95))
        );
        assert_eq!(two_numbers("go1.26.8\n"), Some((1, 26)));
        assert_eq!(two_numbers("devel"), None);
    }
}
