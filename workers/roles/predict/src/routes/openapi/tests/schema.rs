//! As much of JSON Schema as the document uses. Stricter in one thing: a field that the schema does not
//! name is a fault, since the document should say everything.

use serde_json::Value;

/// What of `value` is not as `schema` says, with where it stands.
pub(super) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, "", &mut faults);
    faults
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        let target = document.pointer(pointer);
        return check(document, target.expect(reference), value, at, faults);
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(kinds) = schema[word].as_array() {
            let tried: Vec<_> = kinds
                .iter()
                .map(|kind| self::faults(document, kind, value))
                .collect();
            if !tried.iter().any(Vec::is_empty) {
                faults.push(format!("{at}: none of {tried:?}"));
            }
        }
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        faults.push(format!("{at}: {value} is not one of {allowed:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = |name: &&str| match *name {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    };
    if !types.iter().any(is) {
        faults.push(format!("{at}: {value} is not {types:?}"));
        return;
    }
    if let (Some(minimum), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < minimum
    {
        faults.push(format!("{at}: {number} is below {minimum}"));
    }
    items(document, schema, value, at, faults);
    fields(document, schema, value, at, faults);
}

fn items(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(items) = value.as_array() else {
        return;
    };
    if schema["minItems"]
        .as_u64()
        .is_some_and(|least| (items.len() as u64) < least)
    {
        faults.push(format!("{at}: too few items"));
    }
    for (index, item) in items.iter().enumerate() {
        check(
            document,
            &schema["items"],
            item,
            &format!("{at}[{index}]"),
            faults,
        );
    }
}

fn fields(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(fields) = value.as_object() else {
        return;
    };
    let required = schema["required"].as_array();
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            faults.push(format!("{at}.{name}: is missing"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (
            schema["properties"].get(name),
            schema.get("additionalProperties"),
        ) {
            (Some(known), _) => check(document, known, field, &at, faults),
            (None, Some(any)) if any.is_object() => check(document, any, field, &at, faults),
            _ => faults.push(format!("{at}: is not described")),
        }
    }
}

#[test]
fn faults_are_found() {
    use serde_json::json;
    let document = json!({"components": {"schemas": {"Point": {
        "type": "object", "required": ["x"], "properties": {
            "x": {"type": "number", "minimum": 1},
            "tags": {"type": ["array", "null"], "items": {"type": "string", "enum": ["a"]}},
            "more": {"type": "object", "additionalProperties": {"type": "integer"}},
            "either": {"oneOf": [{"type": "null"}, {"type": "string"}]}
        }
    }}}});
    let schema = json!({"$ref": "#/components/schemas/Point"});
    let good = json!({"x": 1.5, "tags": ["a"], "more": {"k": 1}, "either": null});
    assert_eq!(faults(&document, &schema, &good), [""; 0]);
    for bad in [
        json!({}),
        json!({"x": "1"}),
        json!({"x": 0.5}),
        json!({"x": 1, "y": 2}),
        json!({"x": 1, "tags": ["b"]}),
        json!({"x": 1, "tags": "a"}),
        json!({"x": 1, "more": {"k": 1.5}}),
        json!({"x": 1, "either": 3}),
    ] {
        assert_eq!(faults(&document, &schema, &bad).len(), 1, "{bad}");
    }
}
