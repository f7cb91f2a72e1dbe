//! Metrics of the predictor; no symbols as labels.

use std::sync::LazyLock;

use prometheus::{
    HistogramVec, IntCounterVec, IntGauge, register_histogram_vec, register_int_counter_vec,
    register_int_gauge,
};

const ONCE: &str = "the metric is registered once, with a valid name";

/// Requests by route and status.
pub(crate) static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "foresail_predict_requests_total",
        "Requests answered.",
        &["route", "status"]
    )
    .expect(ONCE)
});
/// Time to answer.
pub(crate) static LATENCY: LazyLock<HistogramVec> = LazyLock::new(|| {
    let buckets = vec![
        1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 1.0,
    ];
    register_histogram_vec!(
        "foresail_predict_request_seconds",
        "Time to answer.",
        &["route"],
        buckets
    )
    .expect(ONCE)
});
/// Where a forecast came from.
pub(crate) static CACHE: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "foresail_predict_cache_total",
        "Forecasts by origin.",
        &["outcome"]
    )
    .expect(ONCE)
});
/// Loaded champion.
pub(crate) static VERSION: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "foresail_predict_model_version",
        "Version that answers requests."
    )
    .expect(ONCE)
});
/// Versions that could not be loaded.
pub(crate) static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "foresail_predict_loads_refused_total",
        "Versions that were not loaded.",
        &["reason"]
    )
    .expect(ONCE)
});
/// Feature rows held.
pub(crate) static ROWS: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "foresail_predict_table_rows",
        "Feature rows held in memory."
    )
    .expect(ONCE)
});
