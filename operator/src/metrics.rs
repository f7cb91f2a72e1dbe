//! Metrics of the operator.

use foresail_runtime_base::metrics::{Counter, Labelled, Registry};

/// Counters of the operator; those of its writes belong to the effects layer.
pub struct Metrics {
    /// Reconciles, by result.
    pub reconciles: Labelled<Counter, 1>,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Self {
        Self {
            reconciles: registry.counters(
                "foresail_operator_reconciles_total",
                "Reconciles of Pipelines by result.",
                ["result"],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use foresail_runtime_base::effects::Effects;

    use super::*;

    #[test]
    fn names_are_those_that_dashboards_know() {
        let registry = Registry::default();
        Metrics::new(&registry);
        Effects::new(&registry, None);
        let expected = [
            "foresail_effects_total",
            "foresail_operator_reconciles_total",
        ];
        assert_eq!(registry.names(), expected);
    }
}
