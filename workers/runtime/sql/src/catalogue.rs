//! Names and documentation of the functions, from the schema that `kubectl explain` shows.

use foresail_crds::pipeline::spec::FeatureFunction;
use foresail_features::{Reads, arguments, reads};
use serde_json::Value;

/// One function of the catalogue in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Function of a Pipeline.
    pub function: FeatureFunction,
    /// Its name in snake case.
    pub name: String,
    /// Columns it reads, in the order of its arguments.
    pub columns: &'static [&'static str],
    /// Constants that follow.
    pub parameters: &'static [&'static str],
    /// What it computes.
    pub text: String,
}

impl Entry {
    /// The call with the names of its arguments, as `rsi(close, window)`.
    pub fn call(&self) -> String {
        let arguments = [self.columns, self.parameters].concat();
        format!("{}({})", self.name, arguments.join(", "))
    }
}

/// Every function but `Expression`.
pub fn entries() -> Vec<Entry> {
    let schema = schemars::schema_for!(FeatureFunction);
    let variants = schema.get("oneOf").and_then(Value::as_array);
    variants.into_iter().flatten().filter_map(entry).collect()
}

fn entry(variant: &Value) -> Option<Entry> {
    let name = variant.get("const")?;
    let function: FeatureFunction = serde_json::from_value(name.clone()).ok()?;
    let columns: &[&str] = match reads(function) {
        Reads::Close => &["close"],
        Reads::Column => &["value"],
        Reads::Date => &["event_time"],
        Reads::Bar => &["open", "high", "low", "close", "volume"],
        Reads::Features => return None,
    };
    Some(Entry {
        function,
        name: snake(name.as_str()?),
        columns,
        parameters: arguments(function),
        text: variant.get("description")?.as_str()?.to_owned(),
    })
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
