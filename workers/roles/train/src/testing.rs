//! What several tests of this crate need.

use foresail_crds::TrainingParameters;
use foresail_crds::pipeline::spec::TrainingSpec;
use foresail_domain::{Bar, Interval};
use serde_json::Value;

/// Parameters of `spec.training`.
pub(crate) fn parameters(spec: Value) -> TrainingParameters {
    let spec: TrainingSpec = serde_json::from_value(spec).unwrap();
    TrainingParameters::try_from(&spec).unwrap()
}

/// A bar whose only price is its close.
pub(crate) fn bar(symbol: &str, session: i64) -> Bar {
    Bar {
        symbol: symbol.into(),
        interval: Interval::Session,
        event_time: session * 86_400_000,
        open: None,
        high: None,
        low: None,
        close: 50.0,
        volume: None,
        split_factor: 1.0,
        dividend: 0.0,
        ingested_at: 0,
        provider: "test".into(),
        revision: 0,
    }
}
