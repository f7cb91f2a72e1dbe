//! Images without a container engine: packed with buildah, loaded into a node where they are missing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::buildah;
use crate::exec;
use crate::node::Node;
use crate::node::component::ctr;
use crate::paths::Paths;
use crate::progress::step;
use crate::setup::BASE_IMAGE;

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

/// The file that names the images last loaded into a node.
pub fn references_file(node: &Node) -> PathBuf {
    node.state.join("images.json")
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

/// Packs an image into the store of buildah.
pub fn build(paths: &Paths, image: &Image) -> Result<()> {
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
