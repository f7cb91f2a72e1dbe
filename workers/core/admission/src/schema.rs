//! Types, bounds and unknown fields, as structural schemas state them. What is not needed for the schemas of Foresail, such
//! as `anyOf`, is not here; a test says when a schema needs more.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Number, Value};

use crate::refusal::Refusal;
use crate::rules::SCHEMA;

/// Longest value that a message repeats, in characters.
const SHOWN: usize = 80;
/// Below this every whole float is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Checks the spec, fills in defaults and leaves out nulls, as the API server does before it applies rules.
pub(crate) fn check(object: &mut Value) -> Vec<Refusal> {
    let mut walk = Walk::default();
    let Some(fields) = object.as_object_mut() else {
        return vec![Refusal::whole("it is no object")];
    };
    for field in fields.keys() {
        let known = SCHEMA["properties"].get(field).is_some();
        if !known && !matches!(field.as_str(), "apiVersion" | "kind" | "metadata") {
            walk.found.push(Refusal::unknown(field));
        }
    }
    let (path, schema) = ("spec", &SCHEMA["properties"]["spec"]);
    match fields.get_mut(path) {
        None | Some(Value::Null) => walk.refuse(path, "Required value"),
        Some(spec) => walk.value(path, schema, spec),
    }
    walk.found
}

/// What was found on the way through an object.
#[derive(Default)]
struct Walk {
    found: Vec<Refusal>,
}

impl Walk {
    fn refuse(&mut self, path: &str, message: impl std::fmt::Display) {
        self.found.push(Refusal::new(path, message));
    }

    /// A bound that is passed, in the words of the API server.
    fn beyond(&mut self, path: &str, value: &Value, bound: &str) {
        let message = format!("Invalid value: {}: {path} in body {bound}", shown(value));
        self.refuse(path, message);
    }

    fn value(&mut self, path: &str, schema: &Value, value: &mut Value) {
        let wanted = schema["type"].as_str();
        let int_or_string = schema["x-kubernetes-int-or-string"] == true;
        let found = kind(value);
        let fits = match wanted {
            _ if int_or_string => matches!(found, "integer" | "string"),
            Some("number") => matches!(found, "integer" | "number"),
            Some(wanted) => wanted == found,
            None => true,
        };
        let nullable = schema["nullable"] == true && value.is_null();
        if nullable {
            return;
        }
        if !fits {
            let wanted = wanted.unwrap_or("integer or string");
            self.found.push(Refusal {
                wants_text: wanted == "string",
                ..Refusal::new(
                    path,
                    format!(
                        "Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""
                    ),
                )
            });
            return;
        }
        match value {
            Value::Object(fields) => self.object(path, schema, fields),
            Value::Array(items) => self.array(path, schema, items),
            Value::String(text) => self.text(path, schema, text),
            Value::Number(_) => self.number(path, schema, value),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn object(&mut self, path: &str, schema: &Value, fields: &mut Map<String, Value>) {
        if let Some(most) = schema["maxProperties"].as_u64()
            && fields.len() as u64 > most
        {
            let message = format!("Too many: {}: must have at most {most} items", fields.len());
            self.refuse(path, message);
        }
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let others = &schema["additionalProperties"];
        for field in fields.keys() {
            let open = others.is_object() || others == true;
            if !open && !properties.contains_key(field) {
                self.found.push(Refusal::unknown(format!("{path}.{field}")));
            }
        }
        complete(properties, fields);
        for required in schema["required"].as_array().into_iter().flatten() {
            let field = required.as_str().unwrap_or_default();
            if !fields.contains_key(field) {
                self.refuse(&format!("{path}.{field}"), "Required value");
            }
        }
        for (field, value) in fields {
            let schema = properties.get(field).unwrap_or(others);
            self.value(&format!("{path}.{field}"), schema, value);
        }
    }

    fn array(&mut self, path: &str, schema: &Value, items: &mut [Value]) {
        let count = items.len() as u64;
        if let Some(most) = schema["maxItems"].as_u64()
            && count > most
        {
            let message = format!("Too many: {count}: must have at most {most} items");
            self.refuse(path, message);
            return;
        }
        if let Some(least) = schema["minItems"].as_u64()
            && count < least
        {
            let bound = format!("should have at least {least} items");
            self.beyond(path, &count.into(), &bound);
        }
        let found = self.found.len();
        for (at, item) in items.iter_mut().enumerate() {
            self.value(&format!("{path}[{at}]"), &schema["items"], item);
        }
        // `ON` and `Y` without quotes are both true: said once.
        if self.found.len() == found {
            self.duplicates(path, schema, items);
        }
    }

    /// Lists that are maps or sets hold nothing twice.
    fn duplicates(&mut self, path: &str, schema: &Value, items: &[Value]) {
        let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Vec::new(),
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array();
                let keys = keys.into_iter().flatten();
                keys.filter_map(Value::as_str).collect()
            }
            _ => return,
        };
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let identity = match keys.as_slice() {
                [] => item.to_string(),
                keys => {
                    let parts = keys.iter().map(|key| item[key].to_string());
                    parts.collect::<Vec<_>>().join(",")
                }
            };
            if !seen.insert(identity) {
                let message = format!("Duplicate value: {}", shown(item));
                self.refuse(&format!("{path}[{at}]"), message);
            }
        }
    }

    fn text(&mut self, path: &str, schema: &Value, text: &str) {
        let value = Value::from(text);
        let length = text.chars().count() as u64;
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(&value)
        {
            let words: Vec<String> = words.iter().map(Value::to_string).collect();
            let words = words.join(", ");
            let message = format!(
                "Unsupported value: {}: supported values: {words}",
                shown(&value)
            );
            self.refuse(path, message);
            return;
        }
        if let Some(most) = schema["maxLength"].as_u64()
            && length > most
        {
            let message = format!("Too long: may not be more than {most} bytes");
            self.refuse(path, message);
            return;
        }
        if let Some(least) = schema["minLength"].as_u64()
            && length < least
        {
            let bound = format!("should be at least {least} chars long");
            self.beyond(path, &value, &bound);
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
        {
            self.beyond(path, &value, &format!("should match '{pattern}'"));
        }
    }

    fn number(&mut self, path: &str, schema: &Value, value: &Value) {
        let number = value.as_f64().unwrap_or(f64::NAN);
        if let Some(least) = schema["minimum"].as_f64()
            && number < least
        {
            let bound = format!("should be greater than or equal to {least}");
            self.beyond(path, value, &bound);
        }
        if let Some(most) = schema["maximum"].as_f64()
            && number > most
        {
            let bound = format!("should be less than or equal to {most}");
            self.beyond(path, value, &bound);
        }
    }
}

