//! Challenger against champion and naive on a window unseen by both, symbols averaged per date.

use std::collections::BTreeMap;

use foresail_artifacts::Loaded;
use foresail_crds::TrainingParameters;
use foresail_crds::model_manifest::{GateMeasurement, GateResult, NotComparable};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::worker_config::ServedVersion;
use foresail_evaluation::diebold_mariano;
use foresail_model::{ModelError, Predictor};
use foresail_runtime_base::RoleError;
use foresail_runtime_store::Store;

use crate::data::dataset::{self, Dataset, DatasetSpec, Sample};
use crate::data::split::sessions;
use crate::errors::squared_errors;
use crate::fit::{SILENT, fit};
use crate::lake::Bars;

/// Reason when the champion cannot be compared with, since its own numbers are not finite.
const CHAMPION_DIVERGED: &str = "ChampionDiverged";

/// What a challenger is compared with.
pub(crate) struct Champion {
    pub version: u32,
    pub loaded: Loaded,
}

/// The model that is served now, whatever its features are.
///
/// # Errors
/// Those of [`foresail_artifacts::load`].
pub(crate) async fn champion(store: &Store, served: &ServedVersion) -> Result<Champion, RoleError> {
    Ok(Champion {
        version: served.version,
        loaded: foresail_artifacts::load(store, served).await?,
    })
}

/// What challenger and champion are compared on.
pub(crate) struct GateWindow<'a> {
    pub bars: &'a Bars,
    pub data: &'a Dataset,
    /// Rows neither has seen.
    pub rows: &'a [&'a Sample],
    pub parameters: &'a TrainingParameters,
}

/// What a run knows of challenger and champion.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    /// Their numbers; none for a first version, for a champion that diverged or whose features are computed otherwise by
    /// now, and on too few sessions.
    pub gate: Option<GateResult>,
    /// Sessions of the window that the champion has not seen, when they are too few.
    pub unseen_sessions: Option<u32>,
}

/// Compares on the gate rows, when neither model has seen any of them. A champion that was trained on some of them would
/// be compared on what it knows.
///
/// # Errors
/// Those of [`compare`], but for a champion that diverged.
pub(crate) fn compare_unseen(
    challenger: &Predictor,
    champion: &Champion,
    window: &GateWindow<'_>,
) -> Result<Comparison, RoleError> {
    if !computes_its_features(champion, window.data) {
        tracing::warn!("this release computes other features than the champion was trained on");
        return Ok(Comparison::default());
    }
    let seen = seen_through(champion, window.data);
    let unseen = window.rows.iter().copied().filter(|s| s.event_time > seen);
    let unseen: Vec<&Sample> = unseen.collect();
    if unseen.len() < window.rows.len() {
        let sessions = sessions(&unseen).len();
        tracing::warn!(sessions, "too few sessions are unseen by the champion");
        return Ok(Comparison {
            gate: None,
            unseen_sessions: Some(u32::try_from(sessions).unwrap_or(u32::MAX)),
        });
    }
    Ok(Comparison {
        gate: reported(compare(challenger, champion, window))?,
        unseen_sessions: None,
    })
}

/// Whether rows of the champion's features can be made: theirs are the features of the challenger, or what its manifest
/// names is computed as it was. Another release may compute something else under the same names.
fn computes_its_features(champion: &Champion, data: &Dataset) -> bool {
    let manifest = &champion.loaded.manifest;
    let (features, adjustment) = (&manifest.features, manifest.adjustment);
    manifest.fingerprint == data.fingerprint
        || foresail_features::is_computed(features, adjustment, &manifest.fingerprint)
}

/// Time of the last bar that a label of the champion's training rows looked at.
fn seen_through(champion: &Champion, data: &Dataset) -> i64 {
    let manifest = &champion.loaded.manifest;
    let trained = manifest.data.trained_through;
    let all: Vec<&Sample> = data.samples.iter().collect();
    let times = sessions(&all);
    let after = times.partition_point(|time| *time <= trained);
    let ahead = usize::try_from(manifest.horizon).unwrap_or(usize::MAX);
    let last = after.saturating_add(ahead).checked_sub(1);
    let last = last.map(|last| last.min(times.len().saturating_sub(1)));
    let end = last.and_then(|last| times.get(last)).copied();
    end.unwrap_or(trained).max(trained)
}

