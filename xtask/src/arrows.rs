//! `cargo xtask arrows`: the layers of the design, checked against every manifest. An arrow may only
//! point down, roles never import each other, and each big dependency is named by few packages.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::exec;
use crate::paths::Paths;

/// Layer of each of our packages; 4 is the top.
const LAYERS: &[(&str, u8)] = &[
    ("foresail-crds", 0),
    ("foresail-domain", 0),
    ("foresail-features", 1),
    ("foresail-evaluation", 1),
    ("foresail-drift", 1),
    ("foresail-model", 1),
    ("foresail-recurrent", 1),
    ("foresail-runtime-base", 2),
    ("foresail-sql", 2),
    ("foresail-bars", 2),
    ("foresail-runtime-kafka", 2),
    ("foresail-runtime-store", 2),
    ("foresail-runtime-cache", 2),
    ("foresail-runtime-cluster", 2),
    ("foresail-ingest", 3),
    ("foresail-lake", 3),
    ("foresail-stream", 3),
    ("foresail-train", 3),
    ("foresail-predict", 3),
    ("foresail-monitor", 3),
    ("foresail-operator", 4),
    ("foresail-worker", 4),
    ("foresail-trainer", 4),
    ("foresail-tests", 4),
    ("xtask", 4),
];

/// Arrows inside one layer, or across layers, that need a word: (from, to, allowed).
const EXCEPTIONS: &[(&str, &str, bool)] = &[
    // Adapters build on the base; a model knows the fingerprint of its features.
    ("foresail-bars", "foresail-runtime-base", true),
    ("foresail-runtime-kafka", "foresail-runtime-base", true),
    ("foresail-runtime-store", "foresail-runtime-base", true),
    ("foresail-runtime-cache", "foresail-runtime-base", true),
    ("foresail-runtime-cluster", "foresail-runtime-base", true),
    ("foresail-model", "foresail-features", true),
    ("foresail-model", "foresail-recurrent", true),
    // Drift of the realised error uses the variance that forecasts are compared with.
    ("foresail-drift", "foresail-evaluation", true),
    // The operator decides: no data plane, no model.
    ("foresail-operator", "foresail-model", false),
    ("foresail-operator", "foresail-runtime-kafka", false),
    ("foresail-operator", "foresail-runtime-store", false),
    ("foresail-operator", "foresail-runtime-cache", false),
];

/// Packages that may name a big dependency.
const NAMED_BY: &[(&str, &[&str])] = &[
    ("rdkafka", &["foresail-runtime-kafka"]),
    ("aws-sdk-s3", &["foresail-runtime-store"]),
    ("redis", &["foresail-runtime-cache"]),
    ("datafusion", &["foresail-sql", "foresail-train"]),
    ("burn", &["foresail-model", "foresail-train"]),
    ("deltalake-core", &["foresail-lake", "foresail-train"]),
    (
        "actix-web",
        &[
            "foresail-predict",
            "foresail-runtime-base",
            "foresail-operator",
        ],
    ),
    ("tokio", NOT_PURE),
    // The operator asks predictors over HTTP: docs/adr/0006.
    (
        "reqwest",
        &["foresail-ingest", "foresail-operator", "foresail-tests"],
    ),
];

/// Everything but the leaves and the pure layer.
const NOT_PURE: &[&str] = &[
    "foresail-runtime-base",
    "foresail-runtime-kafka",
    "foresail-runtime-store",
    "foresail-runtime-cache",
    "foresail-runtime-cluster",
    "foresail-ingest",
    "foresail-lake",
    "foresail-stream",
    "foresail-train",
    "foresail-predict",
    "foresail-monitor",
    "foresail-operator",
    "foresail-worker",
    "foresail-trainer",
    "foresail-tests",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Fails with every arrow that points the wrong way.
pub fn check(paths: &Paths) -> Result<()> {
    let json = exec::capture(exec::cargo(paths).args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--locked",
    ]))?;
    let metadata: Metadata =
        serde_json::from_str(&json).context("`cargo metadata` printed no JSON")?;
    let wrong: Vec<String> = metadata.packages.iter().flat_map(violations).collect();
    if !wrong.is_empty() {
        bail!(
            "{} arrows point the wrong way:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
    println!(
        "arrows: {} packages, every arrow points down",
        metadata.packages.len()
    );
    Ok(())
}

fn violations(package: &Package) -> Vec<String> {
    let from = package.name.as_str();
    let Some(level) = layer(from) else {
        return vec![format!(
            "{from} has no layer: add it to xtask/src/arrows.rs"
        )];
    };
    package
        .dependencies
        .iter()
        .filter(|d| d.kind.as_deref() != Some("dev"))
        .filter_map(|d| wrong(from, level, &d.name))
        .collect()
}

fn wrong(from: &str, level: u8, to: &str) -> Option<String> {
    if let Some((_, allowed)) = NAMED_BY.iter().find(|(name, _)| *name == to)
        && !allowed.contains(&from)
    {
        return Some(format!(
            "{from} names {to}; only {} may",
            allowed.join(", ")
        ));
    }
    let target = layer(to)?;
    let exception = EXCEPTIONS.iter().find(|(f, t, _)| *f == from && *t == to);
    let allowed = exception.map_or(target < level, |(_, _, allowed)| *allowed);
    (!allowed).then(|| format!("{from} (layer {level}) imports {to} (layer {target})"))
}

fn layer(name: &str) -> Option<u8> {
    LAYERS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn down_is_allowed_up_and_sideways_are_not() {
        assert_eq!(wrong("foresail-stream", 3, "foresail-features"), None);
        assert!(wrong("foresail-stream", 3, "foresail-lake").is_some());
        assert!(wrong("foresail-features", 1, "foresail-runtime-base").is_some());
        assert!(wrong("foresail-operator", 4, "foresail-model").is_some());
        assert!(wrong("foresail-drift", 1, "foresail-features").is_some());
        assert_eq!(wrong("foresail-model", 1, "foresail-features"), None);
        assert_eq!(wrong("foresail-drift", 1, "foresail-evaluation"), None);
        assert!(wrong("foresail-evaluation", 1, "foresail-drift").is_some());
    }

    #[test]
    fn big_dependencies_have_one_home() {
        assert!(wrong("foresail-stream", 3, "rdkafka").is_some());
        assert!(wrong("foresail-features", 1, "tokio").is_some());
        assert_eq!(wrong("foresail-runtime-kafka", 2, "rdkafka"), None);
    }
}
