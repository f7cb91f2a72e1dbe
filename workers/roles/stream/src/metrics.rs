//! Counters and gauges of the stream worker.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntGauge, register_int_counter, register_int_gauge};

const ONCE: &str = "the metric is registered once, with a valid name";

/// Bars read from Kafka by this process.
pub(crate) static BARS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_stream_bars_total",
        "Messages read from the bars topic."
    )
    .expect(ONCE)
});

/// Feature rows committed by this process.
pub(crate) static ROWS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_stream_rows_total",
        "Feature rows committed to Kafka."
    )
    .expect(ONCE)
});

/// Refused bars committed to quarantine by this process.
pub(crate) static REFUSED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_stream_refused_bars_total",
        "Bars the feature set refused, written to quarantine."
    )
    .expect(ONCE)
});

/// Times the Kafka session was opened again after a failure.
pub(crate) static REOPENED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_stream_sessions_failed_total",
        "Kafka sessions that ended with an error."
    )
    .expect(ONCE)
});

/// Event time of the newest feature row.
pub(crate) static LAST_EVENT: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "foresail_stream_last_event_time_seconds",
        "Event time of the newest feature row, seconds since the Unix epoch."
    )
    .expect(ONCE)
});
