//! Files of the repository: examples, generated CRDs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use foresail_node::template::render_file;
use serde_json::Value;

/// Placeholder values for tests that reach no server.
pub fn nowhere() -> [(&'static str, String); 4] {
    [
        ("KAFKA", "192.0.2.1:9092".into()),
        ("REDIS", "redis://192.0.2.1:6379".into()),
        ("S3", "http://192.0.2.1:7070".into()),
        ("BUCKET", "foresail".into()),
    ]
}

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
pub fn yaml(relative: &str, placeholders: &[(&str, String)]) -> Result<Value> {
    let text = render_file(&path(relative), placeholders)?;
    serde_saphyr::from_str(&text).with_context(|| format!("{relative} is not YAML"))
}

/// Every example, relative to the root.
pub fn examples() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["examples", "examples/demo", "examples/provider"] {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All product code, without what only tests compile.
    fn code() -> String {
        fn read(folder: &Path, code: &mut String) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("tests") {
                    read(&path, code);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    code.push_str(&fs::read_to_string(&path).unwrap());
                }
            }
        }
        let mut code = String::new();
        for folder in ["operator", "workers", "crds"] {
            read(&path(folder), &mut code);
        }
        code
    }

    #[test]
    fn operations_name_only_reasons_and_metrics_that_exist() {
        let (page, code) = (text("docs/operations.md").unwrap(), code());
        // Reasons stand in backticks, metrics in expressions.
        let reasons: BTreeSet<&str> = page
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
            .filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric()))
            .filter(|word| word.chars().any(|c| c.is_ascii_lowercase()))
            .collect();
        let metrics: BTreeSet<&str> = page
            .split(|c: char| !c.is_ascii_lowercase() && c != '_')
            .filter(|word| word.starts_with("foresail_"))
            .map(|word| word.trim_end_matches("_bucket"))
            .collect();
        assert!(reasons.len() > 30 && metrics.len() > 5);
        for reason in reasons {
            assert!(code.contains(&format!("\"{reason}\"")), "{reason}");
        }
        for metric in metrics {
            // A counter may be registered without its ending.
            let name = metric.trim_end_matches("_total");
            assert!(code.contains(&format!("\"{name}")), "{metric}");
        }
    }
}
