//! The CEL rules of the CRD, word for word.

use std::sync::LazyLock;

use foresail_crds::pipeline;
use kube_cel::Validator;
use serde_json::Value;

use crate::refusal::Refusal;

/// The schema of a Pipeline as the API server has it.
pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(pipeline::schema);

/// Every rule that an object breaks; its types and bounds are known to hold.
pub(crate) fn check(object: &Value) -> Vec<Refusal> {
    let Err(broken) = Validator::new().validate(&SCHEMA, object, None) else {
        return Vec::new();
    };
    let refusals = broken
        .iter()
        .map(|rule| Refusal::new(&rule.field_path, format!("Invalid value: {}", rule.message)));
    refusals.collect()
}
