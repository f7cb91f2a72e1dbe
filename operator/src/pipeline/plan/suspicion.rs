//! Whether moves of the source that may be mistakes keep a run from starting. Pure.

use foresail_crds::pipeline::spec::OnSuspicion;

use super::types::{Plan, Situation};

/// Before a first version nothing is lost by waiting for a person, and a model would learn a mistake as well as the market.
/// Once a version is there it was trained on what the source had, and only a spec that says so stops the next.
pub(super) fn stops(plan: &Plan, at: Situation<'_>) -> bool {
    let ingest = at.observed.status.ingest.as_ref();
    let seen = ingest.is_some_and(|ingest| ingest.backfill_complete && ingest.suspicious_moves > 0);
    let observed = at.observed;
    let versions = observed.versions.len() + observed.unreadable_versions.len();
    let trained = versions > 0 || plan.champion().is_some() || plan.finishes();
    seen && match at.pipeline.on_suspicion {
        Some(OnSuspicion::Warn | OnSuspicion::Quarantine) => false,
        Some(OnSuspicion::Stop) => true,
        None => !trained,
    }
}
