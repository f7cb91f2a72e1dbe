//! Reads the generated CRDs: which fields there are, which rules, and for every bound a value that
//! breaks it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use foresail_tests::repo;
use serde_json::{Value, json};

use super::dry_run::Case;

/// Fields whose schema is Kubernetes' own: not walked into.
const FOREIGN: [&str; 2] = ["resources", "behavior"];

fn spec(kind: &str) -> Result<Value> {
    let crd = repo::yaml(&format!("crds/yaml/{kind}.yaml"), &[])?;
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema")
        .cloned()
        .context("the CRD has no schema")
}

/// Every field of the spec, as dotted paths.
pub fn fields(kind: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    walk(
        "spec",
        &spec(kind)?["properties"]["spec"],
        &mut |path, _| {
            found.push(path.replace("[]", ""));
        },
    );
    Ok(found)
}

/// The messages of all CEL rules.
pub fn rule_messages(kind: &str) -> Result<BTreeSet<String>> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                let rules = fields.get("x-kubernetes-validations");
                for rule in rules.and_then(Value::as_array).into_iter().flatten() {
                    found.insert(
                        rule["message"]
                            .as_str()
                            .unwrap_or("a rule without message")
                            .to_owned(),
                    );
                }
                fields.values().for_each(|v| collect(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| collect(v, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(&spec(kind)?, &mut found);
    Ok(found)
}

/// Number of fields below a schema, and those without a description.
pub fn explained(schema: &Value) -> (usize, Vec<String>) {
    let (mut count, mut bare) = (0, Vec::new());
    walk("spec", schema, &mut |path, field| {
        // An item of a list is explained by its list.
        if path.ends_with("[]") {
            return;
        }
        count += 1;
        if field["description"].as_str().is_none_or(str::is_empty) {
            bare.push(path.to_owned());
        }
    });
    (count, bare)
}

fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, field) in properties {
            let path = format!("{path}.{name}");
            visit(&path, field);
            if !FOREIGN.contains(&name.as_str()) {
                walk(&path, field, visit);
            }
        }
    }
    if schema["items"].is_object() {
        let path = format!("{path}[]");
        visit(&path, &schema["items"]);
        walk(&path, &schema["items"], visit);
    }
}

/// For every bound of every field one object that breaks it, made from a base that has the field.
pub fn violations(kind: &str, bases: &[Value]) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut unreached = Vec::new();
    walk(
        "spec",
        &spec(kind)?["properties"]["spec"],
        &mut |path, field| {
            let pointer = format!("/{}", path.replace("[]", ".0").replace('.', "/"));
            let Some(base) = bases.iter().find(|base| base.pointer(&pointer).is_some()) else {
                unreached.push(path.to_owned());
                return;
            };
            for (what, value) in breaking(field) {
                let mut object = base.clone();
                if let Some(place) = object.pointer_mut(&pointer) {
                    *place = value;
                }
                cases.push(Case {
                    name: format!("{path} {what}"),
                    object,
                    says: tail(path),
                });
            }
        },
    );
    anyhow::ensure!(unreached.is_empty(), "no base has {unreached:?}");
    Ok(cases)
}

/// The last field name of a path: an answer must name it.
fn tail(path: &str) -> String {
    path.trim_end_matches("[]")
        .rsplit('.')
        .next()
        .unwrap_or(path)
        .to_owned()
}

fn breaking(field: &Value) -> Vec<(&'static str, Value)> {
    let mut made = Vec::new();
    match field["type"].as_str() {
        Some("string") => {
            made.push(("is a number", json!(12)));
            made.push(("is an object", json!({"a": 1})));
            if field["enum"].is_array() {
                made.push(("is unknown", json!("Bogus")));
            }
            if let Some(most) = field["maxLength"].as_u64() {
                let length = usize::try_from(most + 1).unwrap_or(usize::MAX);
                made.push(("is too long", json!("1".repeat(length))));
            }
            if field["minLength"].as_u64().is_some_and(|least| least > 0) {
                made.push(("is empty", json!("")));
            }
            if field["pattern"].is_string() {
                made.push(("does not match", json!("\u{1F600} \n'; DROP")));
            }
        }
        Some("integer") => {
            made.push(("is a string", json!("7")));
            made.push(("is a fraction", json!(1.5)));
            made.push(("is huge", json!(u64::MAX)));
            if let Some(least) = field["minimum"].as_f64() {
                made.push(("is too small", json!(least as i64 - 1)));
            }
            if let Some(most) = field["maximum"].as_f64() {
                made.push(("is too large", json!(most as i64 + 1)));
            }
        }
        Some("boolean") => made.push(("is a string", json!("true"))),
        Some("array") => {
            made.push(("is an object", json!({})));
            if field["minItems"].as_u64().is_some_and(|least| least > 0) {
                made.push(("has no item", json!([])));
            }
            if let Some(most) = field["maxItems"].as_u64() {
                made.push((
                    "has too many items",
                    json!(vec![Value::Null; usize::try_from(most + 1).unwrap_or(0)]),
                ));
            }
        }
        _ => made.push(("is a string", json!("text"))),
    }
    made
}
