//! One training run from its pinned data to its reported result.

use foresail_artifacts::{Documents, Stored};
use foresail_crds::model_manifest::{
    DataWindow, Evaluation, FORMAT_VERSION, GateResult, ModelManifest, Recipe,
};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::pipeline::status::{NamedNumber, TrainingResult, TrainingStatus};
use foresail_crds::worker_config::{TrainingRun, WorkerConfig};
use foresail_crds::{Decimal, Role};
use foresail_evaluation::leak_guard::GuardReport;
use foresail_model::Predictor;
use foresail_recurrent::InstructionSet;
use foresail_runtime_base::{RoleError, Shutdown};
use foresail_runtime_cluster::StatusReporter;
use foresail_runtime_store::{S3Uri, Store};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::card::{self, Card};
use crate::dataset::{Dataset, Sample};
use crate::fit::{fit, not_fittable};
use crate::guards::{self, Subject};
use crate::importance::{self, Importance};
use crate::lake::{self, Bars};
use crate::split::Split;
use crate::validate::{self, Judged};
use crate::{gate, learn, reference, report};

/// Trains and reports; the error, when there is one, is reported as well.
///
/// # Errors
/// User errors (data or configuration), outside errors (S3), internal ones; the exit code follows.
pub async fn run(
    config: WorkerConfig,
    run: TrainingRun,
    shutdown: Shutdown,
) -> Result<(), RoleError> {
    let reporter = StatusReporter::start(&config.pipeline, Role::Train, shutdown);
    let trainer = Trainer {
        config,
        run,
        reporter,
    };
    let stored = trainer.train().await;
    let outcome = stored.and_then(|stored| result(&stored, &trainer.run));
    let mut status = trainer.status(100, "done");
    match &outcome {
        Ok(result) => {
            tracing::info!(manifest = result.manifest_uri, "artifact complete");
            status.metrics.clone_from(&result.metrics);
            status.result = Some(result.clone());
        }
        Err(error) => {
            tracing::error!(
                reason = error.reason,
                message = error.message,
                "training failed"
            );
            status.stage = "failed".into();
            status.error = Some(error.to_worker_error());
        }
    }
    trainer.reporter.set(status);
    if !trainer.reporter.flush().await {
        // The artifact is complete: the next pod finds it and only reports.
        return Err(RoleError::outside(
            "ResultNotReported",
            "the API server did not take the result; the pod is retried",
        ));
    }
    outcome.map(drop)
}

/// What validation found.
struct Found {
    guard: GuardReport,
    evaluations: Vec<Evaluation>,
    /// The kind that will be served.
    judged: Judged,
    importance: Vec<Importance>,
}

struct Trainer {
    config: WorkerConfig,
    run: TrainingRun,
    reporter: StatusReporter<TrainingStatus>,
}

impl Trainer {
    fn status(&self, percent: u32, stage: &str) -> TrainingStatus {
        tracing::info!(percent, stage, "progress");
        TrainingStatus {
            run_id: self.run.run_id.clone(),
            progress_percentage: percent,
            stage: stage.into(),
            last_updated_time: Some(Time(Timestamp::now())),
            ..TrainingStatus::default()
        }
    }

