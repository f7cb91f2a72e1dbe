//! One training run from its pinned data to its reported result.

mod describe;
mod drift_reference;
mod progress;

use foresail_artifacts::Stored;
use foresail_crds::model_manifest::{Evaluation, Recipe};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::pipeline::status::{NamedNumber, TrainingResult, TrainingStatus};
use foresail_crds::worker_config::{TrainConfig, TrainingRun};
use foresail_crds::{Decimal, TrainingParameters};
use foresail_evaluation::leak_guard::GuardReport;
use foresail_model::{ModelError, Predictor};
use foresail_runtime_base::{Outside, RoleContext, RoleError};
use foresail_runtime_store::{S3Uri, Store};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::describe::Version;
use self::progress::{Progress, Stage};
use crate::data::dataset::Dataset;
use crate::data::split::{Plan, Split, split};
use crate::fit::{fit, not_fittable};
use crate::gate::{self, Comparison, GateWindow};
use crate::inputs::{Declared, baseline_kinds, parameters};
use crate::lake::{self, Bars};
use crate::validation::importance::{Importance, importance};
use crate::validation::walk_forward::{WalkForward, walk_forward};
use crate::validation::{folds, leak_guard};

const VALIDATING: Stage = Stage { from: 40, to: 65 };
const FITTING: Stage = Stage { from: 65, to: 80 };

/// Trains and reports; the error, when there is one, is reported as well.
///
/// # Errors
/// User errors (data or configuration), outside errors (S3), internal ones; the exit code follows.
pub async fn run(
    context: RoleContext<TrainConfig, TrainingStatus>,
    run: TrainingRun,
) -> Result<(), RoleError> {
    let progress = Progress {
        run_id: run.run_id.clone(),
        reporter: context.reporter,
    };
    let stored = train(&context.config, &context.outside, &run, &progress).await;
    let outcome = stored.and_then(|stored| result(&stored, &run));
    let mut status = progress.status(100, "done");
    match &outcome {
        Ok(result) => {
            tracing::info!(manifest = result.manifest_uri, "artifact complete");
            status.metrics.clone_from(&result.metrics);
            status.result = Some(result.clone());
        }
        Err(error) => {
            tracing::error!(
                reason = error.reason,
                cause = error.message,
                "training failed"
            );
            status.stage = "failed".into();
            status.error = Some(error.to_worker_error());
        }
    }
    progress.reporter.set(status);
    if !progress.reporter.flush().await {
        // The artifact is complete: the next pod finds it and only reports.
        return Err(RoleError::outside(
            "ResultNotReported",
            "the API server did not take the result; the pod is retried",
        ));
    }
    outcome.map(drop)
}

/// The artifact of a run: an earlier pod's, or a new one.
async fn train(
    config: &TrainConfig,
    outside: &Outside,
    run: &TrainingRun,
    progress: &Progress,
) -> Result<Stored, RoleError> {
    let parameters = parameters(&config.model.training)?;
    let store = Store::of_lake(&config.lake, outside)?;
    let folder = S3Uri::parse(&config.places().run(&run.run_id))?;
    if let Some(stored) = foresail_artifacts::find(&store, &folder).await? {
        tracing::info!(manifest = %stored.uri, "an earlier pod completed this run");
        return Ok(stored);
    }
    progress.report(5, "reading bars");
    let bars = lake::read(config, outside, run.delta_version).await?;
    progress.report(30, "computing features");
    let trainer = Trainer {
        config,
        run,
        parameters: &parameters,
        progress,
    };
    let kinds = baseline_kinds(parameters.model.kind);
    let data = trainer.declared().feature_rows(&bars, &kinds)?;
    let recipe = trainer.recipe();
    let plan = Plan {
        gate_sessions: recipe.gate_sessions as usize,
        max_sessions: parameters.max_sessions,
    };
    let split = split(&data, plan);
    let validation = trainer.validate(&bars, &data, &split, &kinds)?;
    progress.report(FITTING.from, "fitting");
    let (kind, epochs) = (parameters.model.kind, parameters.model.epochs);
    let on_epoch = progress.epochs(FITTING, epochs);
    let fitted = fit(kind, &split.before, &parameters, &on_epoch)?;
    progress.report(80, "comparing with the champion");
    let window = GateWindow {
        bars: &bars,
        data: &data,
        rows: &split.gate,
        parameters: &parameters,
    };
    let version = Version {
        config,
        run,
        parameters: &parameters,
        data: &data,
        rows: &split.before,
        fitted: &fitted,
        validation: &validation,
        recipe: &recipe,
        comparison: trainer.compare(&store, &fitted, &window).await?,
    };
    let manifest = version.manifest()?;
    progress.report(90, "writing the artifact");
    let documents = version.documents(&manifest)?;
    let weights = fitted.encode().map_err(|e| not_fittable(kind, &e))?;
    foresail_artifacts::write(&store, &folder, manifest, weights, documents).await
}

/// Result of validation.
struct Validation {
    guard: GuardReport,
    evaluations: Vec<Evaluation>,
    /// The kind that will be served.
    served: WalkForward,
    importance: Vec<Importance>,
}

struct Trainer<'a> {
    config: &'a TrainConfig,
    run: &'a TrainingRun,
    parameters: &'a TrainingParameters,
    progress: &'a Progress,
}

