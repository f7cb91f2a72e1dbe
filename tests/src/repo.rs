//! Files of the repository: examples, generated CRDs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// Placeholder values for tests that reach no server.
pub const NOWHERE: [(&str, &str); 4] = [
    ("__KAFKA__", "192.0.2.1:9092"),
    ("__REDIS__", "redis://192.0.2.1:6379"),
    ("__S3__", "http://192.0.2.1:7070"),
    ("__BUCKET__", "foresail"),
];

/// Path below the repository's root.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(relative)
}

/// Text of a file.
pub fn text(relative: &str) -> Result<String> {
    let path = path(relative);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// A YAML file with its placeholders filled in.
pub fn yaml(relative: &str, placeholders: &[(&str, &str)]) -> Result<Value> {
    let text = placeholders
        .iter()
        .fold(text(relative)?, |text, (key, value)| {
            text.replace(key, value)
        });
    serde_saphyr::from_str(&text).with_context(|| format!("{relative} is not YAML"))
}

/// Every example, relative to the root.
pub fn examples() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["examples", "examples/demo"] {
        let entries =
            fs::read_dir(path(folder)).with_context(|| format!("cannot list {folder}"))?;
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".yaml") {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    Ok(found)
}
