//! Fits a kind on given rows. The scaler sees those rows only.

use foresail_crds::model_manifest::ScalerParameters;
use foresail_crds::pipeline::spec::{ModelKind, TrainingSpec};
use foresail_model::boosted::{self, Boosted};
use foresail_model::ensemble::Ensemble;
use foresail_model::linear::Linear;
use foresail_model::recurrent::Recurrent;
use foresail_model::{ModelError, Part, Predictor, Sizes, scaler};
use foresail_runtime_base::RoleError;

use crate::dataset::Sample;
use crate::network::{self, Examples};
use crate::split::hold_out;
use crate::{evaluate, recurrent};

/// Share of the newest dates that early stopping looks at.
const STOPPING: f64 = 0.1;
/// Share of the newest dates that weigh the members of an ensemble.
const WEIGHING: f64 = 0.2;

/// What one fit works with.
struct Work<'a> {
    samples: &'a [&'a Sample],
    scaler: &'a ScalerParameters,
    sizes: Sizes,
    spec: &'a TrainingSpec,
    progress: &'a dyn Fn(u32, f64),
}

/// Fits `kind` on samples in order of time. `progress` hears of the epochs of a network.
///
/// # Errors
/// User errors `NotFittable` and `LossNotFinite`.
pub(crate) fn fit(
    kind: ModelKind,
    samples: &[&Sample],
    spec: &TrainingSpec,
    progress: &dyn Fn(u32, f64),
) -> Result<Predictor, RoleError> {
    let raw: Vec<&[f64]> = samples.iter().map(|s| s.values()).collect();
    let scaler = scaler::fit(&raw);
    let sizes = sizes(spec, scaler.mean.len());
    let work = Work {
        samples,
        scaler: &scaler,
        sizes,
        spec,
        progress,
    };
    let part = work.part(kind)?;
    Ok(Predictor::new(part, scaler, sizes))
}

/// Sizes of every part a spec can ask for.
pub(crate) fn sizes(spec: &TrainingSpec, features: usize) -> Sizes {
    let size = |n: u32| usize::try_from(n).unwrap_or(1).max(1);
    Sizes {
        features,
        steps: size(spec.horizon),
        hidden: size(spec.model.hidden),
        layers: size(spec.model.layers),
        sequence: size(spec.lookback),
        season: size(spec.model.season),
        target: spec.target,
    }
}

/// Rows a kind looks at as this spec declares it.
pub(crate) fn lookback(spec: &TrainingSpec, kind: ModelKind) -> usize {
    let sizes = sizes(spec, 0);
    let members = spec.model.members.iter().map(|kind| sizes.lookback(*kind));
    match kind {
        ModelKind::Ensemble => members.max().unwrap_or(1),
        other => sizes.lookback(other),
    }
}

/// User error `NotFittable`.
pub(crate) fn not_fittable(kind: ModelKind, error: &ModelError) -> RoleError {
    RoleError::user("NotFittable", format!("{kind:?}: {error}"))
}

impl Work<'_> {
    fn part(&self, kind: ModelKind) -> Result<Part, RoleError> {
        let model = &self.spec.model;
        let wrong = |e: ModelError| not_fittable(kind, &e);
        Ok(match kind {
            ModelKind::Naive => Part::Naive,
            ModelKind::SeasonalNaive => Part::Seasonal(self.sizes.season),
            ModelKind::Linear => {
                let (rows, labels) = self.rows();
                let ridge = model.ridge.as_f64().unwrap_or(0.0);
                Part::Linear(Linear::fit(&rows, &labels, ridge).map_err(wrong)?)
            }
            ModelKind::GradientBoosting => {
                let (rows, labels) = self.rows();
                let settings = boosted::Settings {
                    trees: usize::try_from(model.trees).unwrap_or(1),
                    depth: usize::try_from(model.max_depth).unwrap_or(1),
                    shrinkage: model.shrinkage.as_f64().unwrap_or(0.05) as f32,
                    seed: self.spec.seed,
                };
                Part::Boosted(Boosted::fit(&rows, &labels, settings).map_err(wrong)?)
            }
            ModelKind::Mlp => {
                let examples = examples(self.samples, self.scaler, (1, self.sizes.steps));
                let network = network::train(&examples, self.spec, self.progress)?;
                Part::Perceptron(Box::new(network))
            }
            ModelKind::Lstm | ModelKind::Gru => self.recurrent(kind)?,
            ModelKind::Ensemble => self.ensemble()?,
        })
    }

    /// Scaled rows and labels.
    fn rows(&self) -> (Vec<Vec<f64>>, Vec<&[f64]>) {
        let known = self.samples.iter().filter_map(|s| {
            let labels = s.labels.as_deref()?;
            Some((scaler::apply(self.scaler, s.values()), labels))
        });
        known.unzip()
    }

    fn recurrent(&self, kind: ModelKind) -> Result<Part, RoleError> {
        let sizes = (self.sizes.sequence, self.sizes.steps);
        let of = |samples: &[&Sample]| examples(samples, self.scaler, sizes);
        let shape = self.sizes.recurrent(kind);
        let shape = shape.ok_or_else(|| RoleError::internal("NoShape", format!("{kind:?}")))?;
        let weights = if self.spec.model.patience > 0 {
            let (older, newer) = hold_out(self.samples, STOPPING);
            let (older, newer) = (of(&older), of(&newer));
            recurrent::train((&older, Some(&newer)), shape, self.spec, self.progress)?
        } else {
            recurrent::train((&of(self.samples), None), shape, self.spec, self.progress)?
        };
        let network = Recurrent::new(weights).map_err(|e| not_fittable(kind, &e))?;
        Ok(Part::Recurrent(network))
    }

    /// Weights are inverse to the squared error on the newest dates (Bates and Granger 1969), by members
    /// fitted on the dates before them; then every member is fitted on all rows.
    fn ensemble(&self) -> Result<Part, RoleError> {
        let (older, newer) = hold_out(self.samples, WEIGHING);
        let mut members = Vec::new();
        for kind in &self.spec.model.members {
            let trial = fit(*kind, &older, self.spec, self.progress)?;
            let error = evaluate::mean_squared_error(&trial, &newer, self.spec.target)
                .map_err(|e| not_fittable(*kind, &e))?;
            members.push((*kind, 1.0 / error.max(f64::MIN_POSITIVE), self.part(*kind)?));
        }
        let ensemble = Ensemble::new(members);
        let ensemble = ensemble.map_err(|e| not_fittable(ModelKind::Ensemble, &e))?;
        tracing::info!(weights = ?ensemble.weights(), "ensemble weighed");
        Ok(Part::Ensemble(ensemble))
    }
}

/// Scaled inputs and labels, flat.
fn examples(
    samples: &[&Sample],
    scaler: &ScalerParameters,
    (rows, steps): (usize, usize),
) -> Examples {
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    let mut count = 0;
    for sample in samples {
        let Some(label) = &sample.labels else {
            continue;
        };
        for row in sample.rows(rows) {
            inputs.extend(
                scaler::apply(scaler, row.values)
                    .into_iter()
                    .map(|v| v as f32),
            );
        }
        labels.extend(label.iter().map(|v| *v as f32));
        count += 1;
    }
    Examples {
        inputs,
        labels,
        count,
        rows,
        features: scaler.mean.len(),
        steps,
    }
}
