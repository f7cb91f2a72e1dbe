//! `cargo xtask deny`: cargo-deny with deny.toml on the workspace, and on a small one with planted faults, since a
//! check that lets everything pass looks like one that has nothing to say.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::cargo_tools::DENY;
use crate::exec;
use crate::paths::Paths;
use crate::setup::stamp;

/// Exceptions that nobody needs any more are errors too.
const OUTDATED: [&str; 4] = [
    "unmatched-skip",
    "unnecessary-skip",
    "unused-wrapper",
    "license-not-encountered",
];

const CHECKS: [&str; 3] = ["bans", "licenses", "sources"];

/// Licences, sources, duplicates, namers.
///
/// # Errors
/// What cargo-deny refuses, or a planted fault that it lets pass.
pub fn check(paths: &Paths) -> Result<()> {
    let program = DENY.program(paths)?;
    let config = paths.repo.join("deny.toml");
    let mut command = deny(&program, &config, &paths.repo);
    command.args(OUTDATED.iter().map(|lint| format!("--deny={lint}")));
    exec::stream(command.args(CHECKS))?;
    for fault in FAULTS {
        prove(paths, &program, &config, fault)?;
    }
    println!("deny: licences, sources, duplicates and namers are as deny.toml says");
    Ok(())
}

fn deny(program: &Path, config: &Path, workspace: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(workspace)
        .args(["--color", "never", "--config"])
        .arg(config)
        .args(["check", "--hide-inclusion-graph"]);
    command
}

/// A package without code.
struct Planted {
    name: &'static str,
    version: &'static str,
    licence: &'static str,
    uses: Option<&'static str>,
}

/// A workspace of such packages.
struct Fault {
    packages: &'static [Planted],
    /// What cargo-deny has to say; nothing when all is well.
    said: Option<&'static str>,
}

const RDKAFKA: Planted = planted("rdkafka", "0.39.0", "MIT", None);

const FAULTS: &[Fault] = &[
    Fault {
        packages: &[
            planted("foresail-runtime-kafka", "0.1.0", "MIT", Some("rdkafka")),
            RDKAFKA,
        ],
        said: None,
    },
    Fault {
        packages: &[
            planted("foresail-stream", "0.1.0", "MIT", Some("rdkafka")),
            RDKAFKA,
        ],
        said: Some("error[banned]"),
    },
    Fault {
        packages: &[planted("foresail-feed", "0.1.0", "AGPL-3.0-only", None)],
        said: Some("error[rejected]"),
    },
    Fault {
        packages: &[
            planted("twice", "1.0.0", "MIT", None),
            planted("twice", "2.0.0", "MIT", None),
        ],
        said: Some("error[duplicate]"),
    },
];

const fn planted(
    name: &'static str,
    version: &'static str,
    licence: &'static str,
    uses: Option<&'static str>,
) -> Planted {
    Planted {
        name,
        version,
        licence,
        uses,
    }
}

fn prove(paths: &Paths, program: &Path, config: &Path, fault: &Fault) -> Result<()> {
    let folder = paths.cache.join(format!("deny-{}", std::process::id()));
    stamp::remove(&folder)?;
    plant(&folder, fault)?;
    let answer = exec::capture(deny(program, config, &folder).args(CHECKS));
    stamp::remove(&folder)?;
    match (fault.said, answer) {
        (None, Ok(_)) => Ok(()),
        (None, Err(error)) => Err(error.context("cargo-deny refuses what deny.toml allows")),
        (Some(said), Err(error)) if format!("{error:#}").contains(said) => Ok(()),
        (Some(said), Err(error)) => Err(error.context(format!("cargo-deny did not say {said}"))),
        (Some(said), Ok(_)) => bail!("deny.toml lets a planted fault pass: no {said}"),
    }
}

fn plant(folder: &Path, fault: &Fault) -> Result<()> {
    for package in fault.packages {
        let used = package.uses.and_then(|name| {
            let used = fault.packages.iter().find(|other| other.name == name)?;
            Some(format!("{name} = {{ path = \"../{}\" }}\n", used.folder()))
        });
        let manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"{}\"\nedition = \"2024\"\nlicense = \"{}\"\n\n[dependencies]\n{}",
            package.name,
            package.version,
            package.licence,
            used.unwrap_or_default()
        );
        let own = folder.join(package.folder());
        exec::write(&own.join("Cargo.toml"), manifest)?;
        exec::write(&own.join("src/lib.rs"), "")?;
    }
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"*-*\"]\n";
    exec::write(&folder.join("Cargo.toml"), workspace)
}

impl Planted {
    fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}
