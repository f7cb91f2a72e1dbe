//! The `Pipeline`: spec (what the user declares), status (what is observed), conditions.

pub mod conditions;
pub mod decision;
pub mod refetch;
pub mod spec;
pub mod status;

pub use spec::{Pipeline, PipelineSpec};
pub use status::PipelineStatus;

/// The OpenAPI schema of a Pipeline as the API server has it, CEL rules included.
pub fn schema() -> serde_json::Value {
    let mut crd =
        serde_json::to_value(<Pipeline as kube::CustomResourceExt>::crd()).expect("plain data");
    let schema = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema");
    schema.map(serde_json::Value::take).unwrap_or_default()
}
