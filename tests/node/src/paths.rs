//! Where things lie: the checkout, the cache that outlives it, and the state of the nodes.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that every command needs.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Root of the checkout.
    pub repo: PathBuf,
    /// Built programs, jars, images and data, keyed by version (`FORESAIL_CACHE`).
    pub cache: PathBuf,
    /// Cargo's target folder for images and tests (`CARGO_TARGET_DIR`).
    pub target: PathBuf,
    /// Parent of the nodes' state folders (`FORESAIL_STATE`).
    pub state: PathBuf,
}

impl Paths {
    /// Reads the environment.
    pub fn from_environment() -> Result<Self> {
        // Set by `cargo xtask`; a program started by itself uses the checkout it was built in.
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let package =
            env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| own.to_path_buf(), PathBuf::from);
        let repo = package
            .ancestors()
            .find(|folder| folder.join("Cargo.lock").is_file())
            .map(Path::to_path_buf)
            .with_context(|| format!("{} lies in no checkout", package.display()))?;
        let cache = match env::var_os("FORESAIL_CACHE") {
            Some(folder) => PathBuf::from(folder),
            None => {
                let home =
                    env::var_os("HOME").context("HOME is not set: set it, or FORESAIL_CACHE")?;
                PathBuf::from(home).join(".cache/foresail")
            }
        };
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache.join("target"), PathBuf::from);
        let state = env::var_os("FORESAIL_STATE")
            .map_or_else(|| PathBuf::from("/var/lib/foresail"), PathBuf::from);
        Ok(Self {
            target: repo.join(target),
            repo,
            cache,
            state,
        })
    }

    /// Folder of one cached tool.
    pub fn tool(&self, name: &str, version: &str) -> PathBuf {
        self.cache.join("tools").join(format!("{name}-{version}"))
    }

    /// Folder of `demo-bars.csv` and `demo-bars.expected.json`.
    pub fn demo_bars(&self) -> PathBuf {
        self.cache.join("data/demo-bars")
    }

    /// Log of a set-up step.
    pub fn setup_log(&self, step: &str) -> PathBuf {
        self.cache.join("log").join(format!("{step}.log"))
    }

    /// A file of the checkout under `tests/node`.
    pub fn node_file(&self, relative: &str) -> PathBuf {
        self.repo.join("tests/node").join(relative)
    }
}
