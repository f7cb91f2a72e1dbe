//! Challenger against champion and naive on a window unseen by both, symbols averaged per date.

use std::collections::BTreeMap;

use foresail_crds::Decimal;
use foresail_crds::model_manifest::{GateResult, ModelManifest};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::worker_config::{ServedVersion, WorkerConfig};
use foresail_evaluation::diebold_mariano;
use foresail_model::{ModelError, Predictor, artifact};
use foresail_runtime_base::RoleError;
use foresail_runtime_store::{S3Uri, Store};

use crate::dataset::{self, Dataset, Sample};
use crate::evaluate::squared_errors;
use crate::fit::fit;
use crate::lake::Bars;

/// The champion, loaded and verified.
pub(crate) struct Champion {
    version: u32,
    manifest: ModelManifest,
    predictor: Predictor,
}

/// Loads it.
///
/// # Errors
/// S3 failures, `DigestMismatch`, `ChampionUnusable`.
pub(crate) async fn load(store: &Store, served: &ServedVersion) -> Result<Champion, RoleError> {
    let wrong = |e: ModelError| {
        let message = format!(
            "champion v{}: {e}; pin another version or retrain",
            served.version
        );
        RoleError::user("ChampionUnusable", message)
    };
    let uri = S3Uri::parse(&served.manifest_uri)?;
    let bytes = store.get_verified(&uri, &served.manifest_sha256).await?;
    let manifest = artifact::load(&bytes).map_err(wrong)?;
    let weights = match &manifest.weights {
        Some(file) => {
            let uri = S3Uri {
                bucket: uri.bucket,
                key: file.key.clone(),
            };
            Some(store.get_verified(&uri, &file.sha256).await?)
        }
        None => None,
    };
    let predictor = Predictor::load(&manifest, weights.as_deref()).map_err(wrong)?;
    Ok(Champion {
        version: served.version,
        manifest,
        predictor,
    })
}

/// Compares on the gate rows. A champion with other features gets rows of its own features.
///
/// # Errors
/// A champion whose features cannot be computed, a forecast that is not finite.
pub(crate) fn compare(
    challenger: &Predictor,
    champion: &Champion,
    bars: &Bars,
    gate: &[&Sample],
    (data, config): (&Dataset, &WorkerConfig),
) -> Result<GateResult, RoleError> {
    let horizon = challenger.horizon();
    let manifest = &champion.manifest;
    // Rows of the champion's own features, and as many of them as it looks back.
    let (theirs, ours) = (champion.predictor.lookback(), challenger.lookback());
    let other = (manifest.fingerprint != data.fingerprint || theirs > ours)
        .then(|| {
            dataset::build(
                bars,
                &manifest.features,
                manifest.adjustment,
                (theirs, horizon),
                config.training.target,
            )
        })
        .transpose()?;
    let champion_rows: BTreeMap<(i64, usize), &Sample> = match &other {
        Some(other) => other
            .samples
            .iter()
            .map(|s| ((s.event_time, s.symbol), s))
            .collect(),
        None => gate
            .iter()
            .map(|s| ((s.event_time, s.symbol), *s))
            .collect(),
    };
    let naive = fit(ModelKind::Naive, gate, &config.training, &|_, _| {})?;
    let target = config.training.target;
    let mut dates: BTreeMap<i64, [Vec<f64>; 3]> = BTreeMap::new();
    let wrong = |e: ModelError| RoleError::user("NotFinite", format!("gate window: {e}"));
    for sample in gate {
        let Some(row) = champion_rows.get(&(sample.event_time, sample.symbol)) else {
            continue;
        };
        let judged = [
            (challenger, *sample),
            (&champion.predictor, *row),
            (&naive, *sample),
        ];
        let losses = dates.entry(sample.event_time).or_default();
        for (list, (model, row)) in losses.iter_mut().zip(judged) {
            // Steps both forecast: a horizon may have changed.
            let errors = squared_errors(model, row, target).map_err(wrong)?;
            let steps = horizon
                .min(champion.predictor.horizon())
                .min(errors.len())
                .max(1);
            list.push(errors.iter().take(steps).sum::<f64>() / steps as f64);
        }
    }
    let mean = |list: &Vec<f64>| list.iter().sum::<f64>() / list.len().max(1) as f64;
    let series = |which: usize| -> Vec<f64> { dates.values().map(|d| mean(&d[which])).collect() };
    let (a, b, n) = (series(0), series(1), series(2));
    let comparison = diebold_mariano(&a, &b, horizon);
    let rmse = |losses: &Vec<f64>| Decimal::rounded(mean(losses).sqrt());
    Ok(GateResult {
        champion_version: champion.version,
        dates: u32::try_from(a.len()).unwrap_or(u32::MAX),
        challenger_rmse: rmse(&a),
        champion_rmse: rmse(&b),
        naive_rmse: rmse(&n),
        effect: Decimal::rounded(comparison.effect),
        p_value: Decimal::rounded(comparison.p_value),
    })
}
