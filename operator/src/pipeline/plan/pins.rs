//! The versions that are loaded beside champion and previous, since `serving.versions` names them, and what predictors hold
//! every version against.

use foresail_crds::ModelVersionSpec;
use foresail_crds::worker_config::{DeclaredModel, ServedVersion};

use super::rows::spec_of;
use super::types::{Plan, Situation};

/// What becomes of `serving.versions`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pins {
    /// Versions that predictors load, in the order of the list.
    pub found: Vec<ServedVersion>,
    /// Numbers without a ModelVersion.
    pub missing: Vec<u32>,
}

/// The named versions that exist. One that cannot be read is not taken for deleted: it stays as predictors know it.
pub(super) fn pins(plan: &Plan, at: Situation<'_>) -> Pins {
    let stored = at.observed.serving.iter().flat_map(|s| &s.versions);
    let stored = |number: u32| {
        let is_unreadable = at.observed.unreadable_versions.contains(&number);
        let mut known = stored.clone().filter(|_| is_unreadable);
        known.find(|version| version.version == number).cloned()
    };
    let made = plan.create();
    let mut pins = Pins::default();
    for number in at.pipeline.serving.versions.iter().copied() {
        let existing = at.observed.version(number).map(|version| &version.spec);
        let spec = existing.or(made.filter(|spec| spec.version == number));
        match spec.map(ModelVersionSpec::served).or_else(|| stored(number)) {
            Some(version) => pins.found.push(version),
            None => pins.missing.push(number),
        }
    }
    pins
}

/// What the ModelVersions of the versions that predictors load say of them, each once.
pub(super) fn declared(plan: &Plan, at: Situation<'_>) -> Vec<DeclaredModel> {
    let mut all: Vec<DeclaredModel> = Vec::new();
    for version in plan.serving.loaded() {
        let spec = spec_of(plan, at, version);
        // One of the same number that was made again says nothing of the version that was served.
        let Some(spec) = spec.filter(|spec| spec.manifest_sha256 == version.manifest_sha256) else {
            continue;
        };
        let declared = DeclaredModel {
            manifest_sha256: spec.manifest_sha256.clone(),
            kind: spec.kind,
            fingerprint: spec.fingerprint.clone(),
        };
        if !all.contains(&declared) {
            all.push(declared);
        }
    }
    all
}
