//! What was asked of providers, and what it was waited for.

use foresail_runtime_base::metrics::{Counter, Labelled, Registry};

#[derive(Clone)]
pub(crate) struct Metrics {
    /// Answers by what they meant.
    pub answers: Labelled<Counter, 1>,
    /// Waits and stops by what for.
    pub waits: Labelled<Counter, 1>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            answers: registry.counters(
                "foresail_provider_answers_total",
                "Answers of a provider of market data, by what they meant.",
                ["reason"],
            ),
            waits: registry.counters(
                "foresail_provider_waits_total",
                "Times that a request waited for its turn, by what for.",
                ["reason"],
            ),
        }
    }
}
