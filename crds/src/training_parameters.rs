//! `spec.training` as numbers: every decimal and count parsed once and held against its bounds, so that
//! nothing that fits a model parses text or invents a default. The operator refuses a Pipeline with it,
//! the trainer fits with it.

use std::fmt::Display;
use std::ops::RangeInclusive;

use foresail_domain::BarGrid;

use crate::Decimal;
use crate::pipeline::spec::{ModelKind, ModelSpec, Target, TrainingSpec};
use crate::worker_config::TrainingRecipe;

/// Largest seed: what a JSON number holds exactly.
const LARGEST_SEED: u64 = (1 << 53) - 1;

/// Most feature rows that a model may look at, so that those who keep rows for models they do not know yet keep enough.
pub const LARGEST_LOOKBACK: u32 = 256;

/// What a fit depends on, beside its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingParameters {
    /// Model and its parameters.
    pub model: ModelParameters,
    /// What the model learns.
    pub target: Target,
    /// Bars ahead; every step 1..=horizon is forecast.
    pub horizon: usize,
    /// Feature rows a recurrent network looks at.
    pub lookback: usize,
    /// Share of the newest training dates that are forecast for validation.
    pub validation_fraction: f64,
    /// Parts of the validation dates.
    pub validation_folds: usize,
    /// Newest bars, in time, trained on; everything when `None`. A parsed spec has sessions here, until
    /// [`Self::counted_in`].
    pub max_sessions: Option<usize>,
    /// Most bars that may be missing between two bars of one row; any number when `None`. A parsed spec has sessions here,
    /// until [`Self::counted_in`].
    pub max_gap_sessions: Option<usize>,
    /// Random seed.
    pub seed: u64,
}

/// Parameters of every kind; each reads its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelParameters {
    /// Kind to train and serve.
    pub kind: ModelKind,
    /// Ridge penalty of Linear, relative to the number of rows.
    pub ridge: f64,
    /// Hidden units per layer.
    pub hidden: usize,
    /// Layers of a recurrent network.
    pub layers: usize,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Epochs without a better loss before a recurrent network stops; 0: never.
    pub patience: usize,
    /// Rows per gradient step.
    pub batch_size: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Share of it that is left at the end.
    pub final_learning_rate: f64,
    /// Weight decay per unit of learning rate.
    pub weight_decay: f64,
    /// Longest gradient; 0: no limit.
    pub clip_norm: f64,
    /// Probability that a value is dropped.
    pub dropout: f64,
    /// Trees per step.
    pub trees: usize,
    /// Depth of a tree.
    pub max_depth: usize,
    /// Weight of each tree.
    pub shrinkage: f64,
    /// Bars in a season.
    pub season: usize,
    /// Kinds an Ensemble averages; never Ensemble itself.
    pub members: Vec<ModelKind>,
}

/// A number that cannot be trained with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct InvalidParameter {
    /// Field, from `spec` on.
    pub field: &'static str,
    /// What it is and must be.
    pub message: String,
}

impl TrainingParameters {
    /// The same with what a spec counts in sessions counted in bars.
    #[must_use]
    pub fn counted_in(mut self, grid: &BarGrid) -> Self {
        let each = usize::try_from(grid.bars_per_session()).unwrap_or(1);
        let bars = |sessions: usize| sessions.saturating_mul(each);
        self.max_sessions = self.max_sessions.map(bars);
        self.max_gap_sessions = self.max_gap_sessions.map(bars);
        self
    }
}

impl TryFrom<&TrainingSpec> for TrainingParameters {
    type Error = InvalidParameter;

    fn try_from(spec: &TrainingSpec) -> Result<Self, InvalidParameter> {
        Self::try_from(&TrainingRecipe::from(spec))
    }
}

impl TryFrom<&TrainingRecipe> for TrainingParameters {
    type Error = InvalidParameter;

