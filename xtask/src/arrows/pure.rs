//! The leaves and the core are pure: no clock, no environment, no file, no network, no other process.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::modules::Tree;

const MODULES: [&str; 4] = ["env", "fs", "net", "process"];
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];
/// What brings a runtime with it.
pub const RUNTIMES: [&str; 3] = ["tokio", "tokio-util", "actix-web"];

/// What the source of a crate names of the world outside, with the file.
pub fn breaches(tree: &Tree) -> BTreeSet<(PathBuf, String)> {
    let mut found = BTreeSet::new();
    for module in &tree.modules {
        let file = &tree.files[module.file];
        let imports = module.imports.iter().map(|import| &import.path);
        for path in imports.chain(&module.paths) {
            let outside = match path.as_slice() {
                [first, second, ..] => first == "std" && MODULES.contains(&second.as_str()),
                _ => false,
            };
            let is_clock = path.iter().any(|name| CLOCKS.contains(&name.as_str()));
            if outside || is_clock {
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
    fn a_clock_and_a_file_are_seen() {
        let file = std::env::temp_dir().join(format!("foresail-pure-{}.rs", std::process::id()));
        let text = "use std::{time::{Duration, Instant}, io}; fn f() { std::fs::read(\"a\") }";
        fs::write(&file, text).unwrap();
        let found = breaches(&Tree::read(&file).unwrap());
        fs::remove_file(&file).unwrap();
        let names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["std::fs::read", "std::time::Instant"]);
    }
}
