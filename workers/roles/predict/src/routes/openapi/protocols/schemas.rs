//! Bodies of the protocols of other servers.

use serde_json::{Value, json};

pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object with these fields, of which those marked with `!` must be there.
fn object(fields: &[(&str, Value)]) -> Value {
    let properties = fields
        .iter()
        .map(|(name, schema)| (name.trim_end_matches('!').to_owned(), schema.clone()));
    let properties: serde_json::Map<String, Value> = properties.collect();
    let required = fields.iter().filter_map(|(name, _)| name.strip_suffix('!'));
    let required: Vec<&str> = required.collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

/// Every body by its name.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = json!({"type": "string"});
    let yes = json!({"type": "boolean"});
    let nested = reference("NestedNumbers");
    let by_name = reference("NamedTensors");
    let either = json!({"anyOf": [nested, by_name]});
    let any = json!({});
    let tensor = object(&[
        ("name!", text.clone()),
        ("datatype!", text.clone()),
        ("shape!", list(&json!({"type": "integer"}))),
    ]);
    let mut schemas = vec![
        (
            "NestedNumbers",
            json!({"anyOf": [{"type": "number"}, list(&nested)], "description": "A tensor as lists of lists, or a number. NaN and Infinity are read and refused as values that are not finite"}),
        ),
        (
            "NamedTensors",
            json!({"type": "object", "additionalProperties": nested}),
        ),
        ("ProtocolError", object(&[("error!", text.clone())])),
        (
            "PredictRequest",
            object(&[
                ("signature_name", text.clone()),
                ("instances", list(&either)),
                ("inputs", either.clone()),
            ]),
        ),
        (
            "PredictAnswer",
            object(&[("predictions", list(&either)), ("outputs", either.clone())]),
        ),
        ("ModelNames", object(&[("models!", list(&text))])),
        (
            "ModelStatus",
            object(&[
                ("name", text.clone()),
                ("ready", yes.clone()),
                ("model_version_status!", list(&reference("VersionStatus"))),
            ]),
        ),
        (
            "VersionStatus",
            object(&[
                ("version!", text.clone()),
                ("state!", text.clone()),
                (
                    "status!",
                    object(&[
                        ("error_code!", text.clone()),
                        ("error_message!", text.clone()),
                    ]),
                ),
            ]),
        ),
        (
            "ServerMetadata",
            object(&[
                ("name!", text.clone()),
                ("version!", text.clone()),
                ("extensions!", list(&text)),
            ]),
        ),
        ("ServerLive", object(&[("live!", yes.clone())])),
        ("ServerReady", object(&[("ready!", yes.clone())])),
        (
            "ModelReady",
            object(&[("name!", text.clone()), ("ready!", yes)]),
        ),
        (
            "TensorMetadata",
            object(&[
                ("name!", text.clone()),
                ("versions!", list(&text)),
                ("platform!", text.clone()),
                ("inputs!", list(&tensor)),
                ("outputs!", list(&tensor)),
            ]),
        ),
        (
            "InvocationRequest",
            object(&[
                ("instances", list(&either)),
                ("inputs", either.clone()),
                (
                    "dataframe_split",
                    object(&[
                        ("columns!", list(&text)),
                        ("data!", nested.clone()),
                        ("index", any.clone()),
                    ]),
                ),
                ("dataframe_records", list(&by_name)),
                ("params", any.clone()),
            ]),
        ),
        ("InvocationAnswer", object(&[("predictions!", either)])),
        (
            "InvocationError",
            object(&[("error_code!", text.clone()), ("message!", text.clone())]),
        ),
    ];
    schemas.extend(infer_schemas(&text, &nested, &any));
    schemas.push(("ModelMetadata", model_metadata(&text)));
    schemas
}

fn infer_schemas(text: &Value, nested: &Value, any: &Value) -> Vec<(&'static str, Value)> {
    let shape = list(&json!({"type": "integer", "minimum": 0}));
    let tensor = [
        ("name!", text.clone()),
        ("shape!", shape),
        ("datatype!", text.clone()),
        ("data", nested.clone()),
        ("parameters", any.clone()),
    ];
    let wish = object(&[("name!", text.clone()), ("parameters", any.clone())]);
    vec![
        ("InferTensor", object(&tensor)),
        (
            "InferRequest",
            object(&[
                ("id", text.clone()),
                ("parameters", any.clone()),
                ("inputs!", list(&reference("InferTensor"))),
                ("outputs", list(&wish)),
            ]),
        ),
        (
            "InferAnswer",
            object(&[
                ("model_name!", text.clone()),
                ("model_version!", text.clone()),
                ("id", text.clone()),
                ("outputs!", list(&reference("InferTensor"))),
            ]),
        ),
    ]
}

fn model_metadata(text: &Value) -> Value {
    let size = object(&[("size!", text.clone()), ("name!", text.clone())]);
    let shape = object(&[
        ("dim!", list(&size)),
        ("unknown_rank!", json!({"type": "boolean"})),
    ]);
    let tensor = object(&[
        ("dtype!", text.clone()),
        ("tensor_shape!", shape),
        ("name!", text.clone()),
    ]);
    let tensors = json!({"type": "object", "additionalProperties": tensor});
    let signature = object(&[
        ("inputs!", tensors.clone()),
        ("outputs!", tensors),
        ("method_name!", text.clone()),
        ("defaults!", json!({})),
    ]);
    let signatures = json!({"type": "object", "additionalProperties": signature});
    let twice = object(&[("signature_def!", object(&[("signature_def!", signatures)]))]);
    let spec = object(&[
        ("name!", text.clone()),
        ("signature_name!", text.clone()),
        ("version!", text.clone()),
    ]);
    object(&[("model_spec!", spec), ("metadata!", twice)])
}
