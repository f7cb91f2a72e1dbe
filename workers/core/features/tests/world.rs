//! Agreement with pandas and TA-Lib on generated series; `golden/make.py` wrote the numbers. TA-Lib's
//! EMA and MACD start from a plain mean and its ADX sums the first window, so those differ by definition:
//! EMA and MACD are compared with pandas, which starts from the first value as we do.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{Adjustment, Column, FeatureFunction, FeatureSpec};
use foresail_domain::{Bar, Interval};
use foresail_features::FeatureSet;
use serde::Deserialize;

/// What is left of digits where nearly equal numbers are subtracted, such as a close and its mean.
const CANCELLED: f64 = 1e-12;

/// One series, and the arguments its functions are given.
#[derive(Deserialize)]
struct World {
    name: String,
    window: u32,
    fast: u32,
    slow: u32,
    signal: u32,
    deviations: String,
    quantile: String,
    /// Open, high, low, close, volume.
    bars: Vec<[f64; 5]>,
    /// By function, with a column behind it where it is not the close.
    values: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
struct Values {
    /// All there are: a warm-up of another length would give more or fewer.
    count: usize,
    first: Vec<f64>,
    last: Vec<f64>,
}

impl World {
    fn spec(&self, name: &str) -> FeatureSpec {
        let (function, column) = name.split_once(' ').unwrap_or((name, ""));
        let function: FeatureFunction = serde_json::from_value(function.into()).unwrap();
        let column =
            (!column.is_empty()).then(|| serde_json::from_value::<Column>(column.into()).unwrap());
        FeatureSpec {
            name: "x".into(),
            function,
            window: Some(self.window),
            fast: Some(self.fast),
            slow: Some(self.slow),
            signal: Some(self.signal),
            deviations: Some(self.deviations.as_str().into()),
            column,
            quantile: (function == FeatureFunction::RollingQuantile)
                .then(|| self.quantile.as_str().into()),
            expression: None,
        }
    }
}

fn bar(index: usize, [open, high, low, close, volume]: [f64; 5]) -> Bar {
    Bar {
        symbol: "X".into(),
        interval: Interval::Session,
        event_time: 86_400_000 * (index as i64 + 1),
        open: Some(open),
        high: Some(high),
        low: Some(low),
        close,
        volume: Some(volume),
        split_factor: 1.0,
        dividend: 0.0,
        ingested_at: 0,
        provider: "test".into(),
        revision: 0,
    }
}

#[test]
fn pandas_and_ta_lib_agree_within_a_billionth() {
    let worlds: Vec<World> = serde_json::from_str(include_str!("golden/world.json")).unwrap();
    assert!(worlds.len() >= 3);
    let mut wrong = Vec::new();
    for world in &worlds {
        assert!(world.values.len() >= 80, "{}", world.name);
        for (name, expected) in &world.values {
            let mut set = FeatureSet::new(&[world.spec(name)], Adjustment::None).unwrap();
            let bars = world.bars.iter().enumerate().map(|(i, b)| bar(i, *b));
            let rows: Vec<f64> = bars
                .filter_map(|b| set.push(&b).unwrap())
                .map(|row| row.values[0])
                .collect();
            let count = rows.len();
            if count != expected.count {
                wrong.push(format!(
                    "{}: {name}: {count} values instead of {}",
                    world.name, expected.count
                ));
                continue;
            }
            let last = &rows[count - expected.last.len()..];
            let pairs = rows.iter().zip(&expected.first);
            for (value, expected) in pairs.chain(last.iter().zip(&expected.last)) {
                if (value - expected).abs() > 1e-9 * expected.abs() + CANCELLED {
                    wrong.push(format!("{}: {name}: {value} {expected}", world.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
