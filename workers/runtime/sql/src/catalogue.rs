//! Names, arguments and documentation of the functions, from the catalogue in `foresail-crds`.

use foresail_crds::pipeline::spec::{Argument, FeatureFunction, Reads};

/// One function of the catalogue in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Function of a Pipeline.
    pub function: FeatureFunction,
    /// Its name in snake case.
    pub name: String,
    /// Columns it reads, in the order of its arguments.
    pub columns: &'static [&'static str],
}

impl Entry {
    /// Constants that follow the columns.
    pub fn parameters(&self) -> &'static [Argument] {
        self.function.describe().arguments
    }

    /// The call with the names of its arguments, as `rsi(close, window)`.
    pub fn call(&self) -> String {
        let parameters = self.parameters().iter().map(|p| p.field());
        let arguments: Vec<&str> = self.columns.iter().copied().chain(parameters).collect();
        format!("{}({})", self.name, arguments.join(", "))
    }
}

/// Every function but `Expression`.
pub fn entries() -> Vec<Entry> {
    FeatureFunction::ALL
        .iter()
        .copied()
        .filter_map(entry)
        .collect()
}

fn entry(function: FeatureFunction) -> Option<Entry> {
    let description = function.describe();
    let columns: &[&str] = match description.reads {
        Reads::Close => &["close"],
        Reads::Column => &["value"],
        Reads::Date => &["event_time"],
        Reads::Bar => &["open", "high", "low", "close", "volume"],
        Reads::Features => return None,
    };
    Some(Entry {
        function,
        name: snake(description.name),
        columns,
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
