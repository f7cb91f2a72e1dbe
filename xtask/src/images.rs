//! The images of the three programs: built once, named by their content, loaded only where they are missing.

pub mod buildah;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::exec;
use crate::node::Node;
use crate::node::component::ctr;
use crate::paths::Paths;
use crate::progress::{say, step};
use crate::setup::BASE_IMAGE;

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

/// The three programs; the image is called like the part after `foresail-`.
const PROGRAMS: [&str; 3] = ["operator", "worker", "trainer"];

/// An image to be loaded.
pub struct Image {
    /// Full name with its tag.
    pub reference: String,
    /// File under `images/`.
    pub dockerfile: String,
    /// The program that goes in.
    pub program: PathBuf,
    /// Whether it stands on the common base or on nothing.
    pub on_base: bool,
}

/// Full names of the three images.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct References {
    /// The operator.
    pub operator: String,
    /// The worker.
    pub worker: String,
    /// The trainer.
    pub trainer: String,
}

/// Builds the programs and loads their images into a node.
pub fn for_node(node: &Node, profile: Profile) -> Result<References> {
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

/// The images last loaded into a node, when there are any.
pub fn loaded(node: &Node) -> Option<References> {
    serde_json::from_str(&fs::read_to_string(references_file(node)).ok()?).ok()
}

/// Loads an image into a node unless it is there.
pub fn load(node: &Node, image: &Image) -> Result<()> {
    let present = exec::capture(ctr(node).args(["images", "ls", "--quiet"]))?;
    if present.lines().any(|line| line == image.reference) {
        return Ok(());
    }
    step(&format!("loading {}", image.reference), || {
        build(&node.paths, image)?;
        let archive = node.state.join("image.tar");
        if archive.exists() {
            fs::remove_file(&archive)
                .with_context(|| format!("cannot remove {}", archive.display()))?;
        }
        buildah::export(&node.paths, &image.reference, &archive)?;
        buildah::remove(&node.paths, &image.reference)?;
        exec::run(
            ctr(node)
                .args(["images", "import", "--local"])
                .arg(&archive),
        )
        .with_context(|| format!("cannot load {}", image.reference))?;
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))
    })
}

/// Builds the programs. In the tests' profile those of the whole workspace: another set of packages would mean
/// other features of what they share, and a second build.
pub fn compile(paths: &Paths, profile: Profile) -> Result<()> {
    let mut command = exec::cargo(paths);
    command.args(["build", "--profile", profile.name()]);
    match profile {
        Profile::Ci => command.args(["--workspace", "--bins"]),
        Profile::Dist => command.args(["--bins"]).args(
            PROGRAMS
                .iter()
                .map(|name| format!("--package=foresail-{name}")),
        ),
    };
    step(&format!("cargo build (profile {})", profile.name()), || {
        exec::stream(&mut command)
    })
}

fn pack_all(paths: &Paths, profile: Profile) -> Result<Vec<Image>> {
    // One at a time: two nodes would write the same stripped copies.
    let lock = File::create(paths.cache.join("images.lock"))?;
    lock.lock().context("cannot lock the images")?;
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
    let digest = exec::feed(&mut Command::new("sha256sum"), &recipe)?;
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

fn build(paths: &Paths, image: &Image) -> Result<()> {
    let file_name = image
        .program
        .file_name()
        .map(Path::new)
        .with_context(|| format!("{} is no file", image.program.display()))?;
    let context = buildah::context(paths, &file_name.display().to_string())?;
    fs::copy(&image.program, context.join(file_name))
        .with_context(|| format!("cannot copy {}", image.program.display()))?;
    let base = image.on_base.then_some(BASE_IMAGE);
    buildah::build(
        paths,
        &buildah::Build {
            dockerfile: &image.dockerfile,
            context: &context,
            base,
            tag: &image.reference,
        },
    )
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

fn references_file(node: &Node) -> PathBuf {
    node.state.join("images.json")
}
