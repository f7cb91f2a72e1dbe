//! Fits a kind on given rows. The scaler sees those rows only.

mod network;
mod recurrent;

use foresail_crds::TrainingParameters;
use foresail_crds::model_manifest::ScalerParameters;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_model::boosted::{self, Boosted};
use foresail_model::ensemble::Ensemble;
use foresail_model::linear::Linear;
use foresail_model::recurrent::Recurrent;
use foresail_model::{FittedModel, ModelError, Predictor, SingleModel, Sizes, scaler};
use foresail_runtime_base::RoleError;

use crate::data::dataset::Sample;
use crate::data::split::hold_out;
use crate::errors;
use crate::fit::network::Examples;

/// Share of the newest dates that early stopping looks at.
const STOPPING: f64 = 0.1;
/// Share of the newest dates that weigh the members of an ensemble.
const WEIGHING: f64 = 0.2;

/// Called after each epoch of a network: its number from 1, and the mean loss in it.
pub(crate) type Progress<'a> = &'a dyn Fn(usize, f64);

/// Progress nobody follows.
pub(crate) const SILENT: Progress<'static> = &|_, _| {};

/// What one fit works with.
struct Work<'a> {
    samples: &'a [&'a Sample],
    scaler: &'a ScalerParameters,
    sizes: Sizes,
    parameters: &'a TrainingParameters,
    progress: Progress<'a>,
}

/// Fits `kind` on samples in order of time. `progress` is called after each epoch of a network.
///
/// # Errors
/// User errors `NotFittable` and `LossNotFinite`.
pub(crate) fn fit(
    kind: ModelKind,
    samples: &[&Sample],
    parameters: &TrainingParameters,
    progress: Progress,
) -> Result<Predictor, RoleError> {
    let raw: Vec<&[f64]> = samples.iter().map(|s| s.values()).collect();
    let scaler = scaler::fit(&raw);
    let sizes = sizes(parameters, scaler.mean.len());
    let work = Work {
        samples,
        scaler: &scaler,
        sizes,
        parameters,
        progress,
    };
    let model = work.model(kind)?;
    Ok(Predictor::new(model, scaler, sizes))
}

/// Sizes of every model a Pipeline can ask for.
pub(crate) fn sizes(parameters: &TrainingParameters, features: usize) -> Sizes {
    let model = &parameters.model;
    Sizes {
        features,
        steps: parameters.horizon,
        hidden: model.hidden,
        layers: model.layers,
        sequence: parameters.lookback,
        season: model.season,
        target: parameters.target,
    }
}

/// Rows a kind looks at.
pub(crate) fn lookback(parameters: &TrainingParameters, kind: ModelKind) -> usize {
    let sizes = sizes(parameters, 0);
    let members = parameters
        .model
        .members
        .iter()
        .map(|kind| sizes.lookback(*kind));
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
    fn model(&self, kind: ModelKind) -> Result<FittedModel, RoleError> {
        if kind == ModelKind::Ensemble {
            return self.ensemble().map(FittedModel::from);
        }
        self.single(kind).map(FittedModel::from)
    }

    fn single(&self, kind: ModelKind) -> Result<SingleModel, RoleError> {
        let model = &self.parameters.model;
        let to_error = |e: ModelError| not_fittable(kind, &e);
        Ok(match kind {
            ModelKind::Naive => SingleModel::Naive,
            ModelKind::SeasonalNaive => SingleModel::Seasonal(self.sizes.season),
            ModelKind::Linear => {
                let (rows, labels) = self.rows();
                SingleModel::Linear(Linear::fit(&rows, &labels, model.ridge).map_err(to_error)?)
            }
            ModelKind::GradientBoosting => {
                let (rows, labels) = self.rows();
                let settings = boosted::Settings {
                    trees: model.trees,
                    depth: model.max_depth,
                    shrinkage: model.shrinkage as f32,
                    seed: self.parameters.seed,
                };
                SingleModel::Boosted(Boosted::fit(&rows, &labels, settings).map_err(to_error)?)
            }
            ModelKind::Mlp => {
                let examples = self.examples(self.samples, 1);
                let network = network::train(&examples, self.parameters, self.progress)?;
                SingleModel::Perceptron(Box::new(network))
            }
            ModelKind::Lstm | ModelKind::Gru => self.recurrent(kind)?,
            ModelKind::Ensemble => {
                let error = ModelError::Input("an ensemble is a member".into());
                return Err(to_error(error));
            }
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

    fn recurrent(&self, kind: ModelKind) -> Result<SingleModel, RoleError> {
        let sequences = |samples: &[&Sample]| self.examples(samples, self.sizes.sequence);
        let shape = self.sizes.recurrent(kind);
        let shape = shape.ok_or_else(|| RoleError::internal("NoShape", format!("{kind:?}")))?;
        let (examples, held_out) = if self.parameters.model.patience > 0 {
            let parts = hold_out(self.samples, STOPPING);
            (sequences(&parts.older), Some(sequences(&parts.newer)))
        } else {
            (sequences(self.samples), None)
        };
        let data = recurrent::Data {
            examples: &examples,
            held_out: held_out.as_ref(),
        };
        let weights = recurrent::train(&data, shape, self.parameters, self.progress)?;
        let network = Recurrent::new(weights).map_err(|e| not_fittable(kind, &e))?;
        Ok(SingleModel::Recurrent(network))
    }

    /// Weights are inverse to the squared error on the newest dates (Bates and Granger 1969), by members
    /// fitted on the dates before them; then every member is fitted on all rows.
    fn ensemble(&self) -> Result<Ensemble, RoleError> {
        let parts = hold_out(self.samples, WEIGHING);
        let mut members = Vec::new();
        for kind in &self.parameters.model.members {
            let trial = fit(*kind, &parts.older, self.parameters, self.progress)?;
            let error = errors::mean_squared_error(&trial, &parts.newer, self.parameters.target)
                .map_err(|e| not_fittable(*kind, &e))?;
            members.push((
                *kind,
                1.0 / error.max(f64::MIN_POSITIVE),
                self.single(*kind)?,
            ));
        }
        let ensemble = Ensemble::new(members);
        let ensemble = ensemble.map_err(|e| not_fittable(ModelKind::Ensemble, &e))?;
        tracing::info!(weights = ?ensemble.weights(), "ensemble weighed");
        Ok(ensemble)
    }

    /// Scaled inputs of `rows` rows and labels, flat.
    fn examples(&self, samples: &[&Sample], rows: usize) -> Examples {
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        let mut count = 0;
        for sample in samples {
            let Some(label) = &sample.labels else {
                continue;
            };
            for row in sample.rows(rows) {
                let scaled = scaler::apply(self.scaler, row.values);
                inputs.extend(scaled.into_iter().map(|v| v as f32));
            }
            labels.extend(label.iter().map(|v| *v as f32));
            count += 1;
        }
        Examples {
            inputs,
            labels,
            count,
            rows,
            features: self.scaler.mean.len(),
            steps: self.sizes.steps,
        }
    }
}
