//! Counters of ingest.

use foresail_runtime_base::metrics::{Counter, Labelled, Registry};

#[derive(Clone)]
pub(crate) struct Metrics {
    /// Source rows committed, by outcome: `sent`, `quarantined`, `unchanged` or `out_of_scope`.
    pub rows: Labelled<Counter, 1>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            rows: registry.counters(
                "foresail_ingest_rows_total",
                "Source rows read by this process: sent, quarantined, unchanged, or out of scope.",
                ["outcome"],
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
        assert_eq!(registry.names(), ["foresail_ingest_rows_total"]);
    }
}
