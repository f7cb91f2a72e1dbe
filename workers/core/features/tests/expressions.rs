//! Expressions and rolling levels in a feature set: what they may use, and what they give.

#![allow(clippy::unwrap_used)]

mod catalogue;

use catalogue::{bars, columns, run};
use foresail_crds::pipeline::spec::{Adjustment, Column, FeatureFunction as F, FeatureSpec};
use foresail_domain::Bar;
use foresail_features::{FeatureSet, columns_read, fingerprint};
use serde_json::json;

fn specs(list: serde_json::Value) -> Vec<FeatureSpec> {
    serde_json::from_value(list).unwrap()
}

fn refusal(list: serde_json::Value) -> String {
    fingerprint(&specs(list), Adjustment::All)
        .unwrap_err()
        .to_string()
}

#[test]
fn fingerprints_change_with_the_code_version_alone() {
    let old = specs(json!([
        {"name": "return_1d", "function": "LogReturn"},
        {"name": "rsi_14d", "function": "Rsi", "window": 14},
        {"name": "bollinger_20d", "function": "BollingerPercentB", "window": 20, "deviations": "2"},
        {"name": "macd", "function": "MacdHistogram", "fast": 12, "slow": 26, "signal": 9}
    ]));
    assert_eq!(
        fingerprint(&old, Adjustment::All).unwrap(),
        "44ab622a9accc6fdc398ade155f71c1b898e4b95dc49b929cfd17cf1e9562881"
    );
}

#[test]
fn fingerprints_name_text_column_and_quantile() {
    let list = |expression: &str, column: &str, quantile: &str| {
        let list = json!([
            {"name": "q", "function": "RollingQuantile", "window": 5, "column": column, "quantile": quantile},
            {"name": "e", "function": "Expression", "expression": expression}
        ]);
        fingerprint(&specs(list), Adjustment::All).unwrap()
    };
    let prints = [
        list("q + 1", "High", "0.5"),
        list("q + 2", "High", "0.5"),
        list("q + 1", "Low", "0.5"),
        list("q + 1", "High", "0.6"),
    ];
    for (index, print) in prints.iter().enumerate() {
        assert!(!prints[..index].contains(print));
    }
    assert_eq!(prints[0], list("q + 1", "High", "0.5"));
}

#[test]
fn an_expression_is_arithmetic_over_its_row() {
    let specs = specs(json!([
        {"name": "fast", "function": "RollingMean", "window": 5},
        {"name": "slow", "function": "RollingMean", "window": 20},
        {"name": "trend", "function": "Expression", "expression": "fast / slow - 1"},
        {"name": "return_1d", "function": "LogReturn"},
        {"name": "both", "function": "Expression", "expression": "clip(-trend * 100, -1, 1) + return_1d"},
        {"name": "volatility", "function": "Volatility", "window": 30}
    ]));
    let set = FeatureSet::new(&specs, Adjustment::All).unwrap();
    assert_eq!(set.warm_up(), 31, "as long as the longest feature");
    let rows = run(&specs, Adjustment::All, &bars(100, 1));
    assert_eq!(rows.len(), 70);
    for row in rows {
        let [fast, slow, trend, change, both, _] = row.values[..] else {
            panic!("{row:?}");
        };
        assert_eq!(trend.to_bits(), (fast / slow - 1.0).to_bits());
        let expected = (-trend * 100.0).clamp(-1.0, 1.0) + change;
        assert_eq!(both.to_bits(), expected.to_bits());
    }
    assert_eq!(
        FeatureSet::new(&specs[..3], Adjustment::All)
            .unwrap()
            .warm_up(),
        20
    );
}

#[test]
fn a_ratio_of_levels_does_not_depend_on_where_the_series_starts() {
    let specs = specs(json!([
        {"name": "fast", "function": "RollingMean", "window": 5, "column": "Open"},
        {"name": "slow", "function": "RollingMax", "window": 20, "column": "High"},
        {"name": "trend", "function": "Expression", "expression": "fast / slow - 1"}
    ]));
    // The dividend at bar 59 scales what comes after it, unless the series starts later.
    let series = bars(100, 7);
    let (complete, late) = (
        run(&specs, Adjustment::All, &series),
        run(&specs, Adjustment::All, &series[65..]),
    );
    assert_eq!(late.len(), 16);
    for (row, expected) in late.iter().zip(&complete[complete.len() - late.len()..]) {
        assert!(
            (row.values[0] / expected.values[0] - 1.0).abs() > 1e-3,
            "the level does"
        );
        assert!((row.values[2] - expected.values[2]).abs() < 1e-12);
    }
}

