//! Forward price adjustment: adjusted = raw * factor, where the factor starts at 1 and grows with
//! each corporate action. Only the past is used, so a row never changes when a later action comes.
//! The factor depends on where a series starts; ratios of adjusted prices do not, but for rounding.

use foresail_crds::pipeline::spec::Adjustment;
use foresail_domain::Bar;
use serde::{Deserialize, Serialize};

/// Running factors of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adjuster {
    adjustment: Adjustment,
    price_factor: f64,
    share_factor: f64,
    previous_close: Option<f64>,
    previous_adjusted: Option<f64>,
}

/// A bar on the adjusted scale. High and low are the close where one of them is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdjustedBar {
    /// Bar end, milliseconds UTC.
    pub event_time: i64,
    /// Adjusted open, when known.
    pub open: Option<f64>,
    /// Adjusted close.
    pub close: f64,
    /// ln(close / close of the bar before); absent for the first. Here, since many features read it.
    pub change: Option<f64>,
    /// Adjusted high.
    pub high: f64,
    /// Adjusted low.
    pub low: f64,
    /// Close of a share of the first session, dividends aside: times the volume it is the turnover.
    pub share_price: f64,
    /// Volume in shares of the first session, when known.
    pub volume: Option<f64>,
}

impl Adjuster {
    /// Factors before the first bar.
    pub fn new(adjustment: Adjustment) -> Self {
        Self {
            adjustment,
            price_factor: 1.0,
            share_factor: 1.0,
            previous_close: None,
            previous_adjusted: None,
        }
    }

    /// Cumulative price factor after the last bar.
    pub fn factor(&self) -> f64 {
        self.price_factor
    }

    /// Takes the corporate action effective on `bar` into the factors and adjusts the bar. A dividend
    /// is paid per share before a split of the same session; one that is not below the previous
    /// close, or an action that leads a factor out of 1e-100..=1e100, is not taken.
    pub fn push(&mut self, bar: &Bar) -> AdjustedBar {
        if self.adjustment != Adjustment::None {
            let factors = (
                self.price_factor * bar.split_factor * self.dividend_factor(bar),
                self.share_factor * bar.split_factor,
            );
            if FACTORS.contains(&factors.0) && FACTORS.contains(&factors.1) {
                (self.price_factor, self.share_factor) = factors;
            }
        }
        self.previous_close = Some(bar.close);
        let (high, low) = bar.high.zip(bar.low).unwrap_or((bar.close, bar.close));
        let close = bar.close * self.price_factor;
        let before = self.previous_adjusted.replace(close);
        AdjustedBar {
            event_time: bar.event_time,
            open: bar.open.map(|v| v * self.price_factor),
            close,
            change: before.map(|before| (close / before).ln()),
            high: high * self.price_factor,
            low: low * self.price_factor,
            share_price: bar.close * self.share_factor,
            volume: bar.volume.map(|v| v / self.share_factor),
        }
    }

    fn dividend_factor(&self, bar: &Bar) -> f64 {
        match self.previous_close {
            Some(previous)
                if self.adjustment == Adjustment::All
                    && bar.dividend > 0.0
                    && bar.dividend < previous =>
            {
                1.0 / (1.0 - bar.dividend / previous)
            }
            _ => 1.0,
        }
    }

    /// Whether these restored factors are valid and of the same kind as `fresh`.
    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        self.adjustment == fresh.adjustment
            && FACTORS.contains(&self.price_factor)
            && FACTORS.contains(&self.share_factor)
    }
}

/// Keeps adjusted prices and volumes, and their squares, finite.
const FACTORS: std::ops::RangeInclusive<f64> = 1e-100..=1e100;