    async fn train(&self) -> Result<Stored, RoleError> {
        let store = Store::of_lake(&self.config.lake)?;
        let folder = S3Uri::parse(&self.config.places().run(&self.run.run_id))?;
        if let Some(stored) = foresail_artifacts::find(&store, &folder).await? {
            tracing::info!(manifest = %stored.uri, "an earlier pod completed this run");
            return Ok(stored);
        }
        self.reporter.set(self.status(5, "reading bars"));
        let bars = lake::read(&self.config, self.run.delta_version).await?;
        self.reporter.set(self.status(30, "computing features"));
        let recipe = self.recipe();
        let declared = (
            self.config.features.as_slice(),
            self.config.source.adjustment,
        );
        let training = &self.config.training;
        let kinds = learn::judged_kinds(training.model.kind);
        let data = learn::rows(&bars, declared, training, &kinds)?;
        let split = learn::parts(&data, &recipe);
        let found = self.validate((&bars, &data), &split, &kinds)?;
        self.reporter.set(self.status(65, "fitting"));
        let epochs = self.epochs((65, 80), "fitting");
        let fitted = fit(training.model.kind, &split.before, training, &epochs)?;
        self.reporter.set(self.status(80, "judging"));
        let gate = self.gate(&store, &fitted, &bars, &split, &data).await?;
        let manifest = self.manifest((&data, &split), (&fitted, &found), (&recipe, gate))?;
        self.reporter.set(self.status(90, "writing the artifact"));
        let documents = self.documents(&found, &manifest, recipe)?;
        let weights = fitted.encode();
        let weights = weights.map_err(|e| not_fittable(training.model.kind, &e))?;
        foresail_artifacts::write(&store, &folder, manifest, weights, documents).await
    }

    fn recipe(&self) -> Recipe {
        let gate = self.run.champion.as_ref();
        Recipe {
            training: self.config.training.clone(),
            gate_sessions: gate.map_or(0, |_| self.config.gate_window_sessions),
        }
    }

    /// Judges every kind in the folds, and the folds themselves.
    fn validate(
        &self,
        (bars, data): (&Bars, &Dataset),
        split: &Split<'_>,
        kinds: &[ModelKind],
    ) -> Result<Found, RoleError> {
        let spec = &self.config.training;
        self.reporter.set(self.status(35, "looking for leaks"));
        let (folds, overlap) = validate::folds(&split.before, spec)?;
        let verdicts = Subject::of(&self.config, spec).verdicts(bars, overlap)?;
        let (mut evaluations, mut served) = (Vec::new(), None);
        for kind in kinds.iter().copied() {
            let count = folds.len();
            let progress = |fold: usize, epoch: u32, loss: f64| {
                let at = 40 + 25 * fold / count.max(1);
                let percent = u32::try_from(at).unwrap_or(40);
                let stage = format!(
                    "validating {kind:?}, fold {} of {count}, epoch {epoch}, loss {loss:.4}",
                    fold + 1
                );
                self.reporter.set(self.status(percent, &stage));
            };
            let judged = validate::judge(kind, &folds, spec, &progress)?;
            evaluations.push(judged.evaluation.clone());
            if kind == spec.model.kind {
                served = Some(judged);
            }
        }
        let judged =
            served.ok_or_else(|| RoleError::internal("NotJudged", "no kind was judged"))?;
        let newest = folds.last().map_or(&[][..], |fold| &fold.test);
        let wrong = |e: foresail_model::ModelError| RoleError::user("NotFinite", e.to_string());
        let importance = (spec.target, spec.seed);
        let importance = importance::of(&judged.newest, newest, &data.names, importance);
        Ok(Found {
            importance: importance.map_err(wrong)?,
            guard: GuardReport::new(verdicts),
            evaluations,
            judged,
        })
    }