#[test]
fn what_cannot_be_computed_is_refused_with_its_place() {
    let cases = [
        (
            json!([{"name": "e", "function": "Expression", "expression": "1 + late"}, {"name": "late", "function": "LogReturn"}]),
            "feature `e`: `expression` is invalid at character 5: `late` is declared later, \
             expected a feature declared before this one",
        ),
        (
            json!([{"name": "e", "function": "Expression", "expression": "2 * e"}]),
            "feature `e`: `expression` is invalid at character 5: `e` is this feature itself, \
             expected one declared before it",
        ),
        (
            json!([{"name": "r", "function": "LogReturn"}, {"name": "e", "function": "Expression", "expression": "r r"}]),
            "feature `e`: `expression` is invalid at character 3: found `r`, expected an operator or the end",
        ),
        (
            json!([{"name": "e", "function": "Expression"}]),
            "feature `e` must have `expression` for Expression",
        ),
        (
            json!([{"name": "r", "function": "LogReturn", "expression": "1"}]),
            "feature `r` must not have `expression`: LogReturn does not read it",
        ),
        (
            json!([{"name": "s", "function": "SmaRatio", "window": 5, "column": "High"}]),
            "feature `s` must not have `column`: SmaRatio does not read it",
        ),
        (
            json!([{"name": "m", "function": "RollingMean", "window": 5, "quantile": "0.5"}]),
            "feature `m` must not have `quantile`: RollingMean does not read it",
        ),
        (
            json!([{"name": "q", "function": "RollingQuantile", "window": 5}]),
            "feature `q` must have `quantile` for RollingQuantile",
        ),
        (
            json!([{"name": "q", "function": "RollingQuantile", "window": 5, "quantile": "1.01"}]),
            "feature `q`: `quantile` must be between 0 and 1",
        ),
        (
            json!([{"name": "s", "function": "RollingStd", "window": 1}]),
            "feature `s`: `window` must be between 2 and 512",
        ),
        (
            json!([{"name": "s", "function": "RollingSum"}]),
            "feature `s` must have `window` for RollingSum",
        ),
    ];
    for (list, message) in cases {
        assert_eq!(refusal(list), message);
    }
}

#[test]
fn only_closes_are_needed_where_only_closes_are_read() {
    let list = specs(json!([
        {"name": "a", "function": "RollingMean", "window": 5},
        {"name": "b", "function": "RollingMean", "window": 5, "column": "Close"},
        {"name": "c", "function": "Expression", "expression": "a - b"},
        {"name": "d", "function": "RollingMean", "window": 5, "column": "Open"},
        {"name": "e", "function": "RollingSum", "window": 5, "column": "Volume"},
        {"name": "f", "function": "RollingMin", "window": 5, "column": "TypicalPrice"},
        {"name": "g", "function": "VolumeRatio", "window": 5}
    ]));
    let close_only: Vec<bool> = list.iter().map(|s| columns_read(s).is_empty()).collect();
    assert_eq!(close_only, [true, true, true, false, false, false, false]);
}

/// A column by its written rules; `None` where there is no value.
fn column(series: &[Bar], column: Column) -> Vec<Option<f64>> {
    let mut volume = 0.0;
    let mut close = None;
    let value = |bar: &Bar| {
        let (high, low) = bar.high.zip(bar.low).unwrap_or((bar.close, bar.close));
        volume = bar.volume.unwrap_or(volume);
        let before = close.replace(bar.close);
        Some(match column {
            Column::Close => bar.close,
            Column::Open => before.map(|before| bar.open.unwrap_or(before))?,
            Column::High => high,
            Column::Low => low,
            Column::Volume => volume,
            Column::TypicalPrice => (high + low + bar.close) / 3.0,
        })
    };
    series.iter().map(value).collect()
}

/// A statistic of ten values by its definition.
fn statistic(function: F, values: &[f64]) -> f64 {
    let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match function {
        F::RollingMean => sum / n,
        F::RollingStd => {
            let squares: f64 = values.iter().map(|v| (v - sum / n).powi(2)).sum();
            (squares / (n - 1.0)).sqrt()
        }
        F::RollingMin => sorted[0],
        F::RollingMax => sorted[9],
        F::RollingSum => sum,
        // 0.3 of the way along ten values is 0.7 of the way from the third to the fourth.
        _ => sorted[2] + 0.7 * (sorted[3] - sorted[2]),
    }
}

#[test]
fn levels_are_what_their_definitions_say_of_bars_with_gaps() {
    let series = bars(80, 9);
    assert!(series.iter().any(|b| b.open.is_none() && b.high.is_none()));
    for spec in columns() {
        let read = column(&series, spec.column.unwrap());
        let read: Vec<f64> = read.into_iter().flatten().collect();
        let expected: Vec<f64> = read
            .windows(10)
            .map(|w| statistic(spec.function, w))
            .collect();
        let rows = run(std::slice::from_ref(&spec), Adjustment::None, &series);
        assert_eq!(rows.len(), expected.len(), "{}", spec.name);
        for (row, expected) in rows.iter().zip(expected) {
            let bound = 1e-12 * expected.abs();
            assert!(
                (row.values[0] - expected).abs() <= bound,
                "{}: {row:?} {expected}",
                spec.name
            );
        }
    }
}

#[test]
fn quantiles_at_the_ends_are_the_extremes() {
    let level = |function: &str, quantile: Option<&str>| {
        let mut spec = json!({"name": "x", "function": function, "window": 7});
        if let Some(quantile) = quantile {
            spec["quantile"] = quantile.into();
        }
        let rows = run(&specs(json!([spec])), Adjustment::None, &bars(50, 3));
        rows.into_iter()
            .map(|row| row.values[0])
            .collect::<Vec<f64>>()
    };
    assert_eq!(
        level("RollingQuantile", Some("0")),
        level("RollingMin", None)
    );
    assert_eq!(
        level("RollingQuantile", Some("1")),
        level("RollingMax", None)
    );
}
