//! `cargo xtask deny`: cargo-deny with deny.toml on the workspace, and on a small one with planted faults, since a
//! check that lets everything pass looks like one that has nothing to say.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo_tools::DENY;
use foresail_node::Paths;
use foresail_node::exec;
use foresail_node::setup::stamp;

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

/// A package without code, and the packages it uses.
struct Planted {
    name: &'static str,
    version: &'static str,
    licence: &'static str,
    uses: &'static [Planted],
}

struct Fault {
    package: Planted,
    /// What cargo-deny has to say; nothing when all is well.
    said: Option<&'static str>,
}

const RDKAFKA: &[Planted] = &[planted("rdkafka", "0.39.0", "MIT", &[])];
const TWICE: &[Planted] = &[
    planted("twice", "1.0.0", "MIT", &[]),
    planted("twice", "2.0.0", "MIT", &[]),
];

const FAULTS: &[Fault] = &[
    Fault {
        package: planted("foresail-runtime-kafka", "0.1.0", "MIT", RDKAFKA),
        said: None,
    },
    Fault {
        package: planted("foresail-stream", "0.1.0", "MIT", RDKAFKA),
        said: Some("error[banned]"),
    },
    Fault {
        package: planted("foresail-feed", "0.1.0", "AGPL-3.0-only", &[]),
        said: Some("error[rejected]"),
    },
    Fault {
        package: planted("foresail-feed", "0.1.0", "MIT", TWICE),
        said: Some("error[duplicate]"),
    },
];

const fn planted(
    name: &'static str,
    version: &'static str,
    licence: &'static str,
    uses: &'static [Planted],
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
    plant(&folder, &fault.package)?;
    let mut command = deny(program, config, &folder);
    let answer = command.args(CHECKS).output();
    stamp::remove(&folder)?;
    let answer = answer.with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&answer.stderr);
    match fault.said {
        None if answer.status.success() => Ok(()),
        None => bail!("cargo-deny refuses what deny.toml allows: {text}"),
        Some(said) if !answer.status.success() && text.contains(said) => Ok(()),
        Some(said) => bail!("deny.toml lets a planted fault pass: no {said} in: {text}"),
    }
}

fn plant(folder: &Path, package: &Planted) -> Result<()> {
    let (mut uses, mut workspace) = (String::new(), String::new());
    for (number, used) in package.uses.iter().enumerate() {
        plant(&folder.join(used.version), used)?;
        uses += &format!(
            "used-{number} = {{ package = \"{}\", path = \"{}\" }}\n",
            used.name, used.version
        );
    }
    if package.name.starts_with("foresail-") {
        // Members of a workspace could not share a name.
        let outside = package
            .uses
            .iter()
            .map(|used| format!("{:?}", used.version));
        let outside: Vec<String> = outside.collect();
        workspace = format!("[workspace]\nexclude = [{}]\n\n", outside.join(", "));
    }
    let manifest = format!(
        "{workspace}[package]\nname = \"{}\"\nversion = \"{}\"\nedition = \"2024\"\nlicense = \"{}\"\n\n[dependencies]\n{uses}",
        package.name, package.version, package.licence,
    );
    exec::write(&folder.join("Cargo.toml"), manifest)?;
    exec::write(&folder.join("src/lib.rs"), "")
}
