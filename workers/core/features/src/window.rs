//! Features over a window of bars: up to three columns are kept per bar, and the value is computed
//! afresh from oldest to newest, so that history washes out to the last bit. Rules: a bar without
//! high or low has the close for both; one without open has the previous close; a missing volume
//! repeats the last known one (0 before the first). What a constant window gives stands with each
//! function of the catalogue.

use std::f64::consts::LN_2;

use foresail_crds::pipeline::spec::FeatureFunction as F;
use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::kernels::{Ring, Shared};

mod value;

use value::{Now, value};

/// Dollars of turnover that Amihud's ratio is given for.
const TURNOVER: f64 = 1e6;
/// Largest value of one bar: a volume may be any fraction above zero.
const LARGEST: f64 = 1e100;

/// State of one such feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BarWindow {
    columns: Vec<Ring>,
    previous: Option<Previous>,
    /// Mean of the last values, for the smoothed stochastic.
    smooth: Option<Ring>,
    /// Width of Bollinger's bands.
    deviations: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Previous {
    close: f64,
    typical: f64,
    volume: f64,
}

impl BarWindow {
    /// A window of `window` bars; `smooth` values are averaged, and `deviations` wide, where the function
    /// says so.
    pub(crate) fn new(function: F, window: usize, (smooth, deviations): (usize, f64)) -> Self {
        let (columns, more) = match function {
            F::YangZhang => (3, 0),
            F::StochasticK | F::StochasticD | F::WilliamsR => (2, 0),
            F::ObvRatio | F::MoneyFlow | F::VwapRatio => (2, 0),
            // The return `window` sessions ago is one more back than a window of returns.
            F::ReturnLag => (1, 1),
            _ => (1, 0),
        };
        Self {
            columns: vec![Ring::new(window + more); columns],
            previous: None,
            smooth: (function == F::StochasticD).then(|| Ring::new(smooth)),
            deviations,
        }
    }

    pub(crate) fn push(
        &mut self,
        function: F,
        bar: &AdjustedBar,
        shared: &mut Shared,
    ) -> Option<f64> {
        let before = self.previous;
        let volume = bar.volume.or(before.map(|p| p.volume)).unwrap_or(0.0);
        let typical = (bar.high + bar.low + bar.close) / 3.0;
        self.previous = Some(Previous {
            close: bar.close,
            typical,
            volume,
        });
        let row = Bar {
            bar,
            typical,
            volume,
        };
        let row = row.columns(function, before)?;
        for (ring, value) in self.columns.iter_mut().zip(row) {
            ring.push(value);
        }
        let first = self.columns.first()?;
        if !first.is_full() {
            return None;
        }
        let now = Now {
            close: bar.close,
            deviations: self.deviations,
        };
        let value = value(function, &self.columns, now, shared)?;
        match &mut self.smooth {
            None => Some(value),
            Some(ring) => {
                ring.push(value);
                ring.is_full().then(|| ring.mean())
            }
        }
    }

    /// Whether this restored window is sound and of the sizes of `fresh`.
    pub(crate) fn continues(&self, fresh: &Self) -> bool {
        let smooth = match (&self.smooth, &fresh.smooth) {
            (None, None) => true,
            (Some(ring), Some(new)) => ring.continues(new),
            _ => false,
        };
        smooth
            && self.deviations == fresh.deviations
            && self.columns.len() == fresh.columns.len()
            && self
                .columns
                .iter()
                .zip(&fresh.columns)
                .all(|(a, b)| a.continues(b))
    }
}

/// One bar with what every column needs.
struct Bar<'a> {
    bar: &'a AdjustedBar,
    typical: f64,
    volume: f64,
}

impl Bar<'_> {
    /// What a function keeps of a bar; `None` where it needs the bar before and there is none.
    fn columns(&self, function: F, before: Option<Previous>) -> Option<[f64; 3]> {
        let (close, high, low) = (self.bar.close, self.bar.high, self.bar.low);
        let one = |value: f64| [value, 0.0, 0.0];
        let open = || before.map(|p| self.bar.open.unwrap_or(p.close));
        Some(match function {
            F::StochasticK | F::StochasticD | F::WilliamsR => [high, low, 0.0],
            F::Cci => one(self.typical),
            F::BarsSinceHigh => one(high),
            F::BarsSinceLow => one(low),
            F::Parkinson => one((high / low).ln().powi(2)),
            F::VwapRatio => [self.typical * self.volume, self.volume, 0.0],
            F::VolumeRatio | F::VolumeZScore => one(self.volume),
            F::RangeMean => one((high - low) / close),
            F::TrueRange => one(true_range(self.bar, before?.close) / close),
            F::ObvRatio => [sign(close - before?.close) * self.volume, self.volume, 0.0],
            F::MoneyFlow => {
                let flow = self.typical * self.volume;
                let change = self.typical - before?.typical;
                [
                    if change > 0.0 { flow } else { 0.0 },
                    if change < 0.0 { flow } else { 0.0 },
                    0.0,
                ]
            }
            F::Amihud => {
                let turnover = self.bar.share_price * self.volume;
                let moved = self.bar.change?.abs() * TURNOVER;
                let ratio = if turnover > 0.0 {
                    moved / turnover
                } else {
                    0.0
                };
                one(ratio.min(LARGEST))
            }
            F::OvernightReturn => one((open()? / before?.close).ln()),
            F::IntradayReturn => one((close / open()?).ln()),
            F::GarmanKlass => {
                let (range, body) = ((high / low).ln(), (close / open()?).ln());
                one(0.5 * range * range - (2.0 * LN_2 - 1.0) * body * body)
            }
            F::YangZhang => {
                let open = open()?;
                let rogers_satchell = (high / close).ln() * (high / open).ln()
                    + (low / close).ln() * (low / open).ln();
                let night = (open / before?.close).ln();
                [night, (close / open).ln(), rogers_satchell]
            }
            F::WmaRatio
            | F::MinRatio
            | F::MaxRatio
            | F::PriceRank
            | F::Drawdown
            | F::SmaRatio
            | F::ZScore
            | F::BollingerUpper
            | F::BollingerLower
            | F::BollingerWidth
            | F::BollingerPercentB => one(close),
            // Everything else looks at log returns.
            _ => one(self.bar.change?),
        })
    }
}

/// Largest of high - low and the distances of both from the previous close (Wilder 1978).
pub(crate) fn true_range(bar: &AdjustedBar, previous: f64) -> f64 {
    let range = bar.high - bar.low;
    range
        .max((bar.high - previous).abs())
        .max((bar.low - previous).abs())
}

/// -1, 0 or 1.
pub(crate) fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}
