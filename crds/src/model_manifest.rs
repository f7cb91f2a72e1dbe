//! The document that makes a model artifact complete: written last, create-only, to
//! `<lake uri>/<namespace>/<name>/models/<run id>/manifest.json`. Every file it names is
//! content-addressed and checked before use.

use serde::{Deserialize, Serialize};

use crate::pipeline::spec::{Adjustment, DriftMetric, FeatureSpec, ModelKind, Target};
use crate::worker_config::TrainingRecipe;

/// Version of this document; readers refuse others.
pub const FORMAT_VERSION: u32 = 1;

/// Everything needed to serve, monitor and reproduce one trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelManifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Namespace of the Pipeline.
    pub namespace: String,
    /// Name of the Pipeline.
    pub pipeline: String,
    /// Training run that made it.
    pub run_id: String,
    /// Program version of the trainer.
    pub code_version: String,
    /// Random seed.
    pub seed: u64,
    /// Data it was trained on.
    pub data: DataWindow,
    /// Features in the order of the input vector.
    pub features: Vec<FeatureSpec>,
    /// Price adjustment the features and labels use.
    pub adjustment: Adjustment,
    /// Fingerprint of the feature set (hex SHA-256).
    pub fingerprint: String,
    /// Bars a symbol needs before its first feature row.
    pub warm_up: u32,
    /// What is predicted.
    pub target: Target,
    /// Steps 1..=horizon, in bars.
    pub horizon: u32,
    /// Feature rows one prediction looks at (1 for kinds that see the last row only).
    pub lookback: u32,
    /// Served model.
    pub kind: ModelKind,
    /// Units per layer of networks; 0 for the other kinds.
    #[serde(default)]
    pub hidden: u32,
    /// Layers of recurrent networks; 0 for the other kinds.
    #[serde(default)]
    pub layers: u32,
    /// Rows a recurrent network looks at; 0 for the other kinds.
    #[serde(default)]
    pub sequence: u32,
    /// Bars in a season of SeasonalNaive; 0 for the other kinds.
    #[serde(default)]
    pub season: u32,
    /// Instructions the recurrent kernels were trained with: other ones round differently.
    #[serde(default)]
    pub instruction_set: String,
    /// Weight file; absent for Naive.
    pub weights: Option<ArtifactFile>,
    /// [`GoldenRequests`] as JSON; absent in versions older than this field, and where no row fits into a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<ArtifactFile>,
    /// Mean and standard deviation per feature, fitted on training rows only.
    pub scaler: ScalerParameters,
    /// Walk-forward validation result per evaluated kind, the naive forecast always among them.
    pub evaluation: Vec<Evaluation>,
    /// Spread of outcomes around the forecasts; absent in versions older than this field.
    #[serde(default)]
    pub quantiles: Option<ResidualQuantiles>,
    /// What the leak guard found; absent in versions older than this field.
    #[serde(default)]
    pub leak_guard: Option<LeakGuardResult>,
    /// How it was trained, for `foresail-trainer reproduce`; absent in versions older than this field.
    #[serde(default)]
    pub recipe: Option<Recipe>,
    /// Facts of the version as JSON (model card).
    #[serde(default)]
    pub card: Option<ArtifactFile>,
    /// The same facts as one HTML page.
    #[serde(default)]
    pub report: Option<ArtifactFile>,
    /// Challenger against champion on the gate window; absent for a first version, and where `unseenSessions` is there.
    pub gate: Option<GateResult>,
    /// Bars, in time, of the gate window that the champion had not seen in training, when they were too few to compare on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_sessions: Option<u32>,
    /// What the monitor compares live features with.
    pub drift_reference: DriftReference,
}

/// Requests whose answers are known. A program that does not give them does not compute the model that was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoldenRequests {
    /// Largest difference of a value from what is expected, relative to the larger of 1 and the expected value.
    pub tolerance: f64,
    /// In the order in which they are asked.
    pub requests: Vec<GoldenRequest>,
}

/// One window, as clients send it, and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoldenRequest {
    /// Raw feature values in the order of the manifest, `[lookback][features]`, oldest first.
    pub x: Vec<Vec<f32>>,
    /// Adjusted closes of the same rows, `[lookback]`; absent for kinds that read none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<Vec<f32>>,
    /// Expected change per step, `[horizon]`, in units of the target.
    pub y: Vec<f64>,
}

