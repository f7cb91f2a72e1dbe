//! Moves that no market makes: a bar whose prices are all many times those before, or a fraction of them. Vendors print
//! pence for pounds, or drop a decimal point, for a day or from one day on.
//!
//! The policy, with `before` the last accepted close of the symbol:
//! - a bar of which **every** price it has, times its split factor, is at least [`FACTOR`] times `before` or at most a
//!   [`FACTOR`]th of it is refused as `PriceJump`. A split that the source declares on that day, in its column or by its
//!   adjusted close, thus explains the move when it is as large;
//! - the next bar is compared with the same `before`: a single wrong row leaves no trace in what follows;
//! - [`RUN`] bars in a row that jump and do not jump among themselves are a new price level: the last of them is accepted,
//!   told as a [`Rebasing`], and is what later bars are compared with. Those before it stay in quarantine.

use std::fmt;

use foresail_domain::Bar;

/// Least factor. The largest moves of a session at listed markets are some ten times: a bar that is 100 times too large is
/// found although the market halved on that day, and a stock that trebles or loses 95 % is not.
const FACTOR: f64 = 50.0;
/// Bars on a new level that make it one: two wrong rows in a row happen, three on one level are the vendor's unit.
const RUN: u32 = 3;

/// A symbol's prices have moved to another level.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebasing {
    /// Instrument code.
    pub symbol: String,
    /// Close of the last bar on the old level.
    pub before: f64,
    /// Close of the first accepted bar on the new one.
    pub after: f64,
}

impl fmt::Display for Rebasing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            symbol,
            before,
            after,
        } = self;
        let factor = after / before;
        write!(
            f,
            "{symbol}: prices moved from {before} to {after} ({factor:.4} times) without a split and stay there for \
             {RUN} bars; the new level is accepted, the first {} of them are in quarantine as PriceJump",
            RUN - 1
        )
    }
}

/// What a bar is, compared with those before.
#[derive(Debug, PartialEq)]
pub(crate) enum Move {
    Usual,
    /// Refused, with the factor.
    Jump(f64),
    /// Accepted, and told.
    Rebased(Rebasing),
}

/// The price level of one symbol.
#[derive(Debug)]
pub(crate) struct Level {
    close: f64,
    /// Bars that have jumped in a row.
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    close: f64,
    event_time: i64,
    bars: u32,
}

impl Level {
    /// The level of a symbol's first bar.
    pub(crate) fn new(bar: &Bar) -> Self {
        Self {
            close: bar.close,
            run: None,
        }
    }

    /// Takes the next bar that is good otherwise.
    pub(crate) fn next(&mut self, bar: &Bar) -> Move {
        let Some(factor) = jump(self.close, bar) else {
            *self = Self::new(bar);
            return Move::Usual;
        };
        let bars = match &self.run {
            // A row that comes twice says nothing new.
            Some(run) if run.event_time >= bar.event_time => return Move::Jump(factor),
            Some(run) if jump(run.close, bar).is_none() => run.bars + 1,
            _ => 1,
        };
        if bars < RUN {
            self.run = Some(Run {
                close: bar.close,
                event_time: bar.event_time,
                bars,
            });
            return Move::Jump(factor);
        }
        let rebasing = Rebasing {
            symbol: bar.symbol.clone(),
            before: self.close,
            after: bar.close,
        };
        *self = Self::new(bar);
        Move::Rebased(rebasing)
    }
}

/// How many times `before` the bar's close is, when all its prices have moved that far.
fn jump(before: f64, bar: &Bar) -> Option<f64> {
    let factor = |price: f64| price * bar.split_factor / before;
    let known = [bar.open, bar.high, bar.low, Some(bar.close)];
    let factors = || known.into_iter().flatten().map(factor);
    let all = factors().all(|f| f >= FACTOR) || factors().all(|f| f <= 1.0 / FACTOR);
    all.then(|| factor(bar.close))
}
