//! The leaves and the core are pure: no clock, no environment, no file, no network, no other process. Below `main`
//! nobody reads the environment.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::modules::Tree;

const MODULES: [&str; 4] = ["env", "fs", "net", "process"];
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];
/// Types that are no clock but for their function `now`.
const TIMES: [&str; 2] = ["Timestamp", "Zoned"];
/// What brings a runtime with it.
pub const RUNTIMES: [&str; 3] = ["tokio", "tokio-util", "actix-web"];

/// What the source of a crate names of the world outside, with the file.
pub fn breaches(tree: &Tree) -> BTreeSet<(PathBuf, String)> {
    named(tree, |path| is_outside(path, &MODULES) || is_clock(path))
}

/// Where the source of a crate reads the environment.
pub fn environment(tree: &Tree) -> BTreeSet<(PathBuf, String)> {
    named(tree, |path| is_outside(path, &["env"]))
}

fn is_outside(path: &[String], modules: &[&str]) -> bool {
    matches!(path, [first, second, ..] if first == "std" && modules.contains(&second.as_str()))
}

fn is_clock(path: &[String]) -> bool {
    let reads = matches!(path, [.., kind, last] if last == "now" && TIMES.contains(&kind.as_str()));
    reads || path.iter().any(|name| CLOCKS.contains(&name.as_str()))
}

/// Paths in the source of a crate that are of a kind, with the file.
fn named(tree: &Tree, is_of_kind: impl Fn(&[String]) -> bool) -> BTreeSet<(PathBuf, String)> {
    let mut found = BTreeSet::new();
    for module in &tree.modules {
        let file = &tree.files[module.file];
        let imports = module.imports.iter().map(|import| &import.path);
        for path in imports.chain(&module.paths) {
            if is_of_kind(path) {
                found.insert((file.clone(), path.join("::")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_clock_a_file_and_the_environment_are_seen() {
        let file = std::env::temp_dir().join(format!("foresail-pure-{}.rs", std::process::id()));
        let text = "use std::{time::{Duration, Instant}, io}; use jiff::Timestamp; \
            fn f(t: Timestamp) { std::fs::read(\"a\"); jiff::Timestamp::now(); std::env::var(\"b\"); }";
        fs::write(&file, text).unwrap();
        let tree = Tree::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let names = |found: BTreeSet<(PathBuf, String)>| -> Vec<String> {
            found.into_iter().map(|(_, name)| name).collect()
        };
        let outside = [
            "jiff::Timestamp::now",
            "std::env::var",
            "std::fs::read",
            "std::time::Instant",
        ];
        assert_eq!(names(breaches(&tree)), outside);
        assert_eq!(names(environment(&tree)), ["std::env::var"]);
    }
}
