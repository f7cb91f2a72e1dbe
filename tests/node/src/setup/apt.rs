//! Debian packages: only what is missing, and no service of theirs may start.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec;
use crate::paths::Paths;
use crate::progress::{say, step};

/// A package and what shows that it (or something as good) is there: a command, or the path of a file.
const NEEDED: &[(&str, &str)] = &[
    ("binutils", "objcopy"),
    ("buildah", "buildah"),
    ("conntrack", "conntrack"),
    ("containernetworking-plugins", "/usr/lib/cni/bridge"),
    ("curl", "curl"),
    ("g++", "g++"),
    ("gcc", "gcc"),
    ("iproute2", "ip"),
    ("iptables", "iptables"),
    ("libssl-dev", "/usr/include/openssl/ssl.h"),
    ("make", "make"),
    ("maven", "mvn"),
    ("mmdebstrap", "mmdebstrap"),
    ("openjdk-17-jre-headless", "java"),
    ("openssl", "openssl"),
    ("pkg-config", "pkg-config"),
    ("procps", "sysctl"),
    ("python3-pip", "pip3"),
    ("redis-server", "redis-server"),
    ("runc", "/usr/sbin/runc"),
    ("util-linux", "nsenter"),
    ("zlib1g-dev", "/usr/include/zlib.h"),
];

/// Those of [`NEEDED`] that building the workspace takes.
const FOR_BUILDS: [&str; 6] = [
    "g++",
    "gcc",
    "libssl-dev",
    "make",
    "pkg-config",
    "zlib1g-dev",
];

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Packages without which the workspace does not build.
pub fn missing_for_builds() -> Vec<&'static str> {
    let mut missing = missing();
    missing.retain(|package| FOR_BUILDS.contains(package));
    missing
}

fn missing() -> Vec<&'static str> {
    let missing = NEEDED.iter().filter(|(_, proof)| !is_there(proof));
    missing.map(|(package, _)| *package).collect()
}

/// Those that images and data take beside it.
const FOR_IMAGES: [&str; 5] = ["binutils", "buildah", "curl", "mmdebstrap", "python3-pip"];

/// Installs what building and packing take, where it is missing.
pub fn install_for_images(paths: &Paths) -> Result<()> {
    let mut missing = missing();
    missing.retain(|package| FOR_BUILDS.contains(package) || FOR_IMAGES.contains(package));
    install(paths, &missing)
}

/// Installs the packages that are missing.
pub fn install_missing(paths: &Paths) -> Result<()> {
    install(paths, &missing())
}

fn install(paths: &Paths, missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    if !is_there("apt-get") {
        bail!(
            "missing: {}. This is not a Debian machine: install their counterparts by hand",
            missing.join(", ")
        );
    }
    step(&format!("installing {}", missing.join(", ")), || {
        let quiet = Quiet::begin()?;
        apt_get(paths, "apt-update", &["update"])?;
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(missing);
        apt_get(paths, "apt-install", &arguments)?;
        drop(quiet);
        if missing.contains(&"redis-server") {
            // We run our own; the packaged service must not start at the next boot either.
            exec::succeeds(Command::new("update-rc.d").args(["redis-server", "disable"]));
        }
        Ok(())
    })
}

fn apt_get(paths: &Paths, log: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .arg("-qq")
        .args(arguments);
    exec::long(
        &mut command,
        "apt-get",
        &paths.setup_log(log),
        Duration::from_secs(900),
    )
}

fn is_there(proof: &str) -> bool {
    if proof.starts_with('/') {
        return Path::new(proof).exists();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(proof).is_file())
}

/// While it lives, package scripts may not start services.
struct Quiet {
    ours: bool,
}

impl Quiet {
    fn begin() -> Result<Self> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            exec::write(Path::new(POLICY), "#!/bin/sh\nexit 101\n")?;
            fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
                .with_context(|| format!("cannot make {POLICY} executable"))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.ours && fs::remove_file(POLICY).is_err() {
            say(format!(
                "could not remove {POLICY}: remove it by hand, or packages start no services"
            ));
        }
    }
}
