//! One forecast beside its outcome, and the unit of its error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One forecast with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Fold it was made in.
    pub fold: usize,
    /// Index of the symbol.
    pub symbol: usize,
    /// Bar end it was made at, milliseconds UTC.
    pub event_time: i64,
    /// Sessions ahead, from 1.
    pub step: usize,
    /// Forecast close.
    pub forecast: f64,
    /// Close at that session.
    pub actual: f64,
    /// Close when the forecast was made, above zero.
    pub close: f64,
    /// Naive forecast of the close.
    pub naive: f64,
}

/// Unit of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Units of the price; symbols of different price do not mix well.
    Price,
    /// Divided by the close at forecast time.
    Relative,
}

impl Unit {
    /// What an error is divided by.
    pub(crate) fn divisor(self, close: f64) -> f64 {
        match self {
            Unit::Price => 1.0,
            Unit::Relative => close,
        }
    }
}

/// Records by key, in order of key.
pub(crate) fn group<'a, K: Ord>(
    records: &[&'a Record],
    key: impl Fn(&Record) -> K,
) -> BTreeMap<K, Vec<&'a Record>> {
    let mut groups: BTreeMap<K, Vec<&Record>> = BTreeMap::new();
    for record in records {
        groups.entry(key(record)).or_default().push(record);
    }
    groups
}
