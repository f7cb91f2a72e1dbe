//! Features over a window of bars: up to three columns are kept per bar, and the value is computed
//! afresh from oldest to newest, so that history washes out to the last bit. Rules: a bar without
//! high or low has the close for both; one without open has the previous close; a missing volume
//! repeats the last known one (0 before the first). What a constant window gives stands with each
//! function of the catalogue.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::binding::{Kept, Statistic};
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

/// Parameters of a window; those that the statistic does not read have no meaning.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Bars.
    pub window: usize,
    /// Values of a smoothed statistic that are averaged.
    pub signal: usize,
    /// Half the width of Bollinger's bands in standard deviations.
    pub deviations: f64,
}

impl BarWindow {
    pub(crate) fn new((kept, statistic): (Kept, Statistic), sizes: Sizes) -> Self {
        // The return `window` sessions ago is one more back than a window of returns.
        let more = usize::from(statistic == Statistic::Lagged);
        let smoothed = statistic == Statistic::SmoothedStochastic;
        Self {
            columns: vec![Ring::new(sizes.window + more); kept.columns()],
            previous: None,
            smooth: smoothed.then(|| Ring::new(sizes.signal)),
            deviations: sizes.deviations,
        }
    }

    pub(crate) fn push(
        &mut self,
        (kept, statistic): (Kept, Statistic),
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
        let row = row.columns(kept, before)?;
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
        let value = value((kept, statistic), &self.columns, now, shared)?;
        match &mut self.smooth {
            None => Some(value),
            Some(ring) => {
                ring.push(value);
                ring.is_full().then(|| ring.mean())
            }
        }
    }

    /// Whether this restored window is valid and of the sizes of `fresh`.
    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        let smooth = match (&self.smooth, &fresh.smooth) {
            (None, None) => true,
            (Some(ring), Some(new)) => ring.is_compatible_with(new),
            _ => false,
        };
        smooth
            && self.deviations == fresh.deviations
            && self.columns.len() == fresh.columns.len()
            && self
                .columns
                .iter()
                .zip(&fresh.columns)
                .all(|(a, b)| a.is_compatible_with(b))
    }
}

/// One bar with what every column needs.
struct Bar<'a> {
    bar: &'a AdjustedBar,
    typical: f64,
    volume: f64,
}

impl Bar<'_> {
    /// What is kept of a bar; `None` where that needs the bar before and there is none.
    fn columns(&self, kept: Kept, before: Option<Previous>) -> Option<[f64; 3]> {
        let (close, high, low) = (self.bar.close, self.bar.high, self.bar.low);
        let one = |value: f64| [value, 0.0, 0.0];
        let open = || before.map(|p| self.bar.open.unwrap_or(p.close));
        Some(match kept {
            Kept::Close => one(close),
            Kept::Change => one(self.bar.change?),
            Kept::High => one(high),
            Kept::Low => one(low),
            Kept::Typical => one(self.typical),
            Kept::Volume => one(self.volume),
            Kept::HighLow => [high, low, 0.0],
            Kept::SquaredLogRange => one((high / low).ln().powi(2)),
            Kept::Turnover => [self.typical * self.volume, self.volume, 0.0],
            Kept::Range => one((high - low) / close),
            Kept::TrueRange => one(true_range(self.bar, before?.close) / close),
            Kept::SignedVolume => [sign(close - before?.close) * self.volume, self.volume, 0.0],
            Kept::MoneyFlow => {
                let flow = self.typical * self.volume;
                let change = self.typical - before?.typical;
                [
                    if change > 0.0 { flow } else { 0.0 },
                    if change < 0.0 { flow } else { 0.0 },
                    0.0,
                ]
            }
            Kept::Illiquidity => {
                let turnover = self.bar.share_price * self.volume;
                let moved = self.bar.change?.abs() * TURNOVER;
                let ratio = if turnover > 0.0 {
                    moved / turnover
                } else {
                    0.0
                };
                one(ratio.min(LARGEST))
            }
            Kept::Overnight => one((open()? / before?.close).ln()),
            Kept::Intraday => one((close / open()?).ln()),
            Kept::GarmanKlass => {
                let (range, body) = ((high / low).ln(), (close / open()?).ln());
                one(0.5 * range * range - (2.0 * LN_2 - 1.0) * body * body)
            }
            Kept::YangZhang => {
                let open = open()?;
                let rogers_satchell = (high / close).ln() * (high / open).ln()
                    + (low / close).ln() * (low / open).ln();
                let night = (open / before?.close).ln();
                [night, (close / open).ln(), rogers_satchell]
            }
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
