//! "This was made from that recipe": a file beside the result. Half-finished results never get one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exec;

/// Makes `folder` with `make` unless it already came from `recipe`. `make` fills a temporary folder that is renamed at the end.
pub fn folder(folder: &Path, recipe: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let stamp = folder.join(".recipe");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == recipe) {
        return Ok(());
    }
    let part = part_of(folder);
    remove(&part)?;
    fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
    make(&part)?;
    exec::write(&part.join(".recipe"), recipe)?;
    remove(folder)?;
    fs::rename(&part, folder)
        .with_context(|| format!("cannot rename {} to {}", part.display(), folder.display()))
}

/// Whether a folder was ever finished; from which recipe, [`folder`] looks up.
pub fn is_made(folder: &Path) -> bool {
    folder.join(".recipe").is_file()
}

fn part_of(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Removes a folder, where there is one.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}
