//! One training run from its pinned data to its reported result.

mod describe;
mod drift_reference;
mod make;
mod progress;

use std::sync::Arc;

use foresail_artifacts::Stored;
use foresail_crds::Decimal;
use foresail_crds::model_manifest::Evaluation;
use foresail_crds::pipeline::spec::{FeatureSetSpec, ModelKind};
use foresail_crds::pipeline::status::{NamedNumber, TrainingResult, TrainingStatus};
use foresail_crds::worker_config::{TrainConfig, TrainingRun};
use foresail_runtime_base::{Outside, RoleContext, RoleError, spawn_blocking};
use foresail_runtime_store::{S3Uri, Store};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::make::{Inputs, Made, make};
use self::progress::Progress;
use crate::gate;
use crate::inputs::parameters;
use crate::lake;

/// Trains and reports; the error, when there is one, is reported as well.
///
/// # Errors
/// User errors (data or configuration), outside errors (S3), internal ones; the exit code follows.
pub async fn run(
    context: RoleContext<TrainConfig, TrainingStatus>,
    run: TrainingRun,
) -> Result<(), RoleError> {
    let progress = Arc::new(Progress::new(run.run_id.clone(), context.reporter));
    let stored = train(&context.config, &context.outside, &run, &progress).await;
    let outcome = stored.and_then(|stored| result(&stored, &run));
    progress.end(|status| match &outcome {
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
    });
    if !progress.flush().await {
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
    progress: &Arc<Progress>,
) -> Result<Stored, RoleError> {
    let grid = config.model.bar_grid();
    let parameters = parameters(&config.model.training, &grid)?;
    let store = Store::of_lake(&config.lake, outside)?;
    let folder = S3Uri::parse(&config.places().run(&run.run_id))?;
    if let Some(stored) = foresail_artifacts::find(&store, &folder).await? {
        tracing::info!(manifest = %stored.uri, "an earlier pod completed this run");
        return Ok(stored);
    }
    progress.report(5, "reading bars");
    let bars = lake::read(config, outside, run.delta_version).await?;
    let bars = lake::of_symbols(bars, &config.model.symbols());
    let champion = match &run.champion {
        Some(served) => Some(gate::champion(&store, served).await?),
        None => None,
    };
    let inputs = Inputs {
        config: config.clone(),
        grid,
        run: run.clone(),
        parameters,
        bars,
        champion,
    };
    let made = off_the_runtime(inputs, Arc::clone(progress)).await?;
    progress.report(90, "writing the artifact");
    foresail_artifacts::write(&store, &folder, made.manifest, made.weights, made.documents).await
}

/// Makes a version on a thread of its own: on one core nothing would be reported meanwhile.
async fn off_the_runtime(inputs: Inputs, progress: Arc<Progress>) -> Result<Made, RoleError> {
    let made = spawn_blocking(move || make(&inputs, &progress)).await;
    made.map_err(|e| RoleError::internal("TrainerPanicked", e.to_string()))?
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
        feature_set: Some(FeatureSetSpec {
            features: manifest.features.clone(),
            adjustment: manifest.adjustment,
        }),
        kind: manifest.kind,
        metrics: metrics(&manifest.evaluation, manifest.kind)?,
        gate: manifest.gate.clone(),
        unseen_sessions: manifest.unseen_sessions,
        leak_guard: manifest.leak_guard.clone(),
        refused_bars: manifest.data.refused_bars.clone(),
    })
}

#[cfg(test)]
mod tests {
    use foresail_crds::Role;
    use foresail_crds::names::PipelineName;
    use foresail_crds::pipeline::spec::PipelineSpec;
    use foresail_crds::pipeline::status::Trigger;
    use foresail_crds::worker_config::RoleConfig;
    use foresail_model::{Predictor, golden};
    use foresail_runtime_base::Reporter;

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

