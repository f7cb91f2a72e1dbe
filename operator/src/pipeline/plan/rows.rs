//! Whose feature rows are made: those that the Pipeline declares, and those of the versions that serve, stand ready to, or
//! are the reference of drift, so that an edit of the features takes nothing from a champion before another is promoted.

use std::collections::BTreeMap;

use foresail_crds::ModelVersionSpec;
use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::worker_config::ServedVersion;

use super::types::{Plan, Situation};

/// Whose rows a version reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rows {
    /// Those of the features that the Pipeline declares.
    Declared,
    /// Those of features of its own.
    Own(FeatureSetSpec),
    /// Nobody's: it names no features, as versions of older releases, or this release computes others under their names.
    Nobodys,
}

/// Whose rows a version reads, where `declared` is the fingerprint of what the Pipeline declares.
pub(super) fn rows_of(version: &ModelVersionSpec, declared: &str) -> Rows {
    if version.fingerprint == declared {
        return Rows::Declared;
    }
    match &version.feature_set {
        Some(set) if is_computed(set, &version.fingerprint) => Rows::Own(set.clone()),
        _ => Rows::Nobodys,
    }
}

/// Whether this release computes the features of a fingerprint.
pub(super) fn is_computed(set: &FeatureSetSpec, fingerprint: &str) -> bool {
    foresail_features::is_computed(&set.features, set.adjustment, fingerprint)
}

/// Feature sets that rows are made of beside the declared one, in an order that only they decide.
pub(super) fn feature_sets(plan: &Plan, at: Situation<'_>) -> Vec<FeatureSetSpec> {
    let serving = &plan.serving;
    let served = [
        &serving.champion,
        &serving.previous,
        &serving.drift_reference,
    ];
    let mut sets = BTreeMap::new();
    for version in served.into_iter().flatten() {
        let Some(spec) = spec_of(plan, at, version) else {
            continue;
        };
        if let Rows::Own(set) = rows_of(spec, &at.pipeline.fingerprint) {
            sets.insert(&spec.fingerprint, set);
        }
    }
    sets.into_values().collect()
}

/// The champion, when no rows are made for it.
pub(super) fn without_rows(plan: &Plan, at: Situation<'_>) -> Option<u32> {
    let spec = spec_of(plan, at, plan.champion()?)?;
    let nobodys = rows_of(spec, &at.pipeline.fingerprint) == Rows::Nobodys;
    nobodys.then_some(spec.version)
}

/// A version that exists, or is made now.
pub(super) fn spec_of<'a>(
    plan: &'a Plan,
    at: Situation<'a>,
    served: &ServedVersion,
) -> Option<&'a ModelVersionSpec> {
    let existing = at.observed.version(served.version).map(|v| &v.spec);
    let made = plan.create().filter(|spec| spec.version == served.version);
    existing.or(made)
}
