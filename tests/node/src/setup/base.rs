//! The base of our images: a few Debian packages unpacked, no shell, no package manager, about 25 MB.
//! It uses the machine's own apt sources, so it needs no image registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::stamp;
use crate::buildah;
use crate::exec;
use crate::paths::Paths;
use crate::progress::step;
use crate::versions;

/// Name of the base image in buildah's store.
pub const IMAGE: &str = "localhost/foresail/base:3";

const PACKAGES: &str = "base-files,netbase,tzdata,ca-certificates,libc6,libgcc-s1,libssl3,zlib1g";

/// Everything the programs do not need, and what came from this machine (apt sources, host name, resolver).
const LEFT_OUT: &[&str] = &[
    "./dev/*",
    "./boot",
    "./media",
    "./mnt",
    "./srv",
    "./opt",
    "./root/.*",
    "./etc/apt",
    "./etc/hostname",
    "./etc/resolv.conf",
    "./etc/fstab",
    "./var/cache/*",
    "./var/lib/apt",
    "./var/lib/dpkg/info",
    "./var/log/*",
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/locale",
    "./usr/share/lintian",
    "./usr/share/bug",
    "./usr/share/ca-certificates",
    "./usr/share/perl5",
    "./usr/share/debconf",
    "./usr/lib/x86_64-linux-gnu/gconv",
    "./usr/lib/x86_64-linux-gnu/perl-base",
    "./usr/bin",
    "./usr/sbin",
];

/// Makes the image unless it exists.
pub fn build(paths: &Paths) -> Result<()> {
    let recipe = format!(
        "mmdebstrap --variant=extract --include={PACKAGES} {}, without {}",
        versions::DEBIAN,
        LEFT_OUT.join(" ")
    );
    let folder = rootfs_folder(paths);
    let fresh = !folder.join("rootfs.tar").exists();
    stamp::folder(&folder, &recipe, |part| {
        step(
            &format!("making the image base from Debian {}", versions::DEBIAN),
            || make_rootfs(paths, part),
        )
    })?;
    if fresh || !buildah::exists(paths, IMAGE) {
        buildah::build(
            paths,
            &buildah::Build {
                dockerfile: "rootfs.Dockerfile",
                context: &folder,
                base: None,
                tag: IMAGE,
            },
        )?;
    }
    Ok(())
}

fn rootfs_folder(paths: &Paths) -> PathBuf {
    paths.tool("rootfs", "3")
}

fn make_rootfs(paths: &Paths, part: &Path) -> Result<()> {
    let root = part.join("root");
    let mut command = Command::new("mmdebstrap");
    command.args([
        "--variant=extract",
        "--include",
        PACKAGES,
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        versions::DEBIAN,
    ]);
    command.arg(&root);
    exec::long(
        &mut command,
        "mmdebstrap",
        &paths.setup_log("rootfs"),
        Duration::from_secs(600),
    )?;
    complete(&root)?;
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--numeric-owner", "--mtime=@0"])
        .arg("--directory")
        .arg(&root);
    tar.args(LEFT_OUT.iter().map(|path| format!("--exclude={path}")));
    exec::run(tar.arg("--file").arg(part.join("rootfs.tar")).arg("."))?;
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))
}

/// What the packages' own scripts would have done: the certificate bundle, and a user to run as.
fn complete(root: &Path) -> Result<()> {
    let source = root.join("usr/share/ca-certificates/mozilla");
    let mut files: Vec<PathBuf> = fs::read_dir(&source)
        .with_context(|| format!("no certificates in {}", source.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    let mut bundle = Vec::new();
    for file in files {
        bundle.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    exec::write(&root.join("etc/ssl/certs/ca-certificates.crt"), bundle)?;
    exec::write(
        &root.join("etc/passwd"),
        "root:x:0:0:root:/root:/usr/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/usr/sbin/nologin\n",
    )?;
    exec::write(&root.join("etc/group"), "root:x:0:\nnonroot:x:65532:\n")
}