    /// A market of 400 sessions, with a bar of the first symbol that no feature can be computed with.
    fn bars() -> crate::lake::Bars {
        let bar = |symbol: &str, session: i64| {
            let wave = (session as f64 * 0.7).sin() + (session as f64 * 12.9898).sin();
            foresail_domain::Bar {
                close: if (symbol, session) == ("A", 200) {
                    1e300
                } else {
                    50.0 + wave
                },
                ..crate::testing::bar(symbol, session)
            }
        };
        let symbols = ["A", "B"].into_iter();
        let of = |symbol: &str| (0..400).map(|session| bar(symbol, session)).collect();
        symbols
            .map(|symbol| (symbol.to_string(), of(symbol)))
            .collect()
    }

    fn inputs() -> Inputs {
        let spec = serde_json::json!({
            "instruments": [{"symbol": "A"}, {"symbol": "B"}],
            "source": {"csv": {"uri": "http://none/x.csv"}},
            "kafka": {"bootstrapServers": "k:9092"},
            "lake": {"uri": "s3://b/p", "endpoint": "http://s3", "secretName": "s"},
            "features": [{"name": "r", "function": "LogReturn"}],
            "training": {
                "model": {"kind": "Mlp", "epochs": 60, "hidden": 8}, "horizon": 2, "validationFolds": 3
            },
            "drift": {"windowSessions": 20},
        });
        let spec: PipelineSpec = serde_json::from_value(spec).unwrap();
        let config = TrainConfig::new(PipelineName::new("n", "p"), &spec);
        let grid = config.model.bar_grid();
        Inputs {
            parameters: parameters(&config.model.training, &grid).unwrap(),
            grid,
            config,
            run: TrainingRun {
                run_id: "r1".into(),
                trigger: Trigger::Initial,
                delta_version: 3,
                champion: None,
                gate_sessions: 20,
            },
            bars: bars(),
            champion: None,
        }
    }

    /// One thread, as on one core: whatever is reported while it fits must be seen before it has fitted.
    #[tokio::test(flavor = "current_thread")]
    async fn progress_is_seen_while_a_model_is_fitted() {
        let (reporter, other) = Reporter::channel(Role::Train);
        let progress = Arc::new(Progress::new("r1".into(), reporter));
        let mut latest = other.latest;
        let watching = tokio::spawn(async move {
            let mut seen = Vec::new();
            while latest.changed().await.is_ok() {
                let value = latest.borrow_and_update().clone().unwrap();
                let status: TrainingStatus =
                    serde_json::from_value(value["training"].clone()).unwrap();
                seen.push(status);
            }
            seen
        });
        let made = off_the_runtime(inputs(), progress).await.unwrap();
        let seen = watching.await.unwrap();
        let percent: Vec<u32> = seen.iter().map(|s| s.progress_percentage).collect();
        assert!(percent.is_sorted(), "{percent:?}");
        let fitting = percent.iter().filter(|percent| (41..80).contains(*percent));
        assert!(fitting.count() > 0, "{percent:?}");
        // What was left out is counted, and the rest is trained on.
        let data = &made.manifest.data;
        assert_eq!(data.bars, 800);
        let refused: Vec<_> = data
            .refused_bars
            .iter()
            .map(|r| (r.reason.as_str(), r.count))
            .collect();
        assert_eq!(refused, [("NonFinite", 1)]);
        let report = String::from_utf8(made.documents.report).unwrap();
        assert!(report.contains("1 left out (NonFinite)"), "{report}");
        // Whoever loads it asks what it was asked when it was fitted.
        let mut golden = made.documents.golden.unwrap();
        assert_eq!(golden.requests.len(), golden::MOST_REQUESTS);
        let loaded = Predictor::load(&made.manifest, made.weights.as_deref()).unwrap();
        golden::check(&loaded, &golden).unwrap();
        golden.requests[3].y[1] += 1e-3;
        assert!(golden::check(&loaded, &golden).is_err());
    }
}