    fn manifest(
        &self,
        (data, split): (&Dataset, &Split<'_>),
        (fitted, found): (&Predictor, &Found),
        (recipe, gate): (&Recipe, Option<GateResult>),
    ) -> Result<ModelManifest, RoleError> {
        let training = &self.config.training;
        let horizon = fitted.horizon();
        let quantiles = validate::quantiles(&found.judged.records, horizon);
        let quantiles = quantiles.map_err(|e| RoleError::user("NotFinite", e.to_string()))?;
        Ok(ModelManifest {
            format_version: FORMAT_VERSION,
            namespace: self.config.pipeline.namespace.clone(),
            pipeline: self.config.pipeline.name.clone(),
            run_id: self.run.run_id.clone(),
            code_version: env!("CARGO_PKG_VERSION").into(),
            seed: training.seed,
            data: self.window(data, &split.before),
            features: self.config.features.clone(),
            adjustment: self.config.source.adjustment,
            fingerprint: data.fingerprint.clone(),
            warm_up: data.warm_up,
            target: training.target,
            horizon: training.horizon,
            lookback: u32::try_from(fitted.lookback()).unwrap_or(u32::MAX),
            kind: training.model.kind,
            hidden: training.model.hidden,
            layers: training.model.layers,
            sequence: training.lookback,
            season: training.model.season,
            instruction_set: InstructionSet::detect().name().into(),
            weights: None,
            scaler: fitted.scaler().clone(),
            evaluation: found.evaluations.clone(),
            quantiles: Some(quantiles),
            leak_guard: Some(guards::stored(&found.guard)),
            recipe: Some(recipe.clone()),
            card: None,
            report: None,
            gate,
            drift_reference: reference::build(&self.config, data, &split.before)?,
        })
    }

    /// Model card and report.
    fn documents(
        &self,
        found: &Found,
        manifest: &ModelManifest,
        recipe: Recipe,
    ) -> Result<Documents, RoleError> {
        let training = &self.config.training;
        let horizon = usize::try_from(training.horizon).unwrap_or(1);
        let per_year = self.config.calendar.sessions_per_year();
        let judged = &found.judged;
        let card = Card {
            namespace: manifest.namespace.clone(),
            pipeline: manifest.pipeline.clone(),
            run_id: manifest.run_id.clone(),
            code_version: manifest.code_version.clone(),
            instruction_set: manifest.instruction_set.clone(),
            kind: judged.kind,
            fingerprint: manifest.fingerprint.clone(),
            adjustment: manifest.adjustment,
            data: manifest.data.clone(),
            features: manifest.features.clone(),
            recipe,
            evaluation: found.evaluations.clone(),
            breakdown: judged.breakdown.clone(),
            years: card::years(&judged.records),
            coverage: validate::coverage(&judged.records, horizon, training.seed),
            simulation: card::simulate(judged, &manifest.data.symbols, (horizon, per_year)),
            cost_bps: card::COST_BPS,
            importance: found.importance.clone(),
            gate: manifest.gate.clone(),
            leak_guard: found.guard.clone(),
        };
        let json = serde_json::to_vec_pretty(&card);
        Ok(Documents {
            report: report::html(&card, judged).into_bytes(),
            card: json.map_err(|e| RoleError::internal("CardInvalid", e.to_string()))?,
        })
    }

    /// Tells each epoch, between two percentages.
    fn epochs(&self, (from, to): (u32, u32), doing: &'static str) -> impl Fn(u32, f64) {
        let epochs = self.config.training.model.epochs.max(1);
        move |epoch, loss| {
            let percent = from + (to - from) * epoch.min(epochs) / epochs;
            let stage = format!("{doing}, epoch {epoch} of {epochs}, loss {loss:.4}");
            self.reporter.set(self.status(percent, &stage));
        }
    }

    async fn gate(
        &self,
        store: &Store,
        fitted: &Predictor,
        bars: &Bars,
        split: &Split<'_>,
        data: &Dataset,
    ) -> Result<Option<GateResult>, RoleError> {
        let Some(served) = &self.run.champion else {
            return Ok(None);
        };
        let champion = gate::champion(store, served).await?;
        gate::compare(fitted, &champion, bars, &split.gate, (data, &self.config)).map(Some)
    }

    fn window(&self, data: &Dataset, rows: &[&Sample]) -> DataWindow {
        DataWindow {
            delta_version: self.run.delta_version,
            bars: data.bars,
            training_rows: rows.len() as u64,
            first_event_time: rows.first().map_or(0, |s| s.event_time),
            trained_through: rows.iter().map(|s| s.event_time).max().unwrap_or(0),
            data_through: data.data_through,
            symbols: data.symbols.clone(),
        }
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
