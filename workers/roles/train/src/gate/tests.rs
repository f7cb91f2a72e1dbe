use foresail_crds::model_manifest::ScalerParameters;
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec, Target};
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

/// Closes that grow by a hundredth each session, so that every feature of them is known.
fn growing() -> Bars {
    let bar = |session: i64| foresail_domain::Bar {
        close: 50.0 * 1.01_f64.powi(session as i32),
        ..testing::bar("X", session)
    };
    [("X".to_string(), (0..30).map(bar).collect())].into()
}

/// A champion that forecasts half of the change it has seen last, by a feature set of its own.
fn repeats_half_of_the_last_change() -> Champion {
    let linear = Linear {
        intercepts: vec![0.0],
        coefficients: vec![vec![0.5]],
    };
    let scaler = ScalerParameters {
        mean: vec![0.0],
        std: vec![1.0],
    };
    let sizes = fit::sizes(&parameters(), 1);
    let mut champion = champion(Predictor::new(SingleModel::Linear(linear), scaler, sizes));
    let manifest = &mut champion.loaded.manifest;
    manifest.features =
        serde_json::from_value(json!([{"name": "c", "function": "RateOfChange", "window": 1}]))
            .unwrap();
    manifest.fingerprint =
        foresail_features::fingerprint(&manifest.features, manifest.adjustment).unwrap();
    manifest.data.trained_through = 5 * 86_400_000;
    champion
}

/// What the challenger of the test below reads.
fn of_the_challenger(bars: &Bars) -> Dataset {
    let features: Vec<FeatureSpec> =
        serde_json::from_value(json!([{"name": "w", "function": "LogReturnOver", "window": 5}]))
            .unwrap();
    let spec = DatasetSpec {
        features: &features,
        adjustment: Adjustment::All,
        lookback: 1,
        horizon: 1,
        target: Target::Close,
        gaps: None,
    };
    dataset::build(bars, &spec).unwrap()
}

/// Audit A2.
#[test]
fn a_champion_of_other_features_is_judged_on_rows_of_its_own() {
    let bars = growing();
    let data = of_the_challenger(&bars);
    let known = data.known();
    let gate = &known[known.len() - 10..];
    let window = GateWindow {
        bars: &bars,
        data: &data,
        rows: gate,
        parameters: &parameters(),
    };
    let champion = repeats_half_of_the_last_change();
    assert_ne!(champion.loaded.manifest.fingerprint, data.fingerprint);
    let compared = compare_unseen(&always(0.03), &champion, &window).unwrap();
    let measured = compared.gate.unwrap();
    let number = |d: &foresail_crds::Decimal| d.as_f64().unwrap();
    assert_eq!(measured.dates, 10, "the same sessions for both");
    assert!((number(&measured.challenger_rmse) - 0.02).abs() < 1e-9);
    assert!(
        (number(&measured.champion_rmse) - 0.005).abs() < 1e-9,
        "{measured:?}"
    );
    // What it has seen is worked out on the same sessions.
    let mut seen = repeats_half_of_the_last_change();
    seen.loaded.manifest.data.trained_through = gate[3].event_time;
    let compared = compare_unseen(&always(0.03), &seen, &window).unwrap();
    assert_eq!((compared.gate, compared.unseen_sessions), (None, Some(5)));
}

#[test]
fn a_champion_whose_features_are_computed_otherwise_by_now_is_not_judged_on_them() {
    let bars = growing();
    let data = of_the_challenger(&bars);
    let known = data.known();
    let window = GateWindow {
        bars: &bars,
        data: &data,
        rows: &known[known.len() - 10..],
        parameters: &parameters(),
    };
    let mut champion = repeats_half_of_the_last_change();
    champion.loaded.manifest.fingerprint = "of another release".into();
    let compared = compare_unseen(&always(0.03), &champion, &window).unwrap();
    assert_eq!(compared, Comparison::default());
}
