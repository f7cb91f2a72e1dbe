//! What was traded, for those who judge what others have made of the answers.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::market;
use crate::scenario::{Listing, Scenario, Split};

/// A session of one symbol, or a part of it, as providers know it at a time, before any of them restates it.
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
    /// New shares for one old share, effective with it; 1 without a split.
    pub split_factor: f64,
    /// Cash for each share that goes ex with it.
    pub dividend: f64,
}

impl Scenario {
    /// Sessions of a symbol up to `now`, the one that is traded as far as it is traded; none of a symbol that nobody trades.
    pub fn traded(&self, symbol: &str, now: Timestamp) -> Vec<Traded> {
        let Some(listing) = self.listing(symbol) else {
            return Vec::new();
        };
        let days = market::days(self, listing, now).into_iter();
        days.map(|day| session(listing, &day, now)).collect()
    }

    /// Bars of so many minutes of a symbol that are over at `now`. What happens to its shares happens with the first of a day.
    pub fn traded_within(&self, symbol: &str, minutes: i64, now: Timestamp) -> Vec<Traded> {
        let Some(listing) = self.listing(symbol) else {
            return Vec::new();
        };
        let mut bars = Vec::new();
        for day in market::whole_days(self, listing, now) {
            let whole = session(listing, &day, now);
            let slices = market::slices(&day, minutes, now.as_millisecond());
            bars.extend(slices.iter().enumerate().map(|(index, slice)| Traded {
                end: slice.end,
                prices: [slice.open, slice.high, slice.low, slice.close],
                volume: slice.volume,
                split_factor: if index == 0 { whole.split_factor } else { 1.0 },
                dividend: if index == 0 { whole.dividend } else { 0.0 },
                ..whole
            }));
        }
        bars
    }

    fn listing(&self, symbol: &str) -> Option<&Listing> {
        self.symbols.iter().find(|listing| listing.symbol == symbol)
    }
}

fn session(listing: &Listing, day: &market::Day, now: Timestamp) -> Traded {
    let splits = market::known_splits(listing, now);
    let splits = splits.iter().filter(|split| split.date == day.date);
    let paid = listing.dividends.iter();
    let paid = paid.filter(|dividend| dividend.date == day.date);
    Traded {
        date: day.date,
        end: day.end,
        prices: [day.open, day.high, day.low, day.close],
        volume: day.volume,
        split_factor: splits.map(|split| Split::ratio(split)).product(),
        // A sum of nothing is -0.
        dividend: paid.map(|dividend| dividend.amount).sum::<f64>() + 0.0,
    }
}
