//! The images of the three programs: built once, named by their content, loaded only where they are missing.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use foresail_node::images::{Image, References, build, load, references_file};
use foresail_node::progress::{self, say, step};
use foresail_node::setup::BASE_IMAGE;
use foresail_node::{Node, Paths, buildah, exec};

/// Cargo profile of the programs inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// One build with the tests.
    Ci,
    /// Optimised and stripped: what gets released and measured.
    Dist,
}

impl Profile {
    /// Cargo's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Ci => "ci",
            Profile::Dist => "dist",
        }
    }
}

/// What building the programs from nothing took on two cores.
const SECONDS: u64 = 1100;
const LIMIT: Duration = Duration::from_secs(90 * 60);

/// The three programs; the image is called like the part after `foresail-`.
const PROGRAMS: [&str; 3] = ["operator", "worker", "trainer"];

/// Builds the programs and loads their images into a node.
pub fn for_node(node: &Node, profile: Profile) -> Result<References> {
    let _lock = lock(&node.paths)?;
    compile(&node.paths, profile)?;
    let images = pack_all(&node.paths, profile)?;
    for image in &images {
        load(node, image)?;
    }
    let references = references(images.iter().map(|image| image.reference.clone()))?;
    exec::write(
        &references_file(node),
        serde_json::to_string_pretty(&references)?,
    )?;
    Ok(references)
}

/// Builds the programs and pushes their images to `registry` (`host/repo`).
pub fn for_registry(paths: &Paths, profile: Profile, registry: &str) -> Result<References> {
    let _lock = lock(paths)?;
    compile(paths, profile)?;
    let mut pushed = Vec::new();
    for image in pack_all(paths, profile)? {
        let short = image
            .reference
            .rsplit('/')
            .next()
            .unwrap_or(&image.reference);
        let target = format!("{}/{short}", registry.trim_end_matches('/'));
        step(&format!("pushing {target}"), || {
            build(paths, &image)?;
            buildah::push(paths, &image.reference, &target)?;
            buildah::remove(paths, &image.reference)
        })?;
        pushed.push(target);
    }
    references(pushed)
}

/// Builds the programs of the images.
fn compile(paths: &Paths, profile: Profile) -> Result<()> {
    step(&format!("cargo build (profile {})", profile.name()), || {
        exec::stream(&mut cargo_build(paths, profile))
    })
}

/// The same while something else is built: quietly, with a log.
pub fn compile_beside(paths: &Paths, profile: Profile) -> Result<()> {
    progress::expect(SECONDS);
    let what = format!("cargo build (profile {})", profile.name());
    step(&what, || {
        let mut command = cargo_build(paths, profile);
        exec::long(&mut command, &what, &paths.setup_log("cargo-build"), LIMIT)?;
        progress::done(SECONDS);
        Ok(())
    })
}

fn cargo_build(paths: &Paths, profile: Profile) -> Command {
    let names = PROGRAMS.map(|name| format!("foresail-{name}"));
    let mut command = match profile {
        Profile::Ci => of_workspace(paths),
        Profile::Dist => {
            let mut command = exec::cargo(paths);
            command.args(["build", "--profile", profile.name()]);
            command.args(names.each_ref().map(|name| format!("--package={name}")));
            command
        }
    };
    command.args(names.iter().flat_map(|name| ["--bin", name]));
    command
}

/// Builds one program of the workspace in the tests' profile, and returns where it is.
///
/// # Errors
/// What cargo says.
pub fn helper(paths: &Paths, program: &str) -> Result<PathBuf> {
    step(&format!("cargo build ({program})"), || {
        exec::stream(of_workspace(paths).args(["--bin", program]))
    })?;
    Ok(paths.target.join(Profile::Ci.name()).join(program))
}

/// Programs of the tests' profile are built with the whole workspace selected: another set of packages would mean
/// other features of what they share, and a second build.
fn of_workspace(paths: &Paths) -> Command {
    let mut command = exec::cargo(paths);
    command.args(["build", "--profile", Profile::Ci.name(), "--workspace"]);
    command
}

/// One at a time, from the build to the loaded image: another checkout builds the same programs in the same place.
fn lock(paths: &Paths) -> Result<File> {
    let lock = File::create(paths.cache.join("images.lock"))?;
    lock.lock().context("cannot lock the images")?;
    Ok(lock)
}

fn pack_all(paths: &Paths, profile: Profile) -> Result<Vec<Image>> {
    PROGRAMS
        .iter()
        .map(|name| pack(paths, profile, name))
        .collect()
}

/// Strips a copy of the program and names its image by what goes in.
fn pack(paths: &Paths, profile: Profile, name: &str) -> Result<Image> {
    let program = format!("foresail-{name}");
    let built = paths.target.join(profile.name()).join(&program);
    let stripped = paths
        .cache
        .join("stripped")
        .join(profile.name())
        .join(&program);
    exec::create_parent(&stripped)?;
    exec::run(
        Command::new("objcopy")
            .arg("--strip-debug")
            .arg(&built)
            .arg(&stripped),
    )
    .with_context(|| {
        format!(
            "cannot strip {}: does the package {program} have a binary of that name?",
            built.display()
        )
    })?;
    let dockerfile = format!("{name}.Dockerfile");
    let recipe = format!(
        "{} {} {BASE_IMAGE}",
        exec::sha256(&stripped)?,
        exec::sha256(&paths.repo.join("images").join(&dockerfile))?
    );
    let digest = exec::sha256_of(recipe.as_bytes());
    let reference = format!("localhost/foresail/{name}:{}", &digest[..12]);
    say(format!(
        "  {reference}: {:.1} MB",
        fs::metadata(&stripped)?.len() as f64 / 1e6
    ));
    Ok(Image {
        reference,
        dockerfile,
        program: stripped,
        on_base: true,
    })
}

fn references(names: impl IntoIterator<Item = String>) -> Result<References> {
    let mut names = names.into_iter();
    let mut next = || names.next().context("an image is missing");
    Ok(References {
        operator: next()?,
        worker: next()?,
        trainer: next()?,
    })
}
