//! One training run from its pinned data to its reported result.

use foresail_crds::Decimal;
use foresail_crds::model_manifest::{DataWindow, Evaluation, FORMAT_VERSION, ModelManifest};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::pipeline::status::{NamedNumber, TrainingResult, TrainingStatus};
use foresail_crds::worker_config::{TrainingRun, WorkerConfig};
use foresail_model::Predictor;
use foresail_recurrent::InstructionSet;
use foresail_runtime_base::{RoleError, Shutdown};
use foresail_runtime_cluster::StatusReporter;
use foresail_runtime_store::Store;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::artifact::{self, Stored};
use crate::dataset::{self, Dataset, Sample};
use crate::evaluate::evaluate;
use crate::fit::{fit, lookback, not_fittable};
use crate::lake::{self, Bars};
use crate::split::{self, Plan, Split};
use crate::{gate, reference};

/// Trains and reports; the error, when there is one, is reported as well.
///
/// # Errors
/// User errors (data or configuration), outside errors (S3), internal ones; the exit code follows.
pub async fn run(
    config: WorkerConfig,
    run: TrainingRun,
    shutdown: Shutdown,
) -> Result<(), RoleError> {
    let reporter = StatusReporter::start(&config.pipeline, "train", shutdown);
    let trainer = Trainer {
        config,
        run,
        reporter,
    };
    let outcome = trainer.train().await;
    let mut status = trainer.status(100, "done");
    match &outcome {
        Ok(stored) => {
            tracing::info!(manifest = %stored.uri, "artifact complete");
            status.metrics = metrics(&stored.manifest.evaluation, stored.manifest.kind);
            status.result = Some(result(stored, &trainer.run)?);
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
        let folder = artifact::folder(&self.config, &self.run.run_id)?;
        if let Some(stored) = artifact::find(&store, &folder).await? {
            tracing::info!(manifest = %stored.uri, "an earlier pod completed this run");
            return Ok(stored);
        }
        self.reporter.set(self.status(5, "reading bars"));
        let bars = lake::read(&self.config, self.run.delta_version).await?;
        self.reporter.set(self.status(30, "computing features"));
        let training = &self.config.training;
        let horizon = usize::try_from(training.horizon).unwrap_or(1);
        let adjustment = self.config.source.adjustment;
        let each = judged_kinds(training.model.kind);
        let lookback = each.iter().map(|kind| lookback(training, *kind)).max();
        let lookback = lookback.unwrap_or(1);
        let data = dataset::build(
            &bars,
            &self.config.features,
            adjustment,
            (lookback, horizon),
            training.target,
        )?;
        let split = split::split(&data, self.plan())?;
        self.reporter.set(self.status(50, "fitting"));
        let (fitted, evaluation) = self.fit(&split)?;
        self.reporter.set(self.status(75, "judging"));
        let gate = self.gate(&store, &fitted, &bars, &split, &data).await?;
        let rows: Vec<&Sample> = split
            .train
            .iter()
            .chain(&split.validation)
            .copied()
            .collect();
        let manifest = ModelManifest {
            format_version: FORMAT_VERSION,
            namespace: self.config.pipeline.namespace.clone(),
            pipeline: self.config.pipeline.name.clone(),
            run_id: self.run.run_id.clone(),
            code_version: env!("CARGO_PKG_VERSION").into(),
            seed: training.seed,
            data: self.window(&data, &rows),
            features: self.config.features.clone(),
            adjustment,
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
            evaluation,
            gate,
            drift_reference: reference::build(&self.config, &data, &rows)?,
        };
        self.reporter.set(self.status(90, "writing the artifact"));
        let weights = fitted.encode();
        let weights = weights.map_err(|e| not_fittable(training.model.kind, &e))?;
        artifact::write(&store, &folder, manifest, weights).await
    }

    fn plan(&self) -> Plan {
        let training = &self.config.training;
        let gate = self
            .run
            .champion
            .as_ref()
            .map_or(0, |_| self.config.gate_window_sessions);
        Plan {
            validation_fraction: training.validation_fraction.as_f64().unwrap_or(0.2),
            gate_sessions: usize::try_from(gate).unwrap_or(0),
            max_sessions: training.max_sessions.and_then(|n| usize::try_from(n).ok()),
        }
    }

    /// Scores every kind on the validation rows, then fits the declared one on training and
    /// validation rows together: what is served has seen all that it may see.
    fn fit(&self, split: &Split<'_>) -> Result<(Predictor, Vec<Evaluation>), RoleError> {
        let spec = &self.config.training;
        let wrong = |e: foresail_model::ModelError| RoleError::user("NotFinite", e.to_string());
        let naive = fit(ModelKind::Naive, &split.train, spec, &|_, _| {})?;
        let base =
            evaluate(ModelKind::Naive, &naive, &split.train, spec.target, 0.0).map_err(wrong)?;
        let mut evaluations = Vec::new();
        for kind in judged_kinds(spec.model.kind) {
            let fitted = fit(
                kind,
                &split.train,
                spec,
                &self.epochs((50, 62), "validating"),
            )?;
            let found = evaluate(kind, &fitted, &split.validation, spec.target, base.mae);
            evaluations.push(found.map_err(wrong)?);
        }
        let rows: Vec<&Sample> = split
            .train
            .iter()
            .chain(&split.validation)
            .copied()
            .collect();
        let progress = self.epochs((62, 75), "fitting");
        Ok((fit(spec.model.kind, &rows, spec, &progress)?, evaluations))
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
    ) -> Result<Option<foresail_crds::model_manifest::GateResult>, RoleError> {
        let Some(served) = &self.run.champion else {
            return Ok(None);
        };
        let champion = gate::load(store, served).await?;
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

/// The declared kind beside the baselines, each once.
fn judged_kinds(declared: ModelKind) -> Vec<ModelKind> {
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

fn metrics(evaluations: &[Evaluation], served: ModelKind) -> Vec<NamedNumber> {
    let mut metrics = Vec::new();
    let mut add = |name: &str, value: f64| {
        metrics.push(NamedNumber {
            name: name.into(),
            value: Decimal::rounded(value),
        });
    };
    for evaluation in evaluations {
        if evaluation.kind == served {
            add("rmse", evaluation.rmse);
            add("mae", evaluation.mae);
            add("mase", evaluation.mase);
            add("directionalAccuracy", evaluation.directional_accuracy);
        }
        if evaluation.kind == ModelKind::Naive {
            add("naiveRmse", evaluation.rmse);
            add("naiveMae", evaluation.mae);
        }
    }
    // A served naive model is its own baseline: one entry per name.
    let mut seen = std::collections::BTreeSet::new();
    metrics.retain(|m| seen.insert(m.name.clone()));
    metrics
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
        metrics: metrics(&manifest.evaluation, manifest.kind),
        gate: manifest.gate.clone(),
    })
}
