//! Gets a fresh Debian machine ready: packages, the node's programs, jars and the images' base.
//! Everything lands in the cache, stamped with the recipe it came from; a second run only checks the stamps.

mod apt;
mod base;
mod go;
mod kafka;
pub mod stamp;
mod strangers;
pub mod tools;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::exec;
use crate::paths::Paths;
use crate::progress::step;
use crate::versions;

pub use base::IMAGE as BASE_IMAGE;
pub use kafka::jars;

/// Does all of it. Two runs at once wait for each other. On a machine that has nothing yet, `beside` runs while the
/// tools are built: cargo and Go wait for the network and for single linkers at different times.
pub fn all(paths: &Paths, beside: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    require_root()?;
    require_rust()?;
    go::require()?;
    let _lock = lock(paths)?;
    step("set-up", || {
        apt::install_missing(paths)?;
        if !tools::are_missing(paths) {
            fetch(paths)?;
            return tools::build_all(paths);
        }
        let fetch = || fetch(paths);
        let tools = || tools::build_all(paths);
        side_by_side([Box::new(beside), Box::new(fetch), Box::new(tools)])
    })
}

/// What waits for the network.
fn fetch(paths: &Paths) -> Result<()> {
    kafka::fetch(paths)?;
    strangers::fetch(paths)?;
    base::build(paths)
}

type Work<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// Does all of it at the same time.
///
/// # Errors
/// The first in the order given, once all have ended.
fn side_by_side<const N: usize>(work: [Work<'_>; N]) -> Result<()> {
    thread::scope(|scope| {
        let running = work.map(|each| scope.spawn(each));
        let ended = running.map(|each| each.join());
        let results = ended.map(|result| match result {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.into_iter().collect()
    })
}

/// What every build of the workspace needs: Rust, and the C compilers and headers of librdkafka.
///
/// # Errors
/// What is missing, with the command that installs it.
pub fn require_compilers() -> Result<()> {
    require_rust()?;
    let missing = apt::missing_for_builds();
    if !missing.is_empty() {
        let names = missing.join(" ");
        bail!("missing: {names}. On Debian or Ubuntu: sudo apt-get install {names}");
    }
    Ok(())
}

/// What it takes to build images and to drive a cluster that is not ours: no node, and no root unless packages
/// are missing.
///
/// # Errors
/// What is missing or does not build.
pub fn for_clusters(paths: &Paths) -> Result<()> {
    require_rust()?;
    let _lock = lock(paths)?;
    step("set-up", || {
        apt::install_for_images(paths)?;
        tools::build_for_clusters(paths)?;
        base::build(paths)
    })
}

fn lock(paths: &Paths) -> Result<File> {
    fs::create_dir_all(&paths.cache).with_context(|| {
        format!(
            "cannot create the cache {}: set FORESAIL_CACHE to a writable folder",
            paths.cache.display()
        )
    })?;
    let lock = File::create(paths.cache.join("setup.lock"))?;
    lock.lock().context("cannot lock the cache")?;
    Ok(lock)
}

/// The node makes network namespaces, mounts and cgroups.
pub fn require_root() -> Result<()> {
    let uid = fs::metadata("/proc/self")
        .context("cannot read /proc/self")?
        .uid();
    if uid != 0 {
        bail!("this needs root (it makes network namespaces, mounts and cgroups): run it as root");
    }
    Ok(())
}

fn require_rust() -> Result<()> {
    let printed = exec::capture(Command::new("rustc").arg("--version"))?;
    let (major, minor) = versions::RUST_MINIMUM;
    match go::two_numbers(&printed) {
        Some(found) if found >= versions::RUST_MINIMUM => Ok(()),
        _ => bail!(
            "Rust >= {major}.{minor} is needed, found `{}`: install it from https://rustup.rs",
            printed.trim()
        ),
    }
}
