//! Cargo's helpers from crates.io, built once per version into the cache. `make demo` needs none of them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use foresail_node::Paths;
use foresail_node::exec;
use foresail_node::progress::step;
use foresail_node::setup::stamp;
use foresail_node::versions;

const LIMIT: Duration = Duration::from_secs(45 * 60);

/// A program that `cargo install` builds.
pub struct CargoTool {
    name: &'static str,
    version: &'static str,
    features: &'static [&'static str],
}

/// Licences, duplicates, and who may name what.
pub const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: versions::CARGO_DENY,
    features: &[],
};

/// Runs tests, each in a process of its own, and writes JUnit.
pub const NEXTEST: CargoTool = CargoTool {
    name: "cargo-nextest",
    version: versions::CARGO_NEXTEST,
    features: &["--no-default-features", "--features=default-no-update"],
};

impl CargoTool {
    /// The program; builds it when it is not there.
    ///
    /// # Errors
    /// When it does not build.
    pub fn program(&self, paths: &Paths) -> Result<PathBuf> {
        let folder = paths.tool(self.name, self.version);
        let recipe = format!(
            "cargo install --locked --debug {}@{} {}",
            self.name,
            self.version,
            self.features.join(" ")
        );
        stamp::folder(&folder, &recipe, |part| {
            step(&format!("building {} {}", self.name, self.version), || {
                let target = part.join("target");
                let mut command = exec::cargo(paths);
                command
                    .args(["install", self.name, "--version", self.version, "--locked"])
                    .args(self.features)
                    // It runs for seconds: what it gains from optimisation is less than that takes.
                    .args(["--debug", "--root"])
                    .arg(part)
                    .env("CARGO_TARGET_DIR", &target)
                    .env("CARGO_PROFILE_DEV_DEBUG", "0");
                exec::long(&mut command, self.name, &paths.setup_log(self.name), LIMIT)?;
                stamp::remove(&target)
            })
        })?;
        Ok(folder.join("bin").join(self.name))
    }
}