impl Trainer<'_> {
    fn declared(&self) -> Declared<'_> {
        Declared {
            features: &self.config.model.features,
            adjustment: self.config.model.adjustment,
            parameters: self.parameters,
        }
    }

    fn recipe(&self) -> Recipe {
        let gate = self.run.champion.as_ref();
        Recipe {
            training: self.config.model.training.clone(),
            gate_sessions: gate.map_or(0, |_| self.run.gate_sessions),
        }
    }

    /// Forecasts the folds with every kind, and checks the data and the folds for leaks.
    fn validate(
        &self,
        bars: &Bars,
        data: &Dataset,
        split: &Split<'_>,
        kinds: &[ModelKind],
    ) -> Result<Validation, RoleError> {
        self.progress.report(35, "looking for leaks");
        let folds = folds::declared(&split.before, self.parameters)?;
        let verdicts = leak_guard::verdicts(self.declared(), bars, folds.overlap.clone())?;
        let (mut evaluations, mut served) = (Vec::new(), None);
        for kind in kinds.iter().copied() {
            let name = format!("{kind:?}");
            let on_epoch = self.progress.folds(VALIDATING, folds.folds.len(), &name);
            let result = walk_forward(kind, &folds, self.parameters, &on_epoch)?;
            evaluations.push(result.evaluation.clone());
            if kind == self.parameters.model.kind {
                served = Some(result);
            }
        }
        let not_validated = || RoleError::internal("NotValidated", "no kind was validated");
        let served = served.ok_or_else(not_validated)?;
        let newest = folds.folds.last().map_or(&[][..], |fold| &fold.test);
        let importance = importance(&served.newest, newest, &data.names, self.parameters);
        let not_finite = |e: ModelError| RoleError::user("NotFinite", e.to_string());
        Ok(Validation {
            importance: importance.map_err(not_finite)?,
            guard: GuardReport::new(verdicts),
            evaluations,
            served,
        })
    }

    async fn compare(
        &self,
        store: &Store,
        fitted: &Predictor,
        window: &GateWindow<'_>,
    ) -> Result<Comparison, RoleError> {
        let Some(served) = &self.run.champion else {
            return Ok(Comparison::default());
        };
        let champion = gate::champion(store, served).await?;
        gate::compare_unseen(fitted, &champion, window)
    }
}

/// Numbers of the kind that is served, and of its baseline.
///
/// # Errors
/// User error `NotFinite` with the name of the number.
fn metrics(evaluations: &[Evaluation], served: ModelKind) -> Result<Vec<NamedNumber>, RoleError> {
    let mut metrics: Vec<NamedNumber> = Vec::new();
    let mut add = |name: &str, value: f64| {
        let decimal = Decimal::rounded(value).ok_or_else(|| {
            let message =
                format!("{name} of {served:?} in validation is {value}; the model diverged");
            RoleError::user("NotFinite", message)
        })?;
        metrics.push(NamedNumber {
            name: name.into(),
            value: decimal,
        });
        Ok::<_, RoleError>(())
    };
    for evaluation in evaluations {
        if evaluation.kind == served {
            add("rmse", evaluation.rmse)?;
            add("mae", evaluation.mae)?;
            add("mase", evaluation.mase)?;
            add("directionalAccuracy", evaluation.directional_accuracy)?;
            if let Some(p) = evaluation.p_value_vs_naive {
                add("pValueVsNaive", p)?;
            }
        }
        if evaluation.kind == ModelKind::Naive {
            add("naiveRmse", evaluation.rmse)?;
            add("naiveMae", evaluation.mae)?;
        }
    }
    // A served naive model is its own baseline: one entry per name.
    let mut seen = std::collections::BTreeSet::new();
    metrics.retain(|m| seen.insert(m.name.clone()));
    Ok(metrics)
}

fn result(stored: &Stored, run: &TrainingRun) -> Result<TrainingResult, RoleError> {
    let manifest = &stored.manifest;
    let through = Timestamp::from_millisecond(manifest.data.trained_through)
        .map_err(|e| RoleError::internal("BadTime", e.to_string()))?;
    Ok(TrainingResult {
        manifest_uri: stored.uri.to_string(),
        manifest_sha256: stored.sha256.clone(),
        delta_version: run.delta_version,
        trained_through: Time(through),
        fingerprint: manifest.fingerprint.clone(),
        kind: manifest.kind,
        metrics: metrics(&manifest.evaluation, manifest.kind)?,
        gate: manifest.gate.clone(),
        unseen_sessions: manifest.unseen_sessions,
        leak_guard: manifest.leak_guard.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(rmse: f64) -> Evaluation {
        Evaluation {
            kind: ModelKind::Naive,
            count: 9,
            rmse,
            mae: 0.5,
            mase: 1.0,
            directional_accuracy: 0.5,
            p_value_vs_naive: None,
            p_value_diebold_mariano: None,
            rmse_per_step: vec![rmse],
        }
    }

    #[test]
    fn a_metric_that_is_not_finite_is_an_error_that_names_it() {
        let found = metrics(&[evaluation(0.25)], ModelKind::Naive).unwrap();
        assert_eq!(
            (found[0].name.as_str(), found[0].value.0.as_str()),
            ("rmse", "0.25")
        );
        for value in [f64::NAN, f64::INFINITY] {
            let error = metrics(&[evaluation(value)], ModelKind::Naive).unwrap_err();
            assert_eq!(error.reason, "NotFinite");
            assert!(error.message.starts_with("rmse of Naive"), "{error}");
        }
    }
}
