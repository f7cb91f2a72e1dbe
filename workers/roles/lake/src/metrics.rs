//! Counters of the lake worker.

use foresail_runtime_base::metrics::{Counter, Labelled, Registry};

pub(crate) struct Metrics {
    /// Messages, by outcome: `committed`, `repeated` or `unreadable`.
    pub bars: Labelled<Counter, 1>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            bars: registry.counters(
                "foresail_lake_bars_total",
                "Messages of the bars topic: committed, repeated, or unreadable.",
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
        assert_eq!(registry.names(), ["foresail_lake_bars_total"]);
    }
}
