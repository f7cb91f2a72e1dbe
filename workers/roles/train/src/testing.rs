//! What several tests of this crate need.

use foresail_crds::TrainingParameters;
use foresail_crds::pipeline::spec::TrainingSpec;
use serde_json::Value;

/// Parameters of `spec.training`.
pub(crate) fn parameters(spec: Value) -> TrainingParameters {
    let spec: TrainingSpec = serde_json::from_value(spec).unwrap();
    TrainingParameters::try_from(&spec).unwrap()
}
