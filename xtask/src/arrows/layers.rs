//! The layer of a package is where it lies, and an arrow between packages points down.

use std::path::Path;

/// Layer of the package in this folder of the repository; 4 is the top. See docs/architecture.md.
pub fn layer(folder: &Path) -> Option<u8> {
    let parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
    Some(match parts.as_slice() {
        ["crds"] | ["workers", "core", "domain" | "quota"] => 0,
        ["workers", "core", _] => 1,
        ["workers", "runtime", _] => 2,
        ["workers", "roles", _] => 3,
        ["operator" | "xtask" | "tests"] | ["tests", _] | ["workers", "programs", _] => 4,
        _ => return None,
    })
}

/// Whether a package in `from` may use one in `to`: what lies below it; beside it only in the core, in the
/// runtime, among tests and xtask, and the words of the market and of quotas from the contract, which is written in
/// them (docs/adr/0013). Cargo forbids circles of packages.
pub fn may_use(from: &Path, to: &Path) -> bool {
    let (Some(above), Some(below)) = (layer(from), layer(to)) else {
        return false;
    };
    let are_tools = [from, to]
        .iter()
        .all(|folder| folder.starts_with("tests") || folder.starts_with("xtask"));
    let words = ["workers/core/domain", "workers/core/quota"].map(Path::new);
    let contract_in_market_words = from == Path::new("crds") && words.contains(&to);
    below < above
        || (below == above && (matches!(above, 1 | 2) || are_tools || contract_in_market_words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(from: &str, to: &str) -> bool {
        may_use(Path::new(from), Path::new(to))
    }

    #[test]
    fn down_is_allowed_and_up_is_not() {
        assert!(may("workers/roles/stream", "workers/core/features"));
        assert!(may("workers/core/features", "workers/core/domain"));
        assert!(may("workers/runtime/base", "crds"));
        assert!(!may("workers/core/features", "workers/runtime/base"));
        assert!(!may("workers/core/domain", "workers/core/features"));
        assert!(!may("workers/runtime/store", "workers/roles/lake"));
    }

    #[test]
    fn sideways_is_for_core_runtime_and_tests() {
        assert!(may("workers/core/model", "workers/core/recurrent"));
        assert!(may("workers/runtime/kafka", "workers/runtime/base"));
        assert!(may("xtask", "tests/node"));
        assert!(!may("workers/roles/stream", "workers/roles/lake"));
        assert!(!may("workers/programs/trainer", "workers/programs/worker"));
        assert!(!may("operator", "workers/programs/worker"));
        assert!(!may("workers/programs/worker", "tests"));
        assert!(may("crds", "workers/core/domain"));
        assert!(may("crds", "workers/core/quota"));
        assert!(!may("workers/core/domain", "crds"));
    }

    #[test]
    fn a_folder_nobody_planned_has_no_layer() {
        assert_eq!(layer(Path::new("workers/ingest")), None);
        assert_eq!(layer(Path::new("helpers")), None);
    }
}