/// Parameters of a run, beside its data and features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// What it depended on in `spec.training` of that time.
    pub training: TrainingRecipe,
    /// Newest bars, in time, kept for the gate; 0 for a first version.
    pub gate_sessions: u32,
}

/// Quantiles of (actual - forecast) / close at forecast time, from walk-forward forecasts of rows the
/// model was not fitted on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResidualQuantiles {
    /// Levels, ascending, in (0, 1).
    pub levels: Vec<f64>,
    /// Per step 1..=horizon one value per level, ascending.
    pub steps: Vec<Vec<f64>>,
    /// Residuals per step.
    pub count: u64,
}

/// What the leak guard of a training run found. A version whose guard failed is never promoted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeakGuardResult {
    /// Every check was run and passed.
    pub passed: bool,
    /// One per check: Features, Fit, LabelOverlap, ShuffledLabels.
    #[schemars(length(max = 8))]
    pub checks: Vec<LeakCheck>,
}

/// One check of the leak guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeakCheck {
    /// Features (no row follows a change of its future), Fit (nothing fitted follows data after its
    /// training end), LabelOverlap (no training label reaches the test block), ShuffledLabels (no skill
    /// on labels without meaning).
    #[schemars(length(max = 32))]
    pub name: String,
    /// The check found no leak and had values to compare.
    pub passed: bool,
    /// Values, rows or dates that were compared.
    #[schemars(range(min = 0))]
    pub checked: u64,
    /// What was found, with the first evidence when it failed.
    #[schemars(length(max = 1024))]
    pub detail: String,
}

impl LeakGuardResult {
    /// The first failing check in words; `None` when all passed.
    pub fn failure(&self) -> Option<String> {
        if self.passed {
            return None;
        }
        let failed = self.checks.iter().find(|check| !check.passed);
        Some(failed.map_or_else(
            || "not every check was run".to_string(),
            |check| format!("{}: {}", check.name, check.detail),
        ))
    }
}

/// Rows and times of the training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataWindow {
    /// Delta table version read.
    pub delta_version: u64,
    /// Bars read from it.
    pub bars: u64,
    /// Feature rows used for fitting.
    pub training_rows: u64,
    /// Event time of the first training row, milliseconds UTC.
    pub first_event_time: i64,
    /// Event time of the last row whose label was used, milliseconds UTC.
    pub trained_through: i64,
    /// Event time of the newest bar seen at all (end of the gate window), milliseconds UTC.
    pub data_through: i64,
    /// Symbols trained on, sorted.
    pub symbols: Vec<String>,
    /// Bars that no feature could be computed with, and rows that reach over a gap: both were left out. Absent where there
    /// were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_bars: Vec<RefusedBars>,
}

/// Bars or rows of a training run that were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedBars {
    /// CamelCase reason: of bars as in the quarantine (NonFinite, OutOfOrder, WrongSymbol), OverGap of rows that reach over
    /// more missing sessions than `training.maxGapSessions`.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// How many.
    #[schemars(range(min = 1))]
    pub count: u64,
}

/// One file of an artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactFile {
    /// Object key below the bucket.
    pub key: String,
    /// Hex SHA-256 of the bytes.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// Per-feature standardisation: `(x - mean) / std`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalerParameters {
    /// Means, one per feature.
    pub mean: Vec<f64>,
    /// Standard deviations, one per feature; 1 where the training column was constant.
    pub std: Vec<f64>,
}

/// Errors of one model kind in the walk-forward folds of a run: each forecast is of a row whose fold was
/// fitted on labels that ended a horizon before it. Symbols are averaged per date first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Model kind.
    pub kind: ModelKind,
    /// Rows forecast, each with all its steps.
    pub count: u64,
    /// Root mean squared error over all steps, in relative price units (error / close at forecast time).
    pub rmse: f64,
    /// Mean absolute error, same units.
    pub mae: f64,
    /// MAE divided by the MAE of the naive forecast on the training rows of the fold; 0 where that is 0.
    pub mase: f64,
    /// Share of moves at the last step whose sign was forecast, 0..1; a forecast of no move counts half.
    pub directional_accuracy: f64,
    /// One-sided Clark-West p-value of "not better than naive", over all steps; absent for Naive.
    #[serde(default)]
    pub p_value_vs_naive: Option<f64>,
    /// One-sided Diebold-Mariano p-value of the same; absent for Naive and in versions older than this
    /// field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value_diebold_mariano: Option<f64>,
    /// RMSE per step 1..=horizon.
    pub rmse_per_step: Vec<f64>,
}