/// Compares on the gate rows. A champion with other features gets rows of its own features.
///
/// # Errors
/// A champion whose features cannot be computed; user errors `ChallengerDiverged` and `ChampionDiverged` for a
/// forecast or an error that is not finite.
pub(crate) fn compare(
    challenger: &Predictor,
    champion: &Champion,
    window: &GateWindow,
) -> Result<GateResult, RoleError> {
    let (gate, target) = (window.rows, window.parameters.target);
    let horizon = challenger.horizon();
    let Loaded {
        manifest,
        predictor: champion_model,
    } = &champion.loaded;
    // Rows of the champion's own features, and as many of them as it looks back.
    let (theirs, ours) = (champion_model.lookback(), challenger.lookback());
    let other = (manifest.fingerprint != window.data.fingerprint || theirs > ours)
        .then(|| {
            let spec = DatasetSpec {
                features: &manifest.features,
                adjustment: manifest.adjustment,
                lookback: theirs,
                horizon,
                target,
                gaps: None,
            };
            dataset::build(window.bars, &spec)
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
    let naive = fit(ModelKind::Naive, gate, window.parameters, SILENT)?;
    let mut dates: BTreeMap<i64, [Vec<f64>; 3]> = BTreeMap::new();
    for sample in gate {
        let Some(row) = champion_rows.get(&(sample.event_time, sample.symbol)) else {
            continue;
        };
        let compared = [
            (NotComparable::Challenger, challenger, *sample),
            (NotComparable::Champion, champion_model, *row),
            (NotComparable::Naive, &naive, *sample),
        ];
        let losses = dates.entry(sample.event_time).or_default();
        for (list, (whose, model, row)) in losses.iter_mut().zip(compared) {
            // Steps both forecast: a horizon may have changed.
            let errors = squared_errors(model, row, target);
            let errors = errors.map_err(|e| failed(whose, champion.version, &e))?;
            let steps = horizon
                .min(champion_model.horizon())
                .min(errors.len())
                .max(1);
            list.push(errors.iter().take(steps).sum::<f64>() / steps as f64);
        }
    }
    let mean = |list: &Vec<f64>| list.iter().sum::<f64>() / list.len().max(1) as f64;
    let series = |which: usize| -> Vec<f64> { dates.values().map(|d| mean(&d[which])).collect() };
    let (a, b, n) = (series(0), series(1), series(2));
    let comparison = diebold_mariano(&a, &b, horizon);
    let measured = GateMeasurement {
        champion_version: champion.version,
        dates: u32::try_from(a.len()).unwrap_or(u32::MAX),
        challenger_rmse: mean(&a).sqrt(),
        champion_rmse: mean(&b).sqrt(),
        naive_rmse: mean(&n).sqrt(),
        effect: comparison.effect,
        p_value: comparison.p_value,
    };
    let written = GateResult::try_from(measured);
    written.map_err(|whose| diverged(whose, champion.version, "its error is not finite"))
}

/// What a run reports of numbers. Where the champion diverged there is none: nothing is promoted then, but there is
/// a version to pin in its place.
fn reported(compared: Result<GateResult, RoleError>) -> Result<Option<GateResult>, RoleError> {
    match compared {
        Err(error) if error.reason == CHAMPION_DIVERGED => {
            tracing::warn!(
                reason = error.reason,
                cause = error.message,
                "not compared with the champion"
            );
            Ok(None)
        }
        compared => compared.map(Some),
    }
}

/// A model that could not be asked.
fn failed(whose: NotComparable, champion: u32, error: &ModelError) -> RoleError {
    match error {
        ModelError::NotFinite => diverged(whose, champion, "its forecast is not finite"),
        other => RoleError::user("NotComparable", format!("gate window: {other}")),
    }
}

/// Nothing is promoted on numbers that are not finite, and no version is made of a model that gives them.
fn diverged(whose: NotComparable, champion: u32, what: &str) -> RoleError {
    let (reason, message) = match whose {
        NotComparable::Challenger => (
            "ChallengerDiverged",
            format!(
                "the challenger diverged in the gate window: {what}; v{champion} stays, lower training.model.learningRate \
                 or raise training.model.ridge"
            ),
        ),
        NotComparable::Champion => (
            CHAMPION_DIVERGED,
            format!(
                "champion v{champion} diverged in the gate window: {what}; pin another version with \
                 promotion.championVersion"
            ),
        ),
        NotComparable::Naive | NotComparable::PValue => (
            "NotFinite",
            "the comparison in the gate window is not finite; look for closes near zero in the data".into(),
        ),
    };
    RoleError::user(reason, message)
}

#[cfg(test)]
mod tests;
