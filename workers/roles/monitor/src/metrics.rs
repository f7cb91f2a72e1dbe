//! Counters and gauges of the monitor.

use foresail_drift::DriftObservation;
use foresail_drift::performance::PerformanceObservation;
use foresail_runtime_base::metrics::{Counter, FloatGauge, Gauge, Labelled, Registry};

pub(crate) struct Metrics {
    pub rows: Counter,
    pub predictions: Counter,
    pub failed: Gauge,
    pub connections_failed: Counter,
    drift_score: Labelled<FloatGauge, 1>,
    drift_psi: Labelled<FloatGauge, 1>,
    drift_ks: Labelled<FloatGauge, 1>,
    drift_threshold: FloatGauge,
    drift_alarm: Gauge,
    rmse: Labelled<FloatGauge, 1>,
    excess: FloatGauge,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            rows: registry.counter(
                "foresail_monitor_rows_total",
                "Feature rows read from Kafka.",
            ),
            predictions: registry.counter(
                "foresail_monitor_predictions_total",
                "Canonical forecasts committed to Kafka.",
            ),
            failed: registry.gauge(
                "foresail_monitor_failed_predictions",
                "Feature rows the present champion could not forecast from.",
            ),
            connections_failed: registry.counter(
                "foresail_monitor_connections_failed_total",
                "Kafka connections that ended with an error.",
            ),
            drift_score: registry.float_gauges(
                "foresail_drift_score",
                "Drift of one feature in the newest window, on the scale of foresail_drift_threshold.",
                ["feature"],
            ),
            drift_psi: registry.float_gauges(
                "foresail_drift_psi",
                "Population stability index of one feature in the newest window.",
                ["feature"],
            ),
            drift_ks: registry.float_gauges(
                "foresail_drift_ks",
                "Kolmogorov-Smirnov distance of one feature in the newest window.",
                ["feature"],
            ),
            drift_threshold: registry.float_gauge(
                "foresail_drift_threshold",
                "Alarm level of the largest score.",
            ),
            drift_alarm: registry.gauge(
                "foresail_drift_alarm",
                "1 while drift is above its alarm level.",
            ),
            rmse: registry.float_gauges(
                "foresail_realised_rmse_ratio",
                "Root mean squared realised error relative to price, by forecaster.",
                ["forecaster"],
            ),
            excess: registry.float_gauge(
                "foresail_realised_excess_ratio",
                "Lower 95 % bound of the champion's excess loss over naive, relative to naive.",
            ),
        }
    }

    /// Shows a drift observation; `None` before the first full window.
    pub(crate) fn show_drift(&self, observation: Option<&DriftObservation>) {
        let Some(seen) = observation else {
            for scores in [&self.drift_score, &self.drift_psi, &self.drift_ks] {
                scores.clear();
            }
            self.drift_alarm.set(0);
            return;
        };
        for feature in &seen.features {
            let name = [feature.name.as_str()];
            self.drift_score.with(name).set(feature.score);
            self.drift_psi.with(name).set(feature.psi);
            self.drift_ks.with(name).set(feature.ks);
        }
        self.drift_threshold.set(seen.threshold);
        self.drift_alarm.set(i64::from(seen.alarm));
    }

    /// Shows the realised error; `None` before the first matured date.
    pub(crate) fn show_performance(&self, observation: Option<&PerformanceObservation>) {
        let Some(seen) = observation else {
            self.rmse.clear();
            self.excess.set(0.0);
            return;
        };
        self.rmse.with(["champion"]).set(seen.rmse);
        self.rmse.with(["naive"]).set(seen.naive_rmse);
        self.excess.set(seen.excess_lower_bound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_dashboards_know() {
        let registry = Registry::default();
        Metrics::new(&registry);
        let expected = [
            "foresail_drift_alarm",
            "foresail_drift_ks",
            "foresail_drift_psi",
            "foresail_drift_score",
            "foresail_drift_threshold",
            "foresail_monitor_connections_failed_total",
            "foresail_monitor_failed_predictions",
            "foresail_monitor_predictions_total",
            "foresail_monitor_rows_total",
            "foresail_realised_excess_ratio",
            "foresail_realised_rmse_ratio",
        ];
        assert_eq!(registry.names(), expected);
    }
}
