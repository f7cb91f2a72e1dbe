//! Names, shapes and sizes nobody should send.

use serde_json::{Value, json};

use super::{GONE, Row};

#[rustfmt::skip] // a table
pub fn rows() -> Vec<Row> {
    let mut deep = json!("bottom");
    for _ in 0..500 {
        deep = json!({ "a": deep });
    }
    vec![
        ("a name of 41 letters", vec![("/metadata/name", json!("a".repeat(41)))], "metadata.name must have at most 40 characters"),
        ("a name with a dot", vec![("/metadata/name", json!("a.b"))], "metadata.name must be a DNS label that starts with a letter"),
        ("a name that starts with a digit", vec![("/metadata/name", json!("1a"))], "metadata.name must be a DNS label that starts with a letter"),
        ("a name with a capital", vec![("/metadata/name", json!("Base"))], "RFC 1123"),
        ("a name with a path", vec![("/metadata/name", json!("../base"))], "metadata.name"),
        ("a name in emoji", vec![("/metadata/name", json!("\u{1F4C8}"))], "RFC 1123"),
        ("another namespace", vec![("/metadata/namespace", json!("kube-system"))], "does not match the namespace"),
        ("no spec", vec![("/spec", json!(GONE))], "spec: Required value"),
        ("a spec of nothing", vec![("/spec", json!({}))], "Required value"),
        ("a spec that is null", vec![("/spec", Value::Null)], "spec"),
        ("a spec that is a list", vec![("/spec", json!([]))], "spec"),
        ("a spec that is text", vec![("/spec", json!("please"))], "spec"),
        ("an unknown field", vec![("/spec/owner", json!("me"))], "unknown field \"spec.owner\""),
        ("a template for a pod", vec![("/spec/podTemplate", json!({"spec": {"hostNetwork": true}}))], "unknown field \"spec.podTemplate\""),
        ("an image of one's own", vec![("/spec/image", json!("evil:latest"))], "unknown field \"spec.image\""),
        ("a service account", vec![("/spec/serviceAccountName", json!("cluster-admin"))], "unknown field \"spec.serviceAccountName\""),
        ("five hundred levels", vec![("/spec/extra", deep)], "spec"),
        ("a lake of a megabyte", vec![("/spec/lake/uri", json!("s3://".to_owned() + &"a".repeat(1_000_000)))], "spec.lake.uri"),
        ("four megabytes", vec![("/spec/training/timeZone", json!("Z".repeat(4_000_000)))], "limit"),
        ("an annotation of half a megabyte", vec![("/metadata/annotations", json!({"a": "b".repeat(500_000)}))], "metadata.annotations: Too long"),
        ("a secret name of 254 letters", vec![("/spec/kafka/secretName", json!("a".repeat(254)))], "spec.kafka.secretName"),
        ("a secret without a name", vec![("/spec/lake/secretName", json!(""))], "spec.lake.secretName"),
    ]
}
