//! The schema of `resources`: that of a container, short, and with the grammar of quantities, so that the API server
//! refuses what is none and names the field.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

/// The grammar of a quantity in the Kubernetes API, without a minus. An integer need not be a string.
const QUANTITY: &str = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let quantities = |description: &str| {
        json!({
            "description": description,
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {
                "x-kubernetes-int-or-string": true,
                "pattern": QUANTITY,
                "maxLength": 64
            }
        })
    };
    json_schema!({
        "type": "object",
        "nullable": true,
        "properties": {
            "requests": quantities("What the scheduler keeps free for the pod, by resource: `cpu`, `memory`. What has only a limit requests that."),
            "limits": quantities("What the pod may use at most, by resource.")
        }
    })
}
