//! From bars to rows to learn from, as a recipe says: shared by a run, its reproduction, its guards and
//! `evaluate`.

use foresail_crds::model_manifest::Recipe;
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec, ModelKind, TrainingSpec};
use foresail_runtime_base::RoleError;

use crate::dataset::{self, Dataset};
use crate::fit::lookback;
use crate::lake::Bars;
use crate::split::{self, Plan, Split};

/// Rows that every one of `kinds` can look back from.
///
/// # Errors
/// User error `InvalidFeatures`.
pub(crate) fn rows(
    bars: &Bars,
    (features, adjustment): (&[FeatureSpec], Adjustment),
    training: &TrainingSpec,
    kinds: &[ModelKind],
) -> Result<Dataset, RoleError> {
    let lookback = kinds.iter().map(|kind| lookback(training, *kind)).max();
    let sizes = (
        lookback.unwrap_or(1),
        usize::try_from(training.horizon).unwrap_or(1),
    );
    dataset::build(bars, features, adjustment, sizes, training.target)
}

/// Rows to learn from and rows of the gate.
pub(crate) fn parts<'a>(data: &'a Dataset, recipe: &Recipe) -> Split<'a> {
    let most = recipe.training.max_sessions;
    let plan = Plan {
        gate_sessions: usize::try_from(recipe.gate_sessions).unwrap_or(0),
        max_sessions: most.and_then(|n| usize::try_from(n).ok()),
    };
    split::split(data, plan)
}

/// The declared kind beside the baselines, each once.
pub(crate) fn judged_kinds(declared: ModelKind) -> Vec<ModelKind> {
    let mut kinds = vec![
        ModelKind::Naive,
        ModelKind::SeasonalNaive,
        ModelKind::Linear,
        declared,
    ];
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