/// Leaves out nulls that the schema has no word for, then fills in defaults.
fn complete(properties: &Map<String, Value>, fields: &mut Map<String, Value>) {
    fields.retain(|field, value| {
        let nullable = properties
            .get(field)
            .is_none_or(|schema| schema["nullable"] == true);
        nullable || !value.is_null()
    });
    for (field, schema) in properties {
        if let Some(default) = schema.get("default")
            && !fields.contains_key(field)
        {
            fields.insert(field.clone(), default.clone());
        }
    }
}

/// Type of a value as a schema calls it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if !is_integer(number) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// As the API server counts: what does not fit an `i64` is a float, and of floats the whole ones that are exact.
fn is_integer(number: &Number) -> bool {
    let exact = |value: f64| value.fract() == 0.0 && value.abs() < EXACT;
    number.is_i64() || number.as_f64().is_some_and(exact)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this walk understands.
    const KNOWN: [&str; 20] = [
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-validations",
    ];
    const LISTS: [&str; 2] = ["x-kubernetes-list-map-keys", "x-kubernetes-list-type"];

    #[test]
    fn the_walk_understands_every_word_of_the_schema() {
        fn walk(path: &str, schema: &Value) {
            for (word, value) in schema.as_object().unwrap() {
                let word = word.as_str();
                assert!(
                    KNOWN.contains(&word) || LISTS.contains(&word),
                    "{path}: {word}"
                );
                match word {
                    "properties" => value
                        .as_object()
                        .unwrap()
                        .iter()
                        .for_each(|(name, schema)| walk(&format!("{path}.{name}"), schema)),
                    "items" => walk(&format!("{path}[]"), value),
                    "additionalProperties" if value.is_object() => walk(path, value),
                    "pattern" => assert!(Regex::new(value.as_str().unwrap()).is_ok(), "{path}"),
                    _ => {}
                }
            }
        }
        walk("spec", &SCHEMA["properties"]["spec"]);
    }

    #[test]
    fn a_symbol_is_the_same_to_the_schema_and_to_the_type() {
        let schema = &SCHEMA["properties"]["spec"]["properties"]["instruments"]["items"]["properties"]
            ["symbol"];
        let takes = |text: &str| {
            let mut walk = Walk::default();
            walk.text("symbol", schema, text);
            walk.found.is_empty()
        };
        let few = [
            "A", "b", "7", ".", " ", "/", ":", "%", "&", "-", ",", "$", "\u{e9}", "\n",
        ];
        let mut texts: Vec<String> = (0..=127).map(|b: u8| char::from(b).to_string()).collect();
        texts.push(String::new());
        for a in few {
            for b in few {
                for c in few {
                    texts.extend([
                        format!("{a}{b}"),
                        format!("{a}{b}{c}"),
                        format!("{a}{b}{c}{a}"),
                    ]);
                }
            }
        }
        texts.extend((30..35).map(|n| "A".repeat(n)));
        for text in texts {
            let ours = foresail_domain::Symbol::new(text.clone()).is_ok();
            assert_eq!(takes(&text), ours, "{text:?}");
        }
    }
}
