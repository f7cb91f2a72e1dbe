//! Forward price adjustment: adjusted = raw * factor, where the factor starts at 1 and grows with
//! each corporate action. Only the past is used, so a row never changes when a later action comes.

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
}

/// A bar on the adjusted scale; missing highs and lows take the close, a missing volume is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdjustedBar {
    /// Adjusted close.
    pub close: f64,
    /// Adjusted high; the close when the bar has none.
    pub high: f64,
    /// Adjusted low; the close when the bar has none.
    pub low: f64,
    /// Volume in shares of the first session.
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
        }
    }

    /// Cumulative price factor after the last bar.
    pub fn factor(&self) -> f64 {
        self.price_factor
    }

    /// Takes the corporate action effective on `bar` into the factors and adjusts the bar.
    pub fn push(&mut self, bar: &Bar) -> AdjustedBar {
        if self.adjustment != Adjustment::None {
            self.price_factor *= bar.split_factor;
            self.share_factor *= bar.split_factor;
        }
        if self.adjustment == Adjustment::All
            && let Some(previous) = self.previous_close
            && bar.dividend > 0.0
            && bar.dividend < previous
        {
            self.price_factor /= 1.0 - bar.dividend / previous;
        }
        self.previous_close = Some(bar.close);
        AdjustedBar {
            close: bar.close * self.price_factor,
            high: bar.high.unwrap_or(bar.close) * self.price_factor,
            low: bar.low.unwrap_or(bar.close) * self.price_factor,
            volume: bar.volume.map(|v| v / self.share_factor),
        }
    }
}
