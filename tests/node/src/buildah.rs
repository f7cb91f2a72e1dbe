//! Building images without a container engine: buildah with a store of its own inside the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::exec;
use crate::paths::Paths;

const SECONDS: u32 = 600;

/// One build.
pub struct Build<'a> {
    /// File under `images/`.
    pub dockerfile: &'a str,
    /// Folder its `COPY` and `ADD` lines refer to.
    pub context: &'a Path,
    /// Value of `ARG BASE`.
    pub base: Option<&'a str>,
    /// Full name of the result.
    pub tag: &'a str,
}

/// Whether the store holds an image.
pub fn exists(paths: &Paths, tag: &str) -> bool {
    exec::succeeds(buildah(paths).args(["inspect", "--type", "image", tag]))
}

/// Builds an image into the store.
pub fn build(paths: &Paths, build: &Build<'_>) -> Result<()> {
    let mut command = buildah(paths);
    command.args([
        "build",
        "--quiet",
        "--isolation",
        "chroot",
        "--format",
        "oci",
        "--timestamp",
        "0",
        "--pull=never",
    ]);
    command
        .arg("--file")
        .arg(paths.repo.join("images").join(build.dockerfile));
    if let Some(base) = build.base {
        command.args(["--build-arg", &format!("BASE={base}")]);
    }
    exec::run(command.args(["--tag", build.tag]).arg(build.context))
        .with_context(|| format!("cannot build the image {}", build.tag))
}

/// Writes an image of the store to an OCI archive.
pub fn export(paths: &Paths, tag: &str, archive: &Path) -> Result<()> {
    exec::create_parent(archive)?;
    let target = format!("oci-archive:{}:{tag}", archive.display());
    exec::run(buildah(paths).args(["push", "--quiet", tag, &target]))
        .with_context(|| format!("cannot export the image {tag}"))
}

/// Pushes an image of the store to a registry (credentials: `buildah login`, `REGISTRY_AUTH_FILE` or `~/.docker/config.json`).
pub fn push(paths: &Paths, tag: &str, target: &str) -> Result<()> {
    let mut command = buildah(paths);
    command.args(["push", "--quiet"]);
    // A registry on this machine, kind's for example, has no certificate.
    if ["localhost:", "127.0.0.1:"]
        .iter()
        .any(|host| target.starts_with(host))
    {
        command.arg("--tls-verify=false");
    }
    exec::run(command.args([tag, &format!("docker://{target}")]))
        .with_context(|| format!("cannot push {target}: log in first"))
}

/// Removes an image from the store.
pub fn remove(paths: &Paths, tag: &str) -> Result<()> {
    exec::run(buildah(paths).args(["rmi", "--force", tag]))
}

/// Lays out a build context that holds one program.
pub fn context(paths: &Paths, name: &str) -> Result<PathBuf> {
    let folder = paths.cache.join("contexts").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn buildah(paths: &Paths) -> Command {
    let mut command = exec::bounded(SECONDS, "buildah");
    // `vfs` needs nothing from the kernel and costs little: the base is small.
    command
        .args(["--storage-driver", "vfs", "--root"])
        .arg(paths.cache.join("containers"));
    command.args(["--runroot", "/run/foresail/buildah"]);
    command
}