    fn try_from(spec: &TrainingRecipe) -> Result<Self, InvalidParameter> {
        let most = spec.max_sessions;
        let max_sessions = most.map(|n| count("spec.training.maxSessions", n, 1..=100_000));
        let gap = spec.max_gap_sessions;
        let max_gap = gap.map(|n| count("spec.training.maxGapSessions", n, 0..=250));
        if spec.seed > LARGEST_SEED {
            return Err(out_of_range(
                "spec.training.seed",
                spec.seed,
                0,
                LARGEST_SEED,
            ));
        }
        Ok(Self {
            model: ModelParameters::try_from(&spec.model)?,
            target: spec.target,
            horizon: count("spec.training.horizon", spec.horizon, 1..=60)?,
            lookback: count(
                "spec.training.lookback",
                spec.lookback,
                1..=LARGEST_LOOKBACK,
            )?,
            validation_fraction: number(
                "spec.training.validationFraction",
                &spec.validation_fraction,
                0.05..=0.5,
            )?,
            validation_folds: count(
                "spec.training.validationFolds",
                spec.validation_folds,
                1..=20,
            )?,
            max_sessions: max_sessions.transpose()?,
            max_gap_sessions: max_gap.transpose()?,
            seed: spec.seed,
        })
    }
}

impl TryFrom<&ModelSpec> for ModelParameters {
    type Error = InvalidParameter;

    fn try_from(spec: &ModelSpec) -> Result<Self, InvalidParameter> {
        Ok(Self {
            kind: spec.kind,
            ridge: number("spec.training.model.ridge", &spec.ridge, 0.0..=1e6)?,
            hidden: count("spec.training.model.hidden", spec.hidden, 1..=1024)?,
            layers: count("spec.training.model.layers", spec.layers, 1..=4)?,
            epochs: count("spec.training.model.epochs", spec.epochs, 1..=1000)?,
            patience: count("spec.training.model.patience", spec.patience, 0..=1000)?,
            batch_size: count("spec.training.model.batchSize", spec.batch_size, 1..=65_536)?,
            learning_rate: number(
                "spec.training.model.learningRate",
                &spec.learning_rate,
                1e-9..=10.0,
            )?,
            final_learning_rate: number(
                "spec.training.model.finalLearningRate",
                &spec.final_learning_rate,
                0.0..=1.0,
            )?,
            weight_decay: number(
                "spec.training.model.weightDecay",
                &spec.weight_decay,
                0.0..=1.0,
            )?,
            clip_norm: clip_norm(&spec.clip_norm)?,
            dropout: dropout(&spec.dropout)?,
            trees: count("spec.training.model.trees", spec.trees, 1..=2000)?,
            max_depth: count("spec.training.model.maxDepth", spec.max_depth, 1..=12)?,
            shrinkage: shrinkage(&spec.shrinkage)?,
            season: count(
                "spec.training.model.season",
                spec.season,
                1..=LARGEST_LOOKBACK,
            )?,
            members: members(&spec.members)?,
        })
    }
}

fn count(
    field: &'static str,
    value: u32,
    bounds: RangeInclusive<u32>,
) -> Result<usize, InvalidParameter> {
    let refused = || out_of_range(field, value, *bounds.start(), *bounds.end());
    if !bounds.contains(&value) {
        return Err(refused());
    }
    usize::try_from(value).map_err(|_| refused())
}

fn number(
    field: &'static str,
    value: &Decimal,
    bounds: RangeInclusive<f64>,
) -> Result<f64, InvalidParameter> {
    let within = value.as_f64().filter(|v| bounds.contains(v));
    within.ok_or_else(|| out_of_range(field, value, *bounds.start(), *bounds.end()))
}

fn out_of_range(
    field: &'static str,
    value: impl Display,
    least: impl Display,
    most: impl Display,
) -> InvalidParameter {
    refuse(field, value, &format!("between {least} and {most}"))
}

fn refuse(field: &'static str, value: impl Display, expected: &str) -> InvalidParameter {
    InvalidParameter {
        field,
        message: format!("is `{value}`; it must be {expected}"),
    }
}

fn clip_norm(value: &Decimal) -> Result<f64, InvalidParameter> {
    let within = value.as_f64().filter(|v| *v >= 0.0);
    within.ok_or_else(|| refuse("spec.training.model.clipNorm", value, "0 or above"))
}

fn dropout(value: &Decimal) -> Result<f64, InvalidParameter> {
    let within = value.as_f64().filter(|v| (0.0..1.0).contains(v));
    let expected = "0 or above and below 1";
    within.ok_or_else(|| refuse("spec.training.model.dropout", value, expected))
}

