//! The committed CRDs are what the types say, small enough to apply, and documented throughout.

#![allow(clippy::unwrap_used)]

use foresail_crds::{ModelVersion, Pipeline, ProviderAccount};
use kube::CustomResourceExt;
use serde_json::Value;

fn schemas() -> Vec<(&'static str, Value)> {
    [
        ("pipelines", Pipeline::crd()),
        ("modelversions", ModelVersion::crd()),
        ("provideraccounts", ProviderAccount::crd()),
    ]
    .into_iter()
    .map(|(name, crd)| {
        let crd = serde_json::to_value(crd).unwrap();
        (
            name,
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clone(),
        )
    })
    .collect()
}

#[test]
fn committed_yaml_is_current() {
    for name in ["pipelines", "modelversions", "provideraccounts"] {
        let generated = std::process::Command::new(env!("CARGO_BIN_EXE_crdgen"))
            .arg(name)
            .output()
            .unwrap();
        assert!(generated.status.success(), "{generated:?}");
        let path = format!("{}/yaml/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read(&path).unwrap();
        assert!(
            committed == generated.stdout,
            "{path} is out of date: run `make generate`"
        );
        assert!(
            committed.len() < 200 * 1024,
            "{path} has {} bytes",
            committed.len()
        );
    }
}

#[test]
fn every_spec_field_is_explained() {
    fn walk(path: &str, schema: &Value, missing: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, field) in properties {
                let path = format!("{path}.{name}");
                if field["description"].as_str().is_none_or(str::is_empty) {
                    missing.push(path.clone());
                }
                walk(&path, field, missing);
            }
        }
        if schema["items"].is_object() {
            walk(&format!("{path}[]"), &schema["items"], missing);
        }
    }
    let mut missing = Vec::new();
    for (name, properties) in schemas() {
        for part in ["spec", "status"] {
            walk(&format!("{name}.{part}"), &properties[part], &mut missing);
        }
    }
    // Types of Kubernetes itself (HPA behavior, resources) carry their own comments upstream.
    assert!(missing.is_empty(), "fields without a comment: {missing:#?}");
}

#[test]
fn schemas_are_structural() {
    fn walk(path: &str, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let path = format!("{path}.{key}");
                    assert!(key != "$ref" && key != "oneOf", "{path} is not structural");
                    walk(&path, inner);
                }
            }
            Value::Array(items) => items.iter().for_each(|i| walk(path, i)),
            _ => {}
        }
    }
    for (name, properties) in schemas() {
        walk(name, &properties);
    }
}
