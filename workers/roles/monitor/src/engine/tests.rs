//! The engine against a predictions log in memory: interrupted anywhere, read in any order of
//! partitions, and across a change of champion it forecasts each bar once and observes the same.

use std::collections::BTreeMap;

use foresail_crds::Decimal;
use foresail_crds::model_manifest::{DataWindow, ModelManifest, ScalerParameters};
use foresail_crds::pipeline::spec::{
    Adjustment, DriftMetric, DriftSpec, FeatureFunction, FeatureSpec, ModelKind, Target,
};
use foresail_crds::worker_config::DriftWatch;
use foresail_drift::{DriftObservation, DriftPolicy, Session, Sessions, build_reference};

use super::*;
use crate::forecast_tracker::{Champion, Forecaster, Predicted};
use crate::status::MonitorStatus;

const SYMBOLS: [&str; 3] = ["A", "B", "C"];
const HORIZON: usize = 4;
const LOOKBACK: usize = 3;
const WINDOW: u32 = 15;
const TRAINED: i64 = 300;

/// Deterministic noise in -1..1.
fn noise(seed: i64) -> f64 {
    let mut x = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D;
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 32;
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

fn row(symbol: usize, session: i64, shift: f64) -> FeatureRecord {
    let seed = session * 10 + symbol as i64;
    // B splits 2:1 at session 330.
    let factor = if symbol == 1 && session >= 330 {
        2.0
    } else {
        1.0
    };
    let adjusted = 100.0 * (1.0 + 0.05 * noise(seed));
    FeatureRecord {
        symbol: SYMBOLS[symbol].into(),
        event_time: session * 1_000,
        close: adjusted / factor,
        adjustment_factor: factor,
        values: vec![noise(seed * 7) + shift, noise(seed * 13)],
    }
}

fn rows(from: i64, to: i64, shift: f64) -> Vec<FeatureRecord> {
    (from..=to)
        .flat_map(|t| (0..SYMBOLS.len()).map(move |s| row(s, t, shift)))
        .collect()
}

/// Sees a constant change of 1 % per step, scaled by its last input.
struct Model(f64);

impl Forecaster for Model {
    fn lookback(&self) -> usize {
        LOOKBACK
    }

    fn horizon(&self) -> usize {
        HORIZON
    }

    fn closes(&self, rows: &[&FeatureRecord]) -> Result<Vec<f64>, String> {
        assert_eq!(rows.len(), LOOKBACK);
        let last = rows[LOOKBACK - 1];
        let (close, change) = (last.close, self.0 * last.values[1]);
        Ok((1..=HORIZON)
            .map(|k| close * (1.0 + change * k as f64))
            .collect())
    }
}

fn manifest(trained: i64) -> ModelManifest {
    let feature = |name: &str| FeatureSpec::new(name, FeatureFunction::LogReturn);
    let sessions = (1..=trained).map(|t| Session {
        event_time: t * 1_000,
        rows: (0..SYMBOLS.len()).map(|s| row(s, t, 0.0).values).collect(),
    });
    let sessions = Sessions {
        names: vec!["x".into(), "y".into()],
        sessions: sessions.collect(),
    };
    ModelManifest {
        format_version: 1,
        namespace: "ns".into(),
        pipeline: "p".into(),
        run_id: "r".into(),
        code_version: "0".into(),
        seed: 1,
        data: DataWindow {
            delta_version: 1,
            bars: 1,
            training_rows: 1,
            first_event_time: 0,
            trained_through: trained * 1_000,
            data_through: trained * 1_000,
            symbols: SYMBOLS.map(String::from).to_vec(),
            refused_bars: vec![],
        },
        features: vec![feature("x"), feature("y")],
        adjustment: Adjustment::Splits,
        fingerprint: "print".into(),
        warm_up: 1,
        target: Target::Close,
        horizon: HORIZON as u32,
        lookback: LOOKBACK as u32,
        kind: ModelKind::Linear,
        hidden: 0,
        layers: 0,
        sequence: 0,
        season: 0,
        instruction_set: String::new(),
        weights: None,
        golden: None,
        scaler: ScalerParameters {
            mean: vec![],
            std: vec![],
        },
        evaluation: vec![],
        gate: None,
        unseen_sessions: None,
        leak_guard: None,
        quantiles: None,
        recipe: None,
        card: None,
        report: None,
        drift_reference: build_reference(&sessions, WINDOW as usize, 252.0).unwrap(),
    }
}

/// The predictions topic.
type Log = Vec<PredictionRecord>;

fn engine(version: u32, strength: f64, log: &Log, manifest: &ModelManifest) -> MonitorEngine {
    let mut predicted = Predicted::default();
    for record in log {
        let through = predicted.through.entry(record.symbol.clone()).or_default();
        *through = record.event_time.max(*through);
        if record.model_version == version {
            let key = (record.symbol.clone(), record.event_time);
            predicted.champion.insert(key, record.clone());
        }
    }
    let champion = Champion {
        version,
        fingerprint: manifest.fingerprint.clone(),
        trained_through: manifest.data.trained_through,
        forecaster: Box::new(Model(strength)),
    };
    let symbols = SYMBOLS.map(String::from);
    let policy = DriftPolicy::try_from(&DriftWatch::from(&DriftSpec {
        window_sessions: WINDOW,
        ..DriftSpec::default()
    }))
    .unwrap();
    let forecasts = ForecastTracker::new(champion, predicted, &symbols, WINDOW as usize);
    let drift = DriftTracker::new(1, manifest, policy, &symbols).unwrap();
    MonitorEngine::new(forecasts, Some(drift), &symbols)
}

/// Pushes rows in batches of five and commits each; stops before batch `crash`, whose work is lost.
fn run(engine: &mut MonitorEngine, log: &mut Log, rows: &[FeatureRecord], crash: Option<usize>) {
    for (number, batch) in rows.chunks(5).enumerate() {
        let made: Vec<_> = batch
            .iter()
            .filter_map(|row| engine.push("print", row))
            .collect();
        engine.settle(Reading::History);
        if crash == Some(number) {
            return;
        }
        log.extend(made);
    }
}

fn seen(engine: &MonitorEngine) -> (Option<DriftObservation>, String) {
    let drift = engine.drift.as_ref().and_then(|d| d.latest().cloned());
    (drift, format!("{:?}", engine.forecasts.latest()))
}

#[test]
fn each_bar_after_training_is_forecast_once_across_restarts_at_every_point() {
    let manifest = manifest(TRAINED);
    let topic = rows(TRAINED - 5, TRAINED + 60, 0.0);
    let mut whole = Log::new();
    let mut undisturbed = engine(1, 0.01, &whole, &manifest);
    run(&mut undisturbed, &mut whole, &topic, None);
    assert_eq!(whole.len(), 60 * SYMBOLS.len());
    assert!(whole.iter().all(|p| p.event_time > TRAINED * 1_000));
    assert!(seen(&undisturbed).0.is_some());

    for crash in 0..topic.len().div_ceil(5) {
        let mut log = Log::new();
        run(
            &mut engine(1, 0.01, &log, &manifest),
            &mut log,
            &topic,
            Some(crash),
        );
        let again = crash / 2;
        run(
            &mut engine(1, 0.01, &log, &manifest),
            &mut log,
            &topic,
            Some(again),
        );
        let mut last = engine(1, 0.01, &log, &manifest);
        run(&mut last, &mut log, &topic, None);
        assert_eq!(log, whole, "crash {crash}");
        assert_eq!(seen(&last), seen(&undisturbed), "crash {crash}");
    }
}

#[test]
fn the_order_of_partitions_changes_nothing() {
    let manifest = manifest(TRAINED);
    let by_session = rows(TRAINED - 5, TRAINED + 60, 0.1);
    let mut by_symbol = by_session.clone();
    by_symbol.sort_by(|a, b| b.symbol.cmp(&a.symbol));
    let mut results = Vec::new();
    for topic in [by_session, by_symbol] {
        let mut log = Log::new();
        let mut engine = engine(1, 0.01, &log, &manifest);
        run(&mut engine, &mut log, &topic, None);
        log.sort_by(|a, b| (a.event_time, &a.symbol).cmp(&(b.event_time, &b.symbol)));
        results.push((log, seen(&engine)));
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn realised_errors_equal_a_calculation_by_hand() {
    let manifest = manifest(TRAINED);
    let last = TRAINED + 60;
    let mut log = Log::new();
    let mut engine = engine(1, 0.01, &log, &manifest);
    run(&mut engine, &mut log, &rows(TRAINED - 5, last, 0.0), None);
    let observed = engine.forecasts.latest().unwrap();
    assert_eq!(observed.matured_through, (last - HORIZON as i64) * 1_000);
    assert_eq!(observed.dates, WINDOW as usize);

    let (mut champion, mut naive, mut count) = (0.0, 0.0, 0.0);
    for t in last - HORIZON as i64 - i64::from(WINDOW) + 1..=last - HORIZON as i64 {
        for s in 0..SYMBOLS.len() {
            let now = row(s, t, 0.0);
            let base = now.close * now.adjustment_factor;
            for k in 1..=HORIZON {
                let then = row(s, t + k as i64, 0.0);
                let actual = then.close * then.adjustment_factor;
                let forecast = base * (1.0 + 0.01 * now.values[1] * k as f64);
                champion += ((forecast - actual) / base).powi(2);
                naive += ((base - actual) / base).powi(2);
                count += 1.0;
            }
        }
    }
    assert!((observed.rmse - (champion / count).sqrt()).abs() < 1e-12);
    assert!((observed.naive_rmse - (naive / count).sqrt()).abs() < 1e-12);
    // The split of B halves raw closes; errors on adjusted closes do not see it.
    assert!(observed.naive_rmse < 0.1, "{observed:?}");
}

#[test]
fn forecasts_whose_labels_overlap_training_are_made_but_not_judged() {
    let manifest = manifest(TRAINED);
    let mut log = Log::new();
    let mut engine = engine(1, 0.01, &log, &manifest);
    let last = TRAINED + 2 * HORIZON as i64;
    run(&mut engine, &mut log, &rows(TRAINED - 5, last, 0.0), None);
    assert_eq!(log.len(), 2 * HORIZON * SYMBOLS.len());
    let observed = engine.forecasts.latest().unwrap();
    assert_eq!(
        (observed.dates, observed.matured_through),
        (1, (TRAINED + HORIZON as i64) * 1_000)
    );
}

#[test]
fn a_shifted_stream_raises_the_alarm_and_a_stationary_one_does_not() {
    let manifest = manifest(TRAINED);
    for (shift, alarm) in [(0.0, false), (0.8, true)] {
        let mut topic = rows(TRAINED - 5, TRAINED + 30, 0.0);
        topic.extend(rows(TRAINED + 31, TRAINED + 60, shift));
        let mut log = Log::new();
        let mut engine = engine(1, 0.0, &log, &manifest);
        run(&mut engine, &mut log, &topic, None);
        let observed = seen(&engine).0.unwrap();
        assert_eq!(observed.alarm, alarm, "{observed:?}");
        assert_eq!(observed.event_time, (TRAINED + 60) * 1_000);
        if alarm {
            assert!(observed.alarm_since.unwrap() > (TRAINED + 30) * 1_000);
            assert_eq!(observed.features[0].name, "x");
        }
    }
}

#[test]
fn both_statistics_of_every_watched_feature_are_in_status() {
    let manifest = manifest(TRAINED);
    let mut log = Log::new();
    let mut engine = engine(1, 0.0, &log, &manifest);
    let topic = rows(TRAINED - 5, TRAINED + 60, 0.4);
    run(&mut engine, &mut log, &topic, None);
    let status = MonitorStatus::from_engine(&engine, DriftMetric::Psi).drift;
    let status = status.unwrap();
    let seen = seen(&engine).0.unwrap();
    assert_eq!(status.features.len(), manifest.features.len());
    let number = |decimal: &Option<Decimal>| decimal.as_ref().unwrap().as_f64().unwrap();
    for (shown, seen) in status.features.iter().zip(&seen.features) {
        assert_eq!(shown.name, seen.name);
        assert!((number(&shown.psi) - seen.psi).abs() < 1e-6 && seen.psi > 0.0);
        assert!((number(&shown.ks) - seen.ks).abs() < 1e-6 && seen.ks > 0.0 && seen.ks <= 1.0);
    }
    assert_eq!(status.features[0].value, status.score);
}

#[test]
fn another_champion_goes_on_where_the_last_one_stopped() {
    let (first, second) = (manifest(TRAINED), manifest(TRAINED + 30));
    let mut log = Log::new();
    let early = rows(TRAINED - 5, TRAINED + 40, 0.0);
    run(&mut engine(1, 0.01, &log, &first), &mut log, &early, None);
    let topic = rows(TRAINED - 5, TRAINED + 80, 0.0);
    let mut engine = engine(2, 0.0, &log, &second);
    run(&mut engine, &mut log, &topic, None);
    let mut count = BTreeMap::new();
    for p in &log {
        *count.entry((p.symbol.clone(), p.event_time)).or_insert(0) += 1;
        let late = p.event_time > (TRAINED + 40) * 1_000;
        assert_eq!(p.model_version, if late { 2 } else { 1 });
    }
    assert_eq!(count.len(), 80 * SYMBOLS.len());
    assert!(count.values().all(|n| *n == 1));
    // Judged on its own forecasts only: it forecasts like naive, the first one did not.
    let observed = engine.forecasts.latest().unwrap();
    assert_eq!(observed.rmse, observed.naive_rmse);
    assert!(!observed.worse_than_naive);
}

#[test]
fn a_bad_champion_is_found_worse_than_naive() {
    let manifest = manifest(TRAINED);
    let mut log = Log::new();
    let mut engine = engine(1, 0.2, &log, &manifest);
    run(
        &mut engine,
        &mut log,
        &rows(TRAINED - 5, TRAINED + 60, 0.0),
        None,
    );
    let observed = engine.forecasts.latest().unwrap();
    assert!(observed.worse_than_naive, "{observed:?}");
    assert!(observed.worse_since.is_some());
}

#[test]
fn an_error_that_is_not_finite_is_reported_as_such_and_not_as_zero() {
    let manifest = manifest(TRAINED);
    let mut log = Log::new();
    let topic = rows(TRAINED - 5, TRAINED + 60, 0.0);
    for (strength, reason) in [(0.2, None), (1e200, Some("NotFinite"))] {
        log.clear();
        let mut engine = engine(1, strength, &log, &manifest);
        run(&mut engine, &mut log, &topic, None);
        let status = MonitorStatus::from_engine(&engine, DriftMetric::Psi);
        assert!(status.drift.is_some());
        assert_eq!(
            status.performance.is_none(),
            reason.is_some(),
            "{:?}",
            status.performance
        );
        let error = status.monitor_error.map(|error| error.reason);
        assert_eq!(error.as_deref(), reason);
    }
}

#[test]
fn rows_of_other_feature_sets_and_symbols_are_left_alone() {
    let manifest = manifest(TRAINED);
    let mut engine = engine(1, 0.01, &Log::new(), &manifest);
    for row in rows(TRAINED - 5, TRAINED + 60, 5.0) {
        assert_eq!(engine.push("another", &row), None);
        let foreign = FeatureRecord {
            symbol: "Z".into(),
            ..row
        };
        assert_eq!(engine.push("print", &foreign), None);
    }
    engine.settle(Reading::Quiet);
    assert_eq!(seen(&engine), (None, "None".into()));
}

#[test]
fn a_row_the_model_refuses_is_skipped_and_counted() {
    struct Refusing;
    impl Forecaster for Refusing {
        fn lookback(&self) -> usize {
            1
        }
        fn horizon(&self) -> usize {
            1
        }
        fn closes(&self, rows: &[&FeatureRecord]) -> Result<Vec<f64>, String> {
            let close = rows[0].close;
            if rows[0].values[0] > 0.0 {
                return Err("not this one".into());
            }
            Ok(vec![close])
        }
    }
    let champion = Champion {
        version: 1,
        fingerprint: "print".into(),
        trained_through: 0,
        forecaster: Box::new(Refusing),
    };
    let symbols = SYMBOLS.map(String::from);
    let forecasts = ForecastTracker::new(champion, Predicted::default(), &symbols, 5);
    let mut engine = MonitorEngine::new(forecasts, None, &symbols);
    let topic = rows(1, 40, 0.0);
    let made = topic
        .iter()
        .filter_map(|row| engine.push("print", row))
        .count();
    engine.settle(Reading::History);
    assert_eq!(made as u64 + engine.forecasts.failures(), 120);
    assert!(made > 20 && made < 100);
    let status = MonitorStatus::from_engine(&engine, DriftMetric::Psi);
    let reason = status.monitor_error.map(|error| error.reason);
    let last_was_refused = topic.last().unwrap().values[0] > 0.0;
    assert_eq!(reason.as_deref(), last_was_refused.then_some("NotFinite"));
    assert!(engine.forecasts.latest().is_some());
}

/// Rows of a symbol from a session on, as they are made once more: other features, and a close that was corrected.
fn revised(symbol: usize, from: i64, to: i64) -> Vec<FeatureRecord> {
    let again = |t| {
        let mut row = row(symbol, t, 0.0);
        row.values[0] += 0.5;
        if t == from {
            row.close *= 1.05;
        }
        row
    };
    (from..=to).map(again).collect()
}

#[test]
fn a_bar_that_was_corrected_counts_as_it_is_now_and_its_forecast_stays_as_it_was() {
    let manifest = manifest(TRAINED);
    let last = TRAINED + 60;
    let mut topic = rows(TRAINED - 5, last, 0.0);
    let at = topic.len();
    topic.extend(revised(0, last - 12, last));
    topic.extend(rows(last + 1, last + 2, 0.0));
    let mut log = Log::new();
    let mut live = engine(1, 0.01, &log, &manifest);
    run(&mut live, &mut log, &topic[..at], None);
    live.settle(Reading::Quiet);
    let before = (log.clone(), seen(&live));
    run(&mut live, &mut log, &topic[at..at + 13], None);
    live.settle(Reading::Quiet);
    assert_eq!(log, before.0, "no bar is forecast twice");
    let after = seen(&live);
    assert!(after.0 != before.1.0 && after.1 != before.1.1);
    run(&mut live, &mut log, &topic[at + 13..], None);
    live.settle(Reading::Quiet);
    assert_eq!(log.len(), before.0.len() + 2 * SYMBOLS.len());

    // As if it had been so from the beginning, but for what was forecast then.
    let now = |row: &FeatureRecord| {
        let again = revised(0, last - 12, last);
        let newer = again
            .iter()
            .find(|r| (r.event_time, &r.symbol) == (row.event_time, &row.symbol));
        newer.unwrap_or(row).clone()
    };
    let mut plain: Vec<FeatureRecord> = topic[..at].iter().map(now).collect();
    plain.extend(rows(last + 1, last + 2, 0.0));
    let mut other = engine(1, 0.01, &log, &manifest);
    run(&mut other, &mut Log::new(), &plain, None);
    assert_eq!(seen(&live), seen(&other));

    // A restart anywhere comes to the same.
    for crash in 0..topic.len().div_ceil(5) {
        let mut again = Log::new();
        run(
            &mut engine(1, 0.01, &again, &manifest),
            &mut again,
            &topic,
            Some(crash),
        );
        let mut after = engine(1, 0.01, &again, &manifest);
        run(&mut after, &mut again, &topic, None);
        after.settle(Reading::Quiet);
        assert_eq!(again, log, "crash {crash}");
        assert_eq!(seen(&after), seen(&live), "crash {crash}");
    }
}

/// The scale of a series changes with it, and no forecast was wrong for that.
#[test]
fn a_split_that_is_told_late_is_no_error_of_the_forecasts() {
    let manifest = manifest(TRAINED);
    let last = TRAINED + 40;
    let plain = rows(TRAINED - 5, last, 0.0);
    // B splits at session 330; told late, its prices fall by half there.
    let untold = |row: &FeatureRecord| FeatureRecord {
        adjustment_factor: 1.0,
        ..row.clone()
    };
    let mut topic: Vec<FeatureRecord> = plain.iter().map(untold).collect();
    let of_b = |row: &&FeatureRecord| row.symbol == "B" && row.event_time >= 330_000;
    topic.extend(plain.iter().filter(of_b).cloned());
    let (mut told, mut log) = (Log::new(), Log::new());
    let mut right = engine(1, 0.01, &told, &manifest);
    run(&mut right, &mut told, &plain, None);
    let mut late = engine(1, 0.01, &log, &manifest);
    run(&mut late, &mut log, &topic, None);
    let wrong = seen(&late);
    late.settle(Reading::Quiet);
    right.settle(Reading::Quiet);
    assert_ne!(wrong.1, seen(&late).1);
    assert_eq!(seen(&late), seen(&right));
}

#[test]
fn while_rows_keep_arriving_a_corrected_past_waits_for_others() {
    let manifest = manifest(TRAINED);
    let last = TRAINED + 30;
    let mut log = Log::new();
    let mut live = engine(1, 0.01, &log, &manifest);
    run(&mut live, &mut log, &rows(TRAINED - 5, last, 0.0), None);
    live.settle(Reading::Quiet);
    live.settle(Reading::Busy);
    let before = seen(&live);
    for row in revised(2, last - 9, last) {
        live.push("print", &row);
        live.settle(Reading::Busy);
    }
    // The first was computed at once, since nothing had come for a while.
    live.settle(Reading::Quiet);
    let after = seen(&live);
    assert_ne!(after, before);
    for row in revised(2, last - 9, last) {
        live.push("print", &row);
    }
    live.settle(Reading::Quiet);
    assert_eq!(seen(&live), after, "a repeat changes nothing");
}
