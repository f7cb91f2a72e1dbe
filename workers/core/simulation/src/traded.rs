//! What was traded, for those who judge what others have made of the answers.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::market;
use crate::scenario::{Scenario, Split};

/// A session of one symbol as providers know it at a time, before any of them restates it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traded {
    /// The session.
    pub date: Date,
    /// Its end, milliseconds UTC.
    pub end: i64,
    /// Open, high, low and close, in the major unit of the currency.
    pub prices: [f64; 4],
    /// Shares.
    pub volume: f64,
    /// New shares for one old share, effective this day; 1 without a split.
    pub split_factor: f64,
    /// Cash for each share that goes ex this day.
    pub dividend: f64,
}

impl Scenario {
    /// Sessions of a symbol up to `now`, the one that is traded as far as it is traded; none of a symbol that nobody trades.
    pub fn traded(&self, symbol: &str, now: Timestamp) -> Vec<Traded> {
        let listing = self.symbols.iter().find(|listing| listing.symbol == symbol);
        let Some(listing) = listing else {
            return Vec::new();
        };
        let known = market::known_splits(listing, now);
        let of = |day: market::Day| Traded {
            date: day.date,
            end: day.end,
            prices: [day.open, day.high, day.low, day.close],
            volume: day.volume,
            split_factor: {
                let splits = known.iter().filter(|split| split.date == day.date);
                splits.map(|split| Split::ratio(split)).product()
            },
            dividend: {
                let paid = listing.dividends.iter();
                let paid = paid.filter(|dividend| dividend.date == day.date);
                paid.map(|dividend| dividend.amount).sum()
            },
        };
        market::days(self, listing, now)
            .into_iter()
            .map(of)
            .collect()
    }
}