/// Challenger against champion and naive on a window unseen by both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateResult {
    /// Version number of the champion it was compared with.
    pub champion_version: u32,
    /// Forecast dates compared (symbols averaged per date).
    #[schemars(range(min = 0))]
    pub dates: u32,
    /// RMSE of the challenger.
    pub challenger_rmse: crate::Decimal,
    /// RMSE of the champion.
    pub champion_rmse: crate::Decimal,
    /// RMSE of the naive forecast.
    pub naive_rmse: crate::Decimal,
    /// Relative improvement over the champion, `1 - challenger/champion` in RMSE; negative = worse.
    pub effect: crate::Decimal,
    /// One-sided p-value of "the challenger is not better" (Diebold-Mariano, HAC variance).
    pub p_value: crate::Decimal,
}

/// What a gate measured, not yet written as decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateMeasurement {
    /// Version number of the champion.
    pub champion_version: u32,
    /// Forecast dates compared.
    pub dates: u32,
    /// RMSE of the challenger.
    pub challenger_rmse: f64,
    /// RMSE of the champion.
    pub champion_rmse: f64,
    /// RMSE of the naive forecast.
    pub naive_rmse: f64,
    /// Relative improvement over the champion.
    pub effect: f64,
    /// One-sided p-value of "the challenger is not better".
    pub p_value: f64,
}

/// Why a measurement is no result: the number that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotComparable {
    /// The challenger's error, or how much larger it is than the champion's.
    Challenger,
    /// The champion's error.
    Champion,
    /// The error of the naive forecast.
    Naive,
    /// The p-value.
    PValue,
}

impl TryFrom<GateMeasurement> for GateResult {
    type Error = NotComparable;

    /// The only writer of a result: a number that is not finite never becomes one that looks good.
    fn try_from(measured: GateMeasurement) -> Result<Self, NotComparable> {
        let decimal = |value: f64, whose| crate::Decimal::rounded(value).ok_or(whose);
        Ok(Self {
            champion_version: measured.champion_version,
            dates: measured.dates,
            challenger_rmse: decimal(measured.challenger_rmse, NotComparable::Challenger)?,
            champion_rmse: decimal(measured.champion_rmse, NotComparable::Champion)?,
            naive_rmse: decimal(measured.naive_rmse, NotComparable::Naive)?,
            effect: decimal(measured.effect, NotComparable::Challenger)?,
            p_value: decimal(measured.p_value, NotComparable::PValue)?,
        })
    }
}

/// Reference distribution of the features and calibrated thresholds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftReference {
    /// Bars, in time, in one current window.
    pub window_sessions: u32,
    /// One entry per feature of the model.
    pub features: Vec<FeatureReference>,
    /// Bars of the trading calendar in a year; 0 in versions older than this field.
    #[serde(default)]
    pub sessions_per_year: f64,
    /// Windows that end on consecutive bars and share one number in `psiScores` and `ksScores`, their largest; 0 in
    /// versions older than this field.
    #[serde(default)]
    pub windows_per_score: u32,
    /// Levels of all features together. Older trainers wrote them; empty where the features have scores of their own.
    pub calibration: Vec<DriftCalibration>,
}

/// Reference of one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureReference {
    /// Feature name.
    pub name: String,
    /// Inner bin edges for PSI (deciles of the reference), ascending.
    pub edges: Vec<f64>,
    /// Reference share of each bin, `edges.len() + 1` values summing to 1.
    pub shares: Vec<f64>,
    /// Reference quantiles at equally spaced probabilities 0..=1, at least 200, for KS.
    pub quantiles: Vec<f64>,
    /// Scale of this feature's PSI and KS in the combined score (95 % point inside the reference).
    pub psi_scale: f64,
    /// Same for KS.
    pub ks_scale: f64,
    /// PSI of the windows inside the reference, each against the reference without it, in order of time: thousandths of
    /// `psiScale`, rounded up. The monitor makes the alarm level of the features it watches from these; empty in
    /// versions older than this field.
    #[serde(default)]
    pub psi_scores: Vec<u64>,
    /// Same for KS.
    #[serde(default)]
    pub ks_scores: Vec<u64>,
}

/// Alarm level of the largest scaled score of all features, as older trainers wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftCalibration {
    /// PSI or KS.
    pub metric: DriftMetric,
    /// Alarm episodes per year at the declared budget were at most this level.
    pub threshold: f64,
}
