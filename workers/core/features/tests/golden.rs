//! Every function of the catalogue against numbers computed apart from this code, by the
//! definitions of `FeatureFunction`, on ten bars with a split, a dividend and missing values.

#![allow(clippy::unwrap_used)]

use foresail_crds::pipeline::spec::{Adjustment, FeatureFunction as F, FeatureSpec};
use foresail_domain::{Bar, Interval};
use foresail_features::{FeatureRow, FeatureSet};

/// Close, high, low, volume, split factor, dividend.
type Line = (f64, Option<f64>, Option<f64>, Option<f64>, f64, f64);

const BARS: [Line; 10] = [
    (20.00, Some(20.5), Some(19.5), Some(1000.0), 1.0, 0.0),
    (20.50, Some(21.0), Some(20.0), Some(1200.0), 1.0, 0.0),
    (21.00, Some(21.25), Some(20.5), None, 1.0, 0.0),
    (20.25, Some(21.0), Some(20.0), Some(900.0), 1.0, 0.0),
    (10.50, Some(10.75), Some(10.25), Some(2600.0), 2.0, 0.0),
    (10.75, None, Some(10.5), Some(2200.0), 1.0, 0.0),
    (10.25, Some(10.75), None, Some(2400.0), 1.0, 0.25),
    (10.50, Some(10.75), Some(10.0), None, 1.0, 0.0),
    (11.00, Some(11.0), Some(10.5), Some(3000.0), 1.0, 0.0),
    (10.80, Some(11.2), Some(10.6), Some(2800.0), 1.0, 0.0),
];

fn bar(index: usize, (close, high, low, volume, split_factor, dividend): Line) -> Bar {
    Bar {
        symbol: "X".into(),
        interval: Interval::Session,
        event_time: index as i64,
        open: None,
        high,
        low,
        close,
        volume,
        split_factor,
        dividend,
        ingested_at: 0,
        provider: "test".into(),
        revision: 0,
    }
}

fn spec(function: F, window: u32) -> FeatureSpec {
    FeatureSpec {
        name: format!("{function:?}").to_lowercase(),
        function,
        window: Some(window),
        fast: Some(2),
        slow: Some(4),
        signal: Some(3),
        deviations: Some("2".into()),
        column: None,
        quantile: None,
        expression: None,
    }
}

fn run(spec: FeatureSpec, bars: impl Iterator<Item = Bar>) -> Vec<FeatureRow> {
    let mut set = FeatureSet::new(&[spec], Adjustment::All).unwrap();
    bars.filter_map(|b| set.push(&b).unwrap()).collect()
}

#[test]
fn the_catalogue_at_the_last_bar() {
    let expected = [
        (F::LogReturn, -0.01834913866819643),
        (F::LogReturnOver, 0.02817087696669644),
        (F::RateOfChange, 0.028571428571428692),
        (F::SmaRatio, -0.01504629629629628),
        (F::EmaRatio, -0.010554238346253353),
        (F::Volatility, 0.033979342506284295),
        (F::ZScore, 0.4922924094921589),
        (F::BollingerUpper, 0.037891651046431774),
        (F::BollingerLower, -0.06798424363902444),
        (F::BollingerWidth, 0.10749327027994607),
        (F::BollingerPercentB, 0.6421125775701539),
        (F::Macd, 0.010882831561636946),
        (F::MacdSignal, 0.011794621397461277),
        (F::MacdHistogram, -0.0009117898358243313),
        (F::Rsi, 66.97311804319699),
        (F::VolumeZScore, 0.5),
        (F::RangeMean, 0.0431096681096681),
    ];
    for (function, expected) in expected {
        let bars = BARS.into_iter().enumerate().map(|(i, line)| bar(i, line));
        let rows = run(spec(function, 4), bars);
        let last = rows.last().unwrap();
        let value = last.values[0];
        assert!(
            (value - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            "{function:?}: {value} instead of {expected}"
        );
        assert!((last.adjustment_factor - 2.047619047619048).abs() < 1e-15);
        assert_eq!(last.close, 10.80, "the row carries the raw close");
    }
}

#[test]
fn rsi_over_fourteen_sessions() {
    // The worked example of many textbooks and charting sites, to two decimals.
    let closes = [
        44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826,
        45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439,
        46.2122, 46.2521, 45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672,
        43.4205, 42.6628, 43.1314,
    ];
    let expected = [
        70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99,
        41.46, 41.87, 45.46, 37.30, 33.08, 37.77,
    ];
    let bars = closes
        .into_iter()
        .enumerate()
        .map(|(i, close)| bar(i, (close, None, None, None, 1.0, 0.0)));
    let rows = run(spec(F::Rsi, 14), bars);
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        assert!(
            (row.values[0] - expected).abs() < 0.005,
            "{row:?} {expected}"
        );
    }
}

#[test]
fn values_where_nothing_moves_and_nothing_is_known() {
    let flat = |volume| (0..30).map(move |i| bar(i, (5.0, None, None, volume, 1.0, 0.0)));
    let cases = [
        (F::LogReturn, 0.0),
        (F::LogReturnOver, 0.0),
        (F::RateOfChange, 0.0),
        (F::SmaRatio, 0.0),
        (F::EmaRatio, 0.0),
        (F::Volatility, 0.0),
        (F::ZScore, 0.0),
        (F::BollingerUpper, 0.0),
        (F::BollingerLower, 0.0),
        (F::BollingerWidth, 0.0),
        (F::BollingerPercentB, 0.5),
        (F::Macd, 0.0),
        (F::MacdSignal, 0.0),
        (F::MacdHistogram, 0.0),
        (F::Rsi, 50.0),
        (F::VolumeZScore, 0.0),
        (F::RangeMean, 0.0),
    ];
    for (function, expected) in cases {
        for volume in [None, Some(0.0), Some(7.0)] {
            for row in run(spec(function, 4), flat(volume)) {
                assert_eq!(row.values, [expected], "{function:?} {volume:?}");
            }
        }
    }
}

#[test]
fn a_missing_volume_repeats_the_last_known_share_for_share() {
    // 600 shares, then a 2:1 split without a volume, then 1200 new shares: the same turnover.
    let line = |volume, split| (5.0, None, None, volume, split, 0.0);
    let lines = [
        line(Some(600.0), 1.0),
        line(None, 2.0),
        line(Some(1200.0), 1.0),
    ];
    let bars = lines.into_iter().enumerate().map(|(i, l)| bar(i, l));
    assert_eq!(run(spec(F::VolumeZScore, 3), bars)[0].values, [0.0]);
}
