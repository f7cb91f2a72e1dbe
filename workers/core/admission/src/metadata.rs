//! What the API server asks of every object: kind, name, and fields of `metadata` that exist.

use serde_json::Value;

use crate::refusal::Refusal;

/// Fields of `metadata`.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Most bytes of all annotations.
const ANNOTATIONS: usize = 256 * 1024;
const LONGEST_NAME: usize = 253;

pub(crate) fn check(object: &Value) -> Vec<Refusal> {
    let mut found = Vec::new();
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if (kind, version) != ("Pipeline", foresail_crds::API_VERSION) {
        let message = format!(
            "no matches for kind \"{kind}\" in version \"{version}\": it must be a Pipeline of {}",
            foresail_crds::API_VERSION
        );
        found.push(Refusal::whole(message));
    }
    let metadata = &object["metadata"];
    for field in metadata
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
    {
        if !FIELDS.contains(&field.as_str()) {
            let path = format!("metadata.{field}");
            found.push(Refusal::unknown(path));
        }
    }
    found.extend(name(&metadata["name"]));
    for field in ["labels", "annotations"] {
        found.extend(texts(field, &metadata[field]));
    }
    found
}

fn name(name: &Value) -> Option<Refusal> {
    let path = "metadata.name";
    let Some(name) = name.as_str() else {
        return Some(match name {
            Value::Null => Refusal::new(path, "Required value: name or generateName is required"),
            other => text_wanted(path, other),
        });
    };
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fine = name.len() <= LONGEST_NAME && name.split('.').all(is_label);
    let message = || {
        format!(
            "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character"
        )
    };
    (!fine).then(|| Refusal::new(path, message()))
}

/// Labels and annotations are text.
fn texts(field: &str, values: &Value) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut bytes = 0;
    for (key, value) in values.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(text) => bytes += key.len() + text.len(),
            None => found.push(text_wanted(&format!("metadata.{field}.{key}"), value)),
        }
    }
    if field == "annotations" && bytes > ANNOTATIONS {
        let message = format!("Too long: may not be more than {ANNOTATIONS} bytes");
        found.push(Refusal::new("metadata.annotations", message));
    }
    found
}

fn text_wanted(path: &str, value: &Value) -> Refusal {
    Refusal {
        wants_text: true,
        ..Refusal::new(
            path,
            format!("Invalid value: {value}: must be of type string"),
        )
    }
}
