//! Clients of market-data providers that others wrote. Our simulator of these providers is true when they believe it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::stamp;
use crate::exec;
use crate::paths::Paths;
use crate::progress::step;
use crate::versions;

/// Fetches the packages, once per version.
pub(super) fn fetch(paths: &Paths) -> Result<()> {
    let packages = versions::STRANGERS.join(" ");
    stamp::folder(&folder(paths), &packages, |part| {
        step(&format!("fetching {packages} from PyPI"), || {
            install(paths, part)
        })
    })
}

/// Where Python finds them.
fn folder(paths: &Paths) -> PathBuf {
    paths.cache.join("strangers")
}

fn install(paths: &Paths, part: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(part)
        .args(versions::STRANGERS);
    let log = paths.setup_log("strangers");
    exec::long(&mut pip, "pip", &log, Duration::from_secs(600))
}
