//! Counters and gauges of the stream worker.

use foresail_runtime_base::metrics::{Counter, Gauge, Registry};

pub(crate) struct Metrics {
    pub bars: Counter,
    pub rows: Counter,
    pub refused: Counter,
    pub look_backs: Counter,
    pub connections_failed: Counter,
    pub last_event_time: Gauge,
    pub repairs: Counter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            bars: registry.counter(
                "foresail_stream_bars_total",
                "Messages read from the bars topic.",
            ),
            rows: registry.counter(
                "foresail_stream_rows_total",
                "Feature rows committed to Kafka.",
            ),
            refused: registry.counter(
                "foresail_stream_refused_bars_total",
                "Bars the feature set refused, written to quarantine.",
            ),
            look_backs: registry.counter(
                "foresail_stream_look_backs_total",
                "Readings of a partition from its beginning, for bars that change the past.",
            ),
            connections_failed: registry.counter(
                "foresail_stream_connections_failed_total",
                "Kafka connections that ended with an error.",
            ),
            last_event_time: registry.gauge(
                "foresail_stream_last_event_time_seconds",
                "Event time of the newest feature row, seconds since the Unix epoch.",
            ),
            repairs: registry.counter(
                "foresail_cache_repairs_total",
                "Symbols whose rows were lost in Redis and put back.",
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
            "foresail_cache_repairs_total",
            "foresail_stream_bars_total",
            "foresail_stream_connections_failed_total",
            "foresail_stream_last_event_time_seconds",
            "foresail_stream_look_backs_total",
            "foresail_stream_refused_bars_total",
            "foresail_stream_rows_total",
        ];
        assert_eq!(registry.names(), expected);
    }
}