fn shrinkage(value: &Decimal) -> Result<f64, InvalidParameter> {
    let within = value.as_f64().filter(|v| *v > 0.0 && *v <= 1.0);
    let expected = "above 0 and at most 1";
    within.ok_or_else(|| refuse("spec.training.model.shrinkage", value, expected))
}

fn members(members: &[ModelKind]) -> Result<Vec<ModelKind>, InvalidParameter> {
    let field = "spec.training.model.members";
    if !(1..=8).contains(&members.len()) {
        return Err(refuse(field, members.len(), "a list of 1 to 8 kinds"));
    }
    if members.contains(&ModelKind::Ensemble) {
        return Err(refuse(field, "Ensemble", "a list of other kinds"));
    }
    Ok(members.to_vec())
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::Pipeline;

    fn parse(change: impl FnOnce(&mut Value)) -> Result<TrainingParameters, InvalidParameter> {
        let mut spec = json!({"model": {"kind": "Linear"}});
        change(&mut spec);
        let spec: TrainingSpec = serde_json::from_value(spec).unwrap();
        TrainingParameters::try_from(&spec)
    }

    #[test]
    fn defaults_are_those_the_crd_declares() {
        let found = parse(|_| {}).unwrap();
        assert_eq!((found.horizon, found.lookback, found.seed), (5, 30, 1));
        assert_eq!(found.validation_fraction, 0.2);
        let model = found.model;
        assert_eq!((model.ridge, model.learning_rate), (0.001, 0.001));
        assert_eq!((model.shrinkage, model.clip_norm), (0.05, 1.0));
    }

    #[test]
    fn a_decimal_out_of_range_or_unreadable_is_refused_and_names_its_field() {
        let model = [
            ("ridge", "-0.1"),
            ("ridge", "1000001"),
            ("learningRate", "0"),
            ("learningRate", "11"),
            ("finalLearningRate", "1.01"),
            ("weightDecay", "-1"),
            ("clipNorm", "-1"),
            ("dropout", "1"),
            ("shrinkage", "0"),
            ("shrinkage", "1e400"),
            ("learningRate", "a tenth"),
        ];
        for (field, value) in model {
            let error = parse(|spec| spec["model"][field] = json!(value)).unwrap_err();
            assert_eq!(error.field, format!("spec.training.model.{field}"));
            assert!(error.to_string().contains(&format!("`{value}`")), "{error}");
        }
        let error = parse(|spec| spec["validationFraction"] = json!("0.6")).unwrap_err();
        assert_eq!(error.field, "spec.training.validationFraction");
        assert_eq!(
            error.to_string(),
            "spec.training.validationFraction is `0.6`; it must be between 0.05 and 0.5"
        );
    }

    #[test]
    fn an_ensemble_holds_no_ensemble_and_no_nothing() {
        for members in [json!(["Linear", "Ensemble"]), json!([])] {
            let error = parse(|spec| spec["model"]["members"] = members).unwrap_err();
            assert_eq!(error.field, "spec.training.model.members");
        }
    }

    /// What the API server allows is what is allowed here, to the last number.
    #[test]
    fn counts_have_the_bounds_of_the_schema() {
        let crd = serde_json::to_value(Pipeline::crd()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let training = &spec["properties"]["training"]["properties"];
        // The Job's, not the fit's.
        let job = ["activeDeadlineSeconds", "backoffLimit"];
        let mut checked = 0;
        for (place, fields) in [
            ("/", training.as_object().unwrap()),
            (
                "/model/",
                training["model"]["properties"].as_object().unwrap(),
            ),
        ] {
            for (field, schema) in fields {
                let bound = |key: &str| schema[key].as_f64().map(|v| v as i64);
                let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) else {
                    continue;
                };
                if job.contains(&field.as_str()) {
                    continue;
                }
                let set = |value: i64| {
                    parse(|spec| match place {
                        "/" => spec[field] = json!(value),
                        _ => spec["model"][field] = json!(value),
                    })
                };
                for value in [least, most] {
                    set(value).unwrap_or_else(|e| panic!("{field} {value}: {e}"));
                }
                for value in [least - 1, most + 1].into_iter().filter(|v| *v >= 0) {
                    let error = set(value).expect_err(field);
                    let name = format!("spec.training{}{field}", place.replace('/', "."));
                    assert_eq!(error.field, name);
                }
                checked += 1;
            }
        }
        assert_eq!(checked, 14, "every count of the schema");
    }
}
