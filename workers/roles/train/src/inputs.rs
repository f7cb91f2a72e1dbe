//! What a fit is made of, as a Pipeline declares it: shared by a run, its reproduction, its leak guard and
//! `evaluate`.

use foresail_crds::TrainingParameters;
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec, ModelKind};
use foresail_crds::worker_config::TrainingRecipe;
use foresail_domain::BarGrid;
use foresail_runtime_base::RoleError;

use crate::data::dataset::{self, Dataset, DatasetSpec};
use crate::data::gaps::Gaps;
use crate::fit::lookback;
use crate::lake::Bars;

/// Features and parameters of one Pipeline or version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared<'a> {
    pub features: &'a [FeatureSpec],
    pub adjustment: Adjustment,
    pub grid: &'a BarGrid,
    pub parameters: &'a TrainingParameters,
}

/// The numbers of `spec.training`, what is declared in sessions in bars of the grid.
///
/// # Errors
/// User error `InvalidTraining` that names the field.
pub(crate) fn parameters(
    spec: &TrainingRecipe,
    grid: &BarGrid,
) -> Result<TrainingParameters, RoleError> {
    TrainingParameters::try_from(spec)
        .map(|parameters| parameters.counted_in(grid))
        .map_err(|e| RoleError::user("InvalidTraining", format!("{e}; correct the spec")))
}

impl Declared<'_> {
    /// Rows that every one of `kinds` can look back from.
    ///
    /// # Errors
    /// User error `InvalidFeatures`.
    pub(crate) fn feature_rows(
        &self,
        bars: &Bars,
        kinds: &[ModelKind],
    ) -> Result<Dataset, RoleError> {
        let lookbacks = kinds.iter().map(|kind| lookback(self.parameters, *kind));
        let spec = DatasetSpec {
            features: self.features,
            adjustment: self.adjustment,
            lookback: lookbacks.max().unwrap_or(1),
            horizon: self.parameters.horizon,
            target: self.parameters.target,
            gaps: self.parameters.max_gap_sessions.map(|most| Gaps {
                grid: self.grid,
                most,
            }),
        };
        dataset::build(bars, &spec)
    }
}

/// The declared kind beside the baselines, each once.
pub(crate) fn baseline_kinds(declared: ModelKind) -> Vec<ModelKind> {
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
