//! The CEL rules of the CRD, word for word.

use std::sync::LazyLock;

use foresail_crds::pipeline;
use kube_cel::Validator;
use regex::{Captures, Regex};
use serde_json::Value;

use crate::refusal::Refusal;

/// Fields that are called as a keyword of CEL: the API server knows them by their name, `kube-cel` as it escapes them.
const KEYWORDS: &str = r"\.(as|break|const|continue|else|for|function|if|import|in|let|loop|namespace|package|return|var|void|while)\b";

/// The schema of a Pipeline as the API server has it.
pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(pipeline::schema);
/// The same with rules as `kube-cel` reads them.
static RULES: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = SCHEMA.clone();
    let keywords = Regex::new(KEYWORDS).expect("a pattern of ours");
    escape(&mut schema, &keywords);
    schema
});

/// Every rule that an object breaks; its types and bounds are known to hold.
pub(crate) fn check(object: &Value) -> Vec<Refusal> {
    let Err(broken) = Validator::new().validate(&RULES, object, None) else {
        return Vec::new();
    };
    let refusals = broken.iter().map(|rule| {
        let message = format!("Invalid value: {}", rule.message);
        match rule.field_path.as_str() {
            "" => Refusal::whole(message),
            path => Refusal::new(path, message),
        }
    });
    refusals.collect()
}

fn escape(schema: &mut Value, keywords: &Regex) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(rule)) = fields.get_mut("rule") {
                let escaped = |found: &Captures<'_>| format!(".__{}__", &found[1]);
                *rule = keywords.replace_all(rule, escaped).into_owned();
            }
            fields
                .values_mut()
                .for_each(|value| escape(value, keywords));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| escape(value, keywords)),
        _ => {}
    }
}
