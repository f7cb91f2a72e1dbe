//! Agreement with pandas and TA-Lib on a generated series; `golden/make.py` wrote the numbers. TA-Lib's
//! EMA and MACD start from a plain mean and its ADX sums the first window, so those differ by definition.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{Adjustment, Column, FeatureFunction, FeatureSpec};
use foresail_domain::{Bar, Interval};
use foresail_features::FeatureSet;
use serde::Deserialize;

#[derive(Deserialize)]
struct World {
    /// Open, high, low, close, volume.
    bars: Vec<[f64; 5]>,
    /// Values at the last bars, by function, with a column behind it where it is not the close.
    values: BTreeMap<String, Vec<f64>>,
}

fn bar(index: usize, [open, high, low, close, volume]: [f64; 5]) -> Bar {
    Bar {
        symbol: "X".into(),
        interval: Interval::Daily,
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
    let world: World = serde_json::from_str(include_str!("golden/world.json")).unwrap();
    assert!(world.values.len() >= 60);
    for (name, expected) in &world.values {
        let (function, column) = name.split_once(' ').unwrap_or((name, ""));
        let function: FeatureFunction = serde_json::from_value(function.into()).unwrap();
        let column =
            (!column.is_empty()).then(|| serde_json::from_value::<Column>(column.into()).unwrap());
        let spec = FeatureSpec {
            name: "x".into(),
            function,
            window: Some(10),
            fast: Some(3),
            slow: Some(8),
            signal: Some(4),
            deviations: Some("2".into()),
            column,
            quantile: (function == FeatureFunction::RollingQuantile).then(|| "0.3".into()),
            expression: None,
        };
        let mut set = FeatureSet::new(&[spec], Adjustment::None).unwrap();
        let bars = world.bars.iter().enumerate().map(|(i, b)| bar(i, *b));
        let rows: Vec<f64> = bars
            .filter_map(|b| set.push(&b).unwrap())
            .map(|row| row.values[0])
            .collect();
        let last = &rows[rows.len() - expected.len()..];
        for (value, expected) in last.iter().zip(expected) {
            // Relative to the scale of the function, since differences of prices lose digits near 0.
            let bound = 1e-9 * expected.abs().max(1e-2);
            assert!(
                (value - expected).abs() <= bound,
                "{name}: {value} {expected}"
            );
        }
    }
}
