//! Features over a window of bars: up to three columns are kept per bar, and the value is computed
//! afresh from oldest to newest, so that history washes out to the last bit. Rules: a bar without
//! high or low has the close for both; one without open has the previous close; a missing volume
//! repeats the last known one (0 before the first). What a constant window gives stands with each
//! function of the catalogue.

use std::f64::consts::LN_2;

use foresail_crds::pipeline::spec::FeatureFunction as F;
use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::kernels::Ring;

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
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Previous {
    close: f64,
    typical: f64,
    volume: f64,
}

impl BarWindow {
    /// A window of `window` bars; `smooth` values are averaged where the function says so.
    pub(crate) fn new(function: F, window: usize, smooth: usize) -> Self {
        let (columns, more) = match function {
            F::StochasticK | F::StochasticD | F::WilliamsR | F::YangZhang => (3, 0),
            F::ObvRatio | F::MoneyFlow | F::VwapRatio => (2, 0),
            // The return `window` sessions ago is one more back than a window of returns.
            F::ReturnLag => (1, 1),
            _ => (1, 0),
        };
        Self {
            columns: vec![Ring::new(window + more); columns],
            previous: None,
            smooth: (function == F::StochasticD).then(|| Ring::new(smooth)),
        }
    }

    pub(crate) fn push(&mut self, function: F, bar: &AdjustedBar) -> Option<f64> {
        let before = self.previous;
        let volume = bar.volume.or(before.map(|p| p.volume)).unwrap_or(0.0);
        let typical = (bar.high + bar.low + bar.close) / 3.0;
        self.previous = Some(Previous {
            close: bar.close,
            typical,
            volume,
        });
        let now = Bar {
            bar,
            typical,
            volume,
        };
        let row = now.columns(function, before)?;
        for (ring, value) in self.columns.iter_mut().zip(row) {
            ring.push(value);
        }
        let first = self.columns.first()?;
        if !first.is_full() {
            return None;
        }
        let value = value(function, &self.columns, bar.close)?;
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
        let change = || before.map(|p| (close / p.close).ln());
        let open = || before.map(|p| self.bar.open.unwrap_or(p.close));
        Some(match function {
            F::StochasticK | F::StochasticD | F::WilliamsR => [high, low, close],
            F::Cci => one(self.typical),
            F::BarsSinceHigh => one(high),
            F::BarsSinceLow => one(low),
            F::Parkinson => one((high / low).ln().powi(2)),
            F::VwapRatio => [self.typical * self.volume, self.volume, 0.0],
            F::VolumeRatio => one(self.volume),
            F::SimpleReturn => one(close / before?.close - 1.0),
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
                let moved = change()?.abs() * TURNOVER;
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
            F::WmaRatio | F::MinRatio | F::MaxRatio | F::PriceRank | F::Drawdown => one(close),
            // Everything else looks at log returns.
            _ => one(change()?),
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

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// The value of full columns; `close` is the newest.
fn value(function: F, columns: &[Ring], close: f64) -> Option<f64> {
    let first = columns.first()?;
    let sum = |index: usize| {
        columns
            .get(index)
            .map_or(0.0, |ring| ring.iter().sum::<f64>())
    };
    let least = |ring: &Ring| ring.iter().fold(f64::INFINITY, f64::min);
    let most = |ring: &Ring| ring.iter().fold(f64::NEG_INFINITY, f64::max);
    let share = |part: f64, whole: f64, none: f64| if whole > 0.0 { part / whole } else { none };
    Some(match function {
        F::ReturnLag => first.iter().next()?,
        F::WmaRatio => {
            let weighted = first.iter().zip(1u32..).map(|(v, k)| v * f64::from(k));
            let n = first.iter().count() as f64;
            weighted.sum::<f64>() / (n * (n + 1.0) / 2.0) / close - 1.0
        }
        F::StochasticK | F::StochasticD | F::WilliamsR => {
            let (top, bottom) = (most(first), least(columns.get(1)?));
            let place = share(close - bottom, top - bottom, 0.5);
            if function == F::WilliamsR {
                100.0 * (place - 1.0)
            } else {
                100.0 * place
            }
        }
        F::Cci => {
            let (mean, newest) = (first.mean(), first.iter().last()?);
            let spread = first.iter().map(|v| (v - mean).abs()).sum::<f64>();
            let spread = spread / first.iter().count() as f64;
            if first.population().1 > 0.0 && spread > 0.0 {
                (newest - mean) / (0.015 * spread)
            } else {
                0.0
            }
        }
        F::ObvRatio => share(sum(0), sum(1), 0.0),
        F::MoneyFlow => 100.0 * share(sum(0), sum(0) + sum(1), 0.5),
        F::VwapRatio => share(sum(0), sum(1), close) / close - 1.0,
        F::VolumeRatio => share(first.iter().last()?, first.mean(), 1.0),
        F::ReturnMean | F::Amihud => first.mean(),
        F::ReturnMin => least(first),
        F::ReturnMax => most(first),
        F::MinRatio => least(first) / close - 1.0,
        F::MaxRatio => most(first) / close - 1.0,
        F::Drawdown => close / most(first) - 1.0,
        F::ReturnRank | F::PriceRank => rank(first)?,
        F::Skewness => moment(first, 3),
        F::Kurtosis => moment(first, 4),
        F::Autocorrelation => autocorrelation(first),
        F::RealisedVolatility => {
            let squares = first.iter().map(|r| r * r).sum::<f64>();
            (squares / first.iter().count() as f64).sqrt()
        }
        F::Parkinson => (first.mean() / (4.0 * LN_2)).sqrt(),
        F::GarmanKlass => first.mean().max(0.0).sqrt(),
        F::YangZhang => yang_zhang(columns)?,
        F::BarsSinceHigh => since(first, |value, best| value >= best)?,
        F::BarsSinceLow => since(first, |value, best| value <= best)?,
        // One value per bar: it is its own window.
        _ => first.iter().last()?,
    })
}

/// Average rank of the newest value as a share of the window, above 0 to 1 (as in pandas).
fn rank(ring: &Ring) -> Option<f64> {
    let newest = ring.iter().last()?;
    let below = ring.iter().filter(|v| *v < newest).count() as f64;
    let equal = ring.iter().filter(|v| *v == newest).count() as f64;
    Some((below + (equal + 1.0) / 2.0) / ring.iter().count() as f64)
}

/// Skewness (order 3) or excess kurtosis (order 4) with the small-sample corrections of pandas and SAS
/// (Joanes and Gill 1998, G1 and G2); 0 for a constant window.
fn moment(ring: &Ring, order: i32) -> f64 {
    let (mean, deviation) = ring.sample();
    let n = ring.iter().count() as f64;
    if deviation <= 0.0 {
        return 0.0;
    }
    let powers = ring.iter().map(|v| ((v - mean) / deviation).powi(order));
    let sum: f64 = powers.sum();
    if order == 3 {
        sum * n / ((n - 1.0) * (n - 2.0))
    } else {
        let lead = n * (n + 1.0) / ((n - 1.0) * (n - 2.0) * (n - 3.0));
        lead * sum - 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0))
    }
}

/// Of order one; 0 for a constant window.
fn autocorrelation(ring: &Ring) -> f64 {
    let (mean, deviation) = ring.population();
    if deviation <= 0.0 {
        return 0.0;
    }
    let pairs = ring.iter().zip(ring.iter().skip(1));
    let covariance: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
    covariance / ring.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>()
}

/// Yang and Zhang (2000): overnight and open-to-close variance and Rogers-Satchell, weighted.
fn yang_zhang(columns: &[Ring]) -> Option<f64> {
    let [night, day, inner] = columns else {
        return None;
    };
    let n = night.iter().count() as f64;
    let k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0));
    let variance = |ring: &Ring| ring.sample().1.powi(2);
    let total = variance(night) + k * variance(day) + (1.0 - k) * inner.mean();
    Some(total.max(0.0).sqrt())
}

/// Bars since the extreme value of the window, the newest where several are equal.
fn since(ring: &Ring, better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let mut best: Option<(usize, f64)> = None;
    for (index, value) in ring.iter().enumerate() {
        if best.is_none_or(|(_, old)| better(value, old)) {
            best = Some((index, value));
        }
    }
    let (index, _) = best?;
    Some((ring.iter().count() - 1 - index) as f64)
}
