//! Which packages have examples in their documentation: rustdoc takes a second or more for each package, whether it has one or
//! not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use foresail_node::{Paths, exec};
use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// Names of the packages with a code block in a doc comment.
///
/// # Errors
/// When cargo or a file cannot be read.
pub fn packages(paths: &Paths) -> Result<Vec<String>> {
    let args = ["metadata", "--no-deps", "--format-version", "1", "--locked"];
    let json = exec::capture(exec::cargo(paths).args(args))?;
    let metadata: Metadata =
        serde_json::from_str(&json).context("`cargo metadata` printed no JSON")?;
    let mut found = Vec::new();
    for package in metadata.packages {
        let folder = package.manifest_path.parent().unwrap_or(Path::new(""));
        if any_example(&folder.join("src"))? {
            found.push(package.name);
        }
    }
    Ok(found)
}

fn any_example(folder: &Path) -> Result<bool> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let found = if path.is_dir() {
            any_example(&path)?
        } else {
            path.extension().is_some_and(|end| end == "rs") && has_example(&read(&path)?)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn has_example(source: &str) -> bool {
    source.lines().any(|line| {
        let line = line.trim_start();
        let text = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        text.is_some_and(|text| text.trim_start().starts_with("```"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_block_of_a_doc_comment_is_an_example_and_one_of_a_comment_is_not() {
        assert!(has_example("fn a() {}\n    /// ```\n    /// a();\n"));
        assert!(has_example("//! ``` should_panic\n"));
        assert!(!has_example("// ```\nlet a = \"/// \\n```\";\n/// a `b`\n"));
    }
}
