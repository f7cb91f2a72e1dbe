//! Metrics of the predictor; no symbols as labels.

use foresail_runtime_base::metrics::{Counter, Gauge, Histogram, Labelled, Registry};

/// Upper bounds of the latency buckets in seconds.
const BUCKETS: [f64; 12] = [
    1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 1.0,
];

pub(crate) struct Metrics {
    pub requests: Labelled<Counter, 2>,
    pub request_seconds: Labelled<Histogram, 1>,
    pub cache: Labelled<Counter, 1>,
    pub model_version: Gauge,
    pub loads_refused: Labelled<Counter, 1>,
    pub table_rows: Gauge,
    pub log_overflow: Counter,
    pub log_dropped: Counter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            requests: registry.counters(
                "foresail_predict_requests_total",
                "Requests answered; over gRPC with the HTTP status that means the same.",
                ["route", "status"],
            ),
            request_seconds: registry.histograms(
                "foresail_predict_request_seconds",
                "Time to answer; the route of a call of gRPC is its method.",
                ["route"],
                || Histogram::new(BUCKETS),
            ),
            cache: registry.counters(
                "foresail_predict_cache_total",
                "Forecasts by origin.",
                ["outcome"],
            ),
            model_version: registry.gauge(
                "foresail_predict_model_version",
                "Version that answers requests.",
            ),
            loads_refused: registry.counters(
                "foresail_predict_loads_refused_total",
                "Versions that were not loaded.",
                ["reason"],
            ),
            table_rows: registry.gauge(
                "foresail_predict_table_rows",
                "Feature rows held in memory.",
            ),
            log_overflow: registry.counter(
                "foresail_served_log_overflow_total",
                "Served forecasts that were not logged because the buffer was full.",
            ),
            log_dropped: registry.counter(
                "foresail_served_log_dropped_total",
                "Served forecasts that were not logged because the buffer was full or Kafka away.",
            ),
        }
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
            "foresail_predict_cache_total",
            "foresail_predict_loads_refused_total",
            "foresail_predict_model_version",
            "foresail_predict_request_seconds",
            "foresail_predict_requests_total",
            "foresail_predict_table_rows",
            "foresail_served_log_dropped_total",
            "foresail_served_log_overflow_total",
        ];
        assert_eq!(registry.names(), expected);
    }
}
