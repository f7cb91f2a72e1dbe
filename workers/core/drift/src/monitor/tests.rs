//! Alarm episodes, fixed and calibrated levels, and the choice of features.

use foresail_crds::model_manifest::{DriftCalibration, FeatureReference};
use foresail_crds::pipeline::spec::{DriftMetric, DriftSpec};
use foresail_crds::worker_config::DriftWatch;
use serde_json::json;

use super::*;

/// Uniform on 0..=200: edges at the deciles, PSI scale 2, KS scale 0.5, and the level 1 of an older trainer.
fn reference(names: &[&str]) -> DriftReference {
    let feature = |name: &&str| FeatureReference {
        name: (*name).into(),
        edges: (1..10).map(|i| 20.0 * f64::from(i)).collect(),
        shares: vec![0.1; 10],
        quantiles: (0..=200).map(f64::from).collect(),
        psi_scale: 2.0,
        ks_scale: 0.5,
        psi_scores: vec![],
        ks_scores: vec![],
    };
    let calibration = |metric| DriftCalibration {
        metric,
        threshold: 1.0,
    };
    DriftReference {
        window_sessions: 4,
        features: names.iter().map(feature).collect(),
        sessions_per_year: 0.0,
        windows_per_score: 0,
        calibration: vec![calibration(DriftMetric::Ks)],
    }
}

fn policy(threshold: &str, features: &[&str]) -> DriftPolicy {
    DriftPolicy::try_from(&DriftWatch::from(&DriftSpec {
        metric: DriftMetric::Ks,
        threshold: threshold.into(),
        features: features.iter().map(|f| (*f).into()).collect(),
        ..DriftSpec::default()
    }))
    .unwrap()
}

/// A session whose rows all hold `values`.
fn session(event_time: i64, values: &[f64]) -> Session {
    Session {
        event_time,
        rows: vec![values.to_vec(); 3],
    }
}

#[test]
fn an_episode_starts_above_the_level_and_ends_after_half_a_window_below() {
    let mut monitor = DriftMonitor::new(reference(&["x"]), policy("Calibrated", &[])).unwrap();
    // Spread over the range: KS 1/8, scaled 1/4. All at the upper end: KS 1, scaled 2.
    let calm = |t: i64| session(t, &[[25.0, 75.0, 125.0, 175.0][(t % 4) as usize]]);
    for t in 0..3 {
        assert_eq!(monitor.push(calm(t)), None, "the window is not full");
    }
    let seen = monitor.push(calm(3)).unwrap();
    assert!(!seen.alarm && (seen.score - 0.25).abs() < 1e-12, "{seen:?}");
    let mut states = Vec::new();
    for t in 4..8 {
        let seen = monitor.push(session(t, &[199.5])).unwrap();
        states.push((seen.alarm_since, seen.sessions_since_alarm));
    }
    // 125, 175 and two at the end: nothing below 125, KS 0.62, above the level of 0.5.
    assert_eq!(
        states,
        [(None, 0), (Some(5), 0), (Some(5), 1), (Some(5), 2)]
    );
    states.clear();
    for t in 8..13 {
        let seen = monitor.push(calm(t)).unwrap();
        states.push((seen.alarm_since, seen.sessions_since_alarm));
    }
    // Three of four at the end (KS 0.745), then two (0.495): the second quiet session, half of the
    // window, ends the episode.
    assert_eq!(
        states,
        [(Some(5), 3), (Some(5), 4), (None, 0), (None, 0), (None, 0)]
    );
    let longest = Episode {
        since: 5,
        sessions: 4,
    };
    assert_eq!(monitor.push(calm(13)).unwrap().longest_alarm, Some(longest));
    // A shorter episode later changes nothing.
    let seen = [14, 15, 16].map(|t| monitor.push(session(t, &[199.5])).unwrap());
    assert!(seen[2].alarm, "{seen:?}");
    assert_eq!(seen[2].longest_alarm, Some(longest));
}

#[test]
fn a_fixed_level_is_compared_with_the_largest_raw_score() {
    let names = ["calm", "wild"];
    let mut fixed = DriftMonitor::new(reference(&names), policy("0.6", &[])).unwrap();
    let mut scaled = DriftMonitor::new(reference(&names), policy("Calibrated", &[])).unwrap();
    let mut last = None;
    for t in 0..4 {
        let values = [[25.0, 75.0, 125.0, 175.0][(t % 4) as usize], 500.0];
        scaled.push(session(t, &values));
        last = fixed.push(session(t, &values));
    }
    let seen = last.unwrap();
    assert_eq!((seen.score, seen.threshold, seen.alarm), (1.0, 0.6, true));
    let found: Vec<_> = seen
        .features
        .iter()
        .map(|f| (f.name.as_str(), f.score))
        .collect();
    assert_eq!(found[0], ("wild", 1.0));
    assert!(found[1].0 == "calm" && (found[1].1 - 0.125).abs() < 1e-12);
    // The other statistic is there too: all twelve values in the last bin of ten.
    assert_eq!(seen.features[0].ks, 1.0);
    let psi = 9.0 * (0.1 - 0.5 / 17.0) * (0.1f64 / (0.5 / 17.0)).ln()
        + (12.5 / 17.0 - 0.1) * (12.5f64 / 17.0 / 0.1).ln();
    assert!((seen.features[0].psi - psi).abs() < 1e-12, "{seen:?}");
    let seen = scaled.push(session(4, &[25.0, 500.0])).unwrap();
    assert_eq!((seen.score, seen.threshold), (2.0, 1.0));
}

#[test]
fn only_the_named_features_are_watched_and_unknown_names_refused() {
    let names = ["calm", "wild"];
    let mut monitor = DriftMonitor::new(reference(&names), policy("0.6", &["calm"])).unwrap();
    for t in 0..4 {
        let values = [[25.0, 75.0, 125.0, 175.0][(t % 4) as usize], 500.0];
        let seen = monitor.push(session(t, &values));
        assert!(seen.is_none_or(|s| !s.alarm && s.features.len() == 1));
    }
    let unknown = DriftMonitor::new(reference(&names), policy("0.6", &["other"]));
    assert!(matches!(unknown, Err(DriftError::UnknownFeature { .. })));
}

#[test]
fn a_metric_without_a_calibrated_level_is_refused() {
    let spec = DriftSpec::default();
    let psi = DriftPolicy::try_from(&DriftWatch::from(&spec)).unwrap();
    let monitor = DriftMonitor::new(reference(&["x"]), psi);
    assert!(matches!(monitor, Err(DriftError::BadPolicy { .. })));
}

#[test]
fn a_version_of_an_older_trainer_keeps_the_level_it_came_with() {
    let old = json!({
        "windowSessions": 4,
        "features": [{
            "name": "x", "edges": [1.0], "shares": [0.5, 0.5], "quantiles": [0.0, 2.0], "psiScale": 2.0, "ksScale": 0.5
        }],
        "calibration": [{"metric": "KS", "scores": [0.5, 1.0], "sessionsPerYear": 252.0, "threshold": 1.25}]
    });
    let old: DriftReference = serde_json::from_value(old).unwrap();
    let monitor = DriftMonitor::new(old, policy("Calibrated", &["x"])).unwrap();
    assert!(!monitor.has_own_level());
    assert_eq!(monitor.threshold, 1.25);
    let fixed = DriftMonitor::new(reference(&["x"]), policy("0.6", &[])).unwrap();
    assert!(fixed.has_own_level());
}
