//! Whether a live object already has every field we want, so that an idle operator writes nothing
//! and a hand edit of one of our fields is seen. Pure.

use serde_json::Value;

use super::quantity;

/// Fields that hold a whole selector.
const SELECTORS: [&str; 2] = ["selector", "matchLabels"];

/// True when `live` contains everything in `desired`. Objects are compared field by field, lists
/// element by element; quantities by value ("1000m" is "1"); empty values equal absent ones. A selector
/// is one value: a key more selects other pods.
pub(crate) fn covers(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(desired)) => {
            desired.iter().all(|(key, wanted)| match live.get(key) {
                Some(present) if SELECTORS.contains(&key.as_str()) => {
                    covers(present, wanted) && covers(wanted, present)
                }
                Some(present) => covers(present, wanted),
                None => is_empty(wanted),
            })
        }
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len() && live.iter().zip(desired).all(|(l, d)| covers(l, d))
        }
        (Value::String(live), Value::String(desired)) => {
            live == desired
                || quantity::parse(live).is_some_and(|l| quantity::parse(desired) == Some(l))
        }
        (Value::Number(live), Value::Number(desired)) => live.as_f64() == desired.as_f64(),
        (live, desired) => live == desired,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_tolerated_and_edits_are_seen() {
        let desired =
            json!({"spec": {"a": 1, "list": [{"name": "x", "cpu": "1000m"}], "none": {}}});
        let live =
            json!({"spec": {"a": 1, "b": 2, "list": [{"name": "x", "cpu": "1", "more": true}]}});
        assert!(covers(&live, &desired));
        for edit in [
            json!({"spec": {"a": 2, "list": [{"name": "x", "cpu": "1"}]}}),
            json!({"spec": {"a": 1, "list": [{"name": "x", "cpu": "2"}]}}),
            json!({"spec": {"a": 1, "list": []}}),
            json!({"spec": {"list": [{"name": "x", "cpu": "1"}]}}),
        ] {
            assert!(!covers(&edit, &desired), "{edit}");
        }
    }

    #[test]
    fn a_selector_with_a_key_more_is_another_one() {
        let selector = |value| json!({"spec": {"selector": value}});
        let desired = selector(json!({"role": "predict"}));
        assert!(covers(&desired, &desired));
        assert!(!covers(
            &selector(json!({"role": "predict", "name": "nobody"})),
            &desired
        ));
    }
}
