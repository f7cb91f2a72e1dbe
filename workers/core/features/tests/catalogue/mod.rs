//! Every function with parameters, and generated bars with gaps.

#![allow(dead_code)] // each test program uses a part

use foresail_crds::pipeline::spec::{Adjustment, Column, FeatureFunction as F, FeatureSpec};
use foresail_domain::{Bar, Interval};
use foresail_features::{FeatureRow, FeatureSet};

pub struct Noise(pub u64);

impl Noise {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub fn bars(count: usize, seed: u64) -> Vec<Bar> {
    let mut noise = Noise(seed);
    let mut close = 50.0;
    (0..count)
        .map(|i| {
            close *= 1.0 + 0.04 * (noise.uniform() - 0.5);
            let spread = 1.0 + 0.02 * noise.uniform();
            Bar {
                symbol: "X".into(),
                interval: Interval::Session,
                event_time: 86_400_000 * (i as i64 + 1),
                open: (i % 5 != 0).then_some(close * (1.0 + 0.01 * (noise.uniform() - 0.5))),
                high: (i % 7 != 0).then_some(close * spread),
                low: (i % 7 != 0).then_some(close / spread),
                close,
                volume: (i % 11 != 3).then(|| (1e6 * noise.uniform()).round()),
                split_factor: 1.0,
                dividend: if i % 60 == 59 { 0.2 } else { 0.0 },
                ingested_at: 0,
                provider: "test".into(),
                revision: 0,
            }
        })
        .collect()
}

pub fn spec(function: F, window: u32) -> FeatureSpec {
    FeatureSpec {
        name: format!("{function:?}").to_lowercase(),
        function,
        window: Some(window),
        fast: Some(3),
        slow: Some(8),
        signal: Some(4),
        deviations: Some("2".into()),
        column: None,
        quantile: (function == F::RollingQuantile).then(|| "0.3".into()),
        expression: (function == F::Expression).then(|| OVER_ROLLING.into()),
    }
}

/// An expression that overflows, divides by zero and takes logs of anything at extreme prices.
pub const OVER_ROLLING: &str = "rollingmean / (rollingmax - rollingmin) + log(rollingstd) \
     - clip(exp(rollingquantile - rollingmean), 0, 1e9) * rollingsum";

/// Levels: on the adjusted scale, which depends on where a series starts.
pub const LEVELS: [F; 6] = [
    F::RollingMean,
    F::RollingStd,
    F::RollingMin,
    F::RollingMax,
    F::RollingSum,
    F::RollingQuantile,
];

pub const COLUMNS: [Column; 6] = [
    Column::Close,
    Column::Open,
    Column::High,
    Column::Low,
    Column::Volume,
    Column::TypicalPrice,
];

/// Levels over every column.
pub fn columns() -> impl Iterator<Item = FeatureSpec> {
    let each = |function| COLUMNS.map(|column| (function, column));
    LEVELS.into_iter().flat_map(each).map(|(function, column)| {
        let name = format!("{function:?}_{column:?}").to_lowercase();
        FeatureSpec {
            name,
            column: Some(column),
            ..spec(function, 10)
        }
    })
}

/// A feature with those it needs before it.
pub fn with_needs(function: F, window: u32) -> Vec<FeatureSpec> {
    let needs = LEVELS
        .into_iter()
        .filter(|_| function == F::Expression)
        .map(|level| spec(level, window));
    needs.chain([spec(function, window)]).collect()
}

pub fn catalogue() -> Vec<FeatureSpec> {
    let ratio = FeatureSpec {
        name: "ratio".into(),
        expression: Some("expression * (rollingmin_open / rollingsum_volume - 1) * rsi".into()),
        ..spec(F::Expression, 10)
    };
    let all = F::ALL.iter().map(|f| spec(*f, 10));
    all.chain(columns()).chain([ratio]).collect()
}

pub fn run(specs: &[FeatureSpec], adjustment: Adjustment, bars: &[Bar]) -> Vec<FeatureRow> {
    let mut set = FeatureSet::new(specs, adjustment).unwrap();
    bars.iter().filter_map(|b| set.push(b).unwrap()).collect()
}

pub fn bits(rows: &[FeatureRow]) -> Vec<(i64, Vec<u64>)> {
    rows.iter()
        .map(|r| (r.event_time, r.values.iter().map(|v| v.to_bits()).collect()))
        .collect()
}
