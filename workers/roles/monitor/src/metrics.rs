//! Counters and gauges of the monitor.

use std::sync::LazyLock;

use foresail_drift::DriftObservation;
use foresail_drift::performance::PerformanceObservation;
use prometheus::{
    Gauge, GaugeVec, IntCounter, IntGauge, register_gauge, register_gauge_vec,
    register_int_counter, register_int_gauge,
};

const ONCE: &str = "the metric is registered once, with a valid name";

/// Feature rows read by this process.
pub(crate) static ROWS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_monitor_rows_total",
        "Feature rows read from Kafka."
    )
    .expect(ONCE)
});

/// Canonical forecasts committed by this process.
pub(crate) static PREDICTIONS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_monitor_predictions_total",
        "Canonical forecasts committed to Kafka."
    )
    .expect(ONCE)
});

/// Rows the champion could not forecast from.
pub(crate) static FAILED: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "foresail_monitor_failed_predictions",
        "Feature rows the present champion could not forecast from."
    )
    .expect(ONCE)
});

/// Sessions that ended with an error.
pub(crate) static SESSIONS_FAILED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_monitor_sessions_failed_total",
        "Kafka sessions that ended with an error."
    )
    .expect(ONCE)
});

static DRIFT_SCORE: LazyLock<GaugeVec> = LazyLock::new(|| {
    register_gauge_vec!(
        "foresail_drift_score",
        "Drift of one feature in the newest window, on the scale of foresail_drift_threshold.",
        &["feature"]
    )
    .expect(ONCE)
});

static DRIFT_THRESHOLD: LazyLock<Gauge> = LazyLock::new(|| {
    register_gauge!(
        "foresail_drift_threshold",
        "Alarm level of the largest score."
    )
    .expect(ONCE)
});

static DRIFT_ALARM: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "foresail_drift_alarm",
        "1 while drift is above its alarm level."
    )
    .expect(ONCE)
});

static RMSE: LazyLock<GaugeVec> = LazyLock::new(|| {
    register_gauge_vec!(
        "foresail_realised_rmse_ratio",
        "Root mean squared realised error relative to price, by forecaster.",
        &["forecaster"]
    )
    .expect(ONCE)
});

static EXCESS: LazyLock<Gauge> = LazyLock::new(|| {
    register_gauge!(
        "foresail_realised_excess_ratio",
        "Lower 95 % bound of the champion's excess loss over naive, relative to naive."
    )
    .expect(ONCE)
});

/// Shows a drift observation; `None` before the first full window.
pub(crate) fn show_drift(observation: Option<&DriftObservation>) {
    let Some(seen) = observation else {
        DRIFT_SCORE.reset();
        DRIFT_ALARM.set(0);
        return;
    };
    for (feature, score) in &seen.features {
        DRIFT_SCORE.with_label_values(&[feature]).set(*score);
    }
    DRIFT_THRESHOLD.set(seen.threshold);
    DRIFT_ALARM.set(i64::from(seen.alarm));
}

/// Shows the realised error; `None` before the first matured date.
pub(crate) fn show_performance(observation: Option<&PerformanceObservation>) {
    let Some(seen) = observation else {
        RMSE.reset();
        EXCESS.set(0.0);
        return;
    };
    RMSE.with_label_values(&["champion"]).set(seen.rmse);
    RMSE.with_label_values(&["naive"]).set(seen.naive_rmse);
    EXCESS.set(seen.excess_lower_bound);
}
