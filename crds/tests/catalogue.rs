//! `docs/operations.md` lists every reason of a role and every metric there is, and no other.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where reasons are chosen before the error is made: the file, and what it chooses from.
const CHOSEN: [(&str, &[&str]); 4] = [
    (
        "workers/roles/train/src/gate.rs",
        &["ChallengerDiverged", "ChampionDiverged", "NotFinite"],
    ),
    (
        "workers/roles/train/src/run/drift_reference.rs",
        &["NotEnoughRows", "InvalidDrift"],
    ),
    (
        "workers/runtime/providers/src/ask.rs",
        &["ProviderDown", "ProviderMalformed"],
    ),
    (
        "workers/runtime/providers/src/stopped.rs",
        &[
            "ClockWrong",
            "ProviderBusy",
            "ProviderDown",
            "ProviderMidnight",
            "ProviderRefused",
            "QuotaExhausted",
            "QuotaSetAside",
        ],
    ),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Product code below a folder: path from the repository, and text without the tests in it.
fn sources(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "tests" | "examples" | "benches") {
            sources(&path, into);
        } else if name.ends_with(".rs") && !name.contains("test") {
            let text = std::fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let path = path.strip_prefix(repository()).unwrap();
            into.push((path.display().to_string(), product.to_string()));
        }
    }
}

fn product() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in ["operator/src", "workers"] {
        sources(&repository().join(folder), &mut all);
    }
    assert!(all.len() > 100, "{} files", all.len());
    all
}

/// The text between the quotes that come next, when they do.
fn literal(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

/// Rows of the table below a heading, cell by cell and without code marks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    })
    .collect()
}

#[test]
fn every_reason_is_listed_with_its_class() {
    let mut reasons = BTreeMap::new();
    let mut chosen = BTreeSet::new();
    for (path, text) in product() {
        for class in ["user", "outside", "internal"] {
            for call in text.split(&format!("RoleError::{class}(")).skip(1) {
                if let Some((reason, _)) = literal(call) {
                    reasons.insert(reason.to_string(), class.to_string());
                    continue;
                }
                let known = CHOSEN.iter().find(|(file, _)| *file == path);
                let (file, from) = known.unwrap_or_else(|| panic!("{path}: reason not literal"));
                chosen.insert(*file);
                for reason in *from {
                    assert!(text.contains(&format!("\"{reason}\"")), "{file}: {reason}");
                    reasons.insert((*reason).to_string(), class.to_string());
                }
            }
        }
    }
    assert_eq!(chosen.len(), CHOSEN.len(), "a file that chooses no more");
    let listed = table("Every reason of a role");
    assert!(
        listed
            .iter()
            .all(|row| row.len() == 3 && !row[2].is_empty())
    );
    let listed: BTreeMap<_, _> = listed
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(listed, reasons);
}

#[test]
fn every_metric_is_listed_with_its_labels_and_text() {
    let mut metrics = BTreeSet::new();
    for (path, text) in product() {
        let starts = text.match_indices("\"foresail_").map(|(at, _)| at);
        for at in starts {
            let (name, rest) = literal(&text[at..]).unwrap();
            let Some((help, rest)) = rest.strip_prefix(',').and_then(literal) else {
                panic!("{path}: {name} has no text");
            };
            let labels = rest.trim_start_matches([',', ' ', '\n']).strip_prefix('[');
            let labels = labels.map_or("", |rest| rest.split(']').next().unwrap());
            let labels = labels.replace('"', "");
            metrics.insert(vec![name.to_string(), labels, help.to_string()]);
        }
    }
    let listed: BTreeSet<Vec<String>> = table("Every metric").into_iter().collect();
    assert_eq!(listed, metrics);
}
