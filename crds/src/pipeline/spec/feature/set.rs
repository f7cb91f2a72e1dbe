//! Features together with what else decides the values of a row. A version carries those it was trained on.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FeatureSpec;
use crate::pipeline::spec::{Adjustment, PipelineSpec};

/// Everything that decides the values of a feature row.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct FeatureSetSpec {
    /// `spec.features` of the Pipeline at that time, in this order.
    #[schemars(schema_with = "as_declared")]
    pub features: Vec<FeatureSpec>,
    /// `spec.source.adjustment` of the Pipeline at that time.
    pub adjustment: Adjustment,
}

impl From<&PipelineSpec> for FeatureSetSpec {
    fn from(spec: &PipelineSpec) -> Self {
        Self {
            features: spec.features.clone(),
            adjustment: spec.source.adjustment,
        }
    }
}

/// They passed the rules of `spec.features` when they were declared, so that the types are enough here.
fn as_declared(generator: &mut SchemaGenerator) -> Schema {
    let mut feature = FeatureSpec::json_schema(generator).to_value();
    remove_rules(&mut feature);
    json_schema!({"type": "array", "maxItems": 64, "items": feature})
}

fn remove_rules(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(remove_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_rules),
        _ => {}
    }
}
