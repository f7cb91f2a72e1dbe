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
        loaded: foresail_artifacts::load(store, served, None).await?,
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
    /// Their numbers; none for a first version, for a champion that diverged, and on too few sessions.
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
mod tests {
    use foresail_crds::model_manifest::ScalerParameters;
    use foresail_crds::pipeline::spec::Target;
    use foresail_model::linear::Linear;
    use foresail_model::{Predictor, SingleModel};
    use serde_json::json;

    use super::*;
    use crate::data::dataset::FeatureSnapshot;
    use crate::{fit, testing};

    fn parameters() -> TrainingParameters {
        testing::parameters(json!({"model": {"kind": "Linear"}, "horizon": 1, "target": "Close"}))
    }

    /// A model that always forecasts the same change of the close.
    fn always(change: f64) -> Predictor {
        let linear = Linear {
            intercepts: vec![change],
            coefficients: vec![vec![0.0]],
        };
        let scaler = ScalerParameters {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let sizes = fit::sizes(&parameters(), 1);
        assert_eq!(sizes.target, Target::Close);
        Predictor::new(SingleModel::Linear(linear), scaler, sizes)
    }

    fn champion(predictor: Predictor) -> Champion {
        let manifest = json!({
            "formatVersion": 1, "namespace": "n", "pipeline": "p", "runId": "r", "codeVersion": "0", "seed": 1,
            "data": {"deltaVersion": 1, "bars": 9, "trainingRows": 9, "firstEventTime": 0, "trainedThrough": 9,
                "dataThrough": 9, "symbols": ["X"]},
            "features": [{"name": "r", "function": "LogReturn"}], "adjustment": "All", "fingerprint": "f",
            "warmUp": 2, "target": "Close", "horizon": 1, "lookback": 1, "kind": "Linear", "weights": null,
            "scaler": {"mean": [0.0], "std": [1.0]}, "evaluation": [], "gate": null,
            "driftReference": {"windowSessions": 5, "features": [], "calibration": []}
        });
        Champion {
            version: 4,
            loaded: Loaded {
                manifest: serde_json::from_value(manifest).unwrap(),
                predictor,
            },
        }
    }

    fn sample(day: i64) -> Sample {
        Sample {
            symbol: 0,
            event_time: day,
            close: 10.0,
            adjustment_factor: 1.0,
            window: vec![FeatureSnapshot::new(&[0.0], 10.0)],
            labels: Some(vec![0.01]),
            labels_end: Some(day + 1),
        }
    }

    #[test]
    fn rows_that_the_champion_has_seen_never_enter_the_gate() {
        let data = Dataset {
            fingerprint: "f".into(),
            samples: (0..20).map(sample).collect(),
            ..Dataset::default()
        };
        let gate: Vec<&Sample> = data.samples[14..].iter().collect();
        let window = GateWindow {
            bars: &Vec::new(),
            data: &data,
            rows: &gate,
            parameters: &parameters(),
        };
        // Its last label is that of the session after: the gate begins at 14.
        for (trained_through, unseen) in [(12, None), (13, Some(5)), (17, Some(1)), (19, Some(0))] {
            let mut champion = champion(always(0.03));
            champion.loaded.manifest.data.trained_through = trained_through;
            let compared = compare_unseen(&always(0.01), &champion, &window).unwrap();
            assert_eq!(compared.unseen_sessions, unseen, "{trained_through}");
            assert_eq!(
                compared.gate.is_some(),
                unseen.is_none(),
                "{trained_through}"
            );
        }
        // Two steps ahead, one session more is known.
        let mut champion = champion(always(0.03));
        champion.loaded.manifest.data.trained_through = 12;
        champion.loaded.manifest.horizon = 2;
        let compared = compare_unseen(&always(0.01), &champion, &window).unwrap();
        assert_eq!(compared.unseen_sessions, Some(5));
    }

    fn compared(challenger: f64, champion_change: f64) -> Result<GateResult, RoleError> {
        let samples: Vec<Sample> = (0..6).map(sample).collect();
        let gate: Vec<&Sample> = samples.iter().collect();
        let data = Dataset {
            fingerprint: "f".into(),
            ..Dataset::default()
        };
        let champion = champion(always(champion_change));
        let window = GateWindow {
            bars: &Vec::new(),
            data: &data,
            rows: &gate,
            parameters: &parameters(),
        };
        compare(&always(challenger), &champion, &window)
    }

    #[test]
    fn a_better_challenger_is_measured() {
        let gate = compared(0.01, 0.03).unwrap();
        assert_eq!(gate.challenger_rmse.0, "0");
        assert_eq!((gate.champion_rmse.0.as_str(), gate.dates), ("0.02", 6));
        assert_eq!(
            (gate.effect.0.as_str(), gate.p_value.0.as_str()),
            ("1", "0")
        );
    }

    #[test]
    fn a_model_that_diverged_is_an_error_that_names_it() {
        // The closes are finite, their squared errors are not.
        for (challenger, champion, reason) in [
            (1e200, 0.03, "ChallengerDiverged"),
            (0.01, 1e200, "ChampionDiverged"),
            (1e200, 1e200, "ChallengerDiverged"),
            (f64::NAN, 0.03, "ChallengerDiverged"),
            (0.01, f64::INFINITY, "ChampionDiverged"),
        ] {
            let error = compared(challenger, champion).unwrap_err();
            assert_eq!(error.reason, reason, "{error}");
            // A champion that diverged does not keep a run from making a version to pin.
            let makes_a_version = reported(Err(error)).is_ok_and(|gate| gate.is_none());
            assert_eq!(makes_a_version, reason == "ChampionDiverged");
        }
    }
}
