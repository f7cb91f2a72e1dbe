//! From the columns of a chart to rows, in whole units of its currency.

use jiff::civil::Date;

use super::document::{Division, Events, Meta, Part, Payment, Period, Quote};
use crate::action::{Dividend, Split};
use crate::body::{Capped, Cell};
use crate::currency::Currency;
use crate::request::ChartInterval;
use crate::row::{Repeated, Row, Sieve};
use crate::verdict::{Basis, Fault, Listed, Series};
use crate::zone::Zone;

/// How the columns are read.
struct Reading<'a> {
    interval: ChartInterval,
    meta: &'a Meta,
    zone: Zone,
    currency: Option<Currency>,
    /// Units of the answer in one of the currency.
    units: f64,
    /// When the answer was made, in seconds; the last trade is not later.
    now: Option<i64>,
}

/// The series of a chart; `None` when there is neither row nor event in it.
pub(super) fn series(
    interval: ChartInterval,
    answered: Option<i64>,
    part: Part,
) -> Result<Option<Series>, Fault> {
    let stamps = part.timestamp.unwrap_or_default().0;
    let quote = part.indicators.quote.0.into_iter().next();
    let columns = Columns::new(quote.unwrap_or_default(), stamps.len())?;
    let events = part.events.unwrap_or_default();
    let events_read =
        events.dividends.0.len() + events.splits.0.len() + events.capital_gains.0.len();
    if stamps.is_empty() && events_read == 0 {
        return Ok(None);
    }
    let reading = Reading::new(interval, answered, &part.meta)?;
    let mut sieve = Sieve::default();
    for (at, stamp) in stamps.iter().enumerate() {
        sieve.take(reading.row(*stamp, &columns, at));
    }
    sieve.settle(Repeated::Last);
    reading.mark_live(&mut sieve.rows);
    let (splits, dividends, capital_gains) = reading.events(events);
    Ok(Some(Series {
        rows: sieve.rows,
        dropped: sieve.dropped,
        read: sieve.read,
        widened: sieve.widened,
        basis: Basis::SplitAdjusted,
        currency: reading.currency,
        is_compact: false,
        splits,
        dividends,
        capital_gains,
    }))
}

/// Columns of as many numbers as there are stamps. Every symbol has all five: what is not traded in shares has zeros.
struct Columns {
    prices: [Vec<Cell>; 4],
    volume: Vec<Cell>,
}

impl Columns {
    fn new(quote: Quote, rows: usize) -> Result<Self, Fault> {
        let even = |column: Option<Capped<Cell>>| {
            let column = column.unwrap_or_default().0;
            let is_even = column.len() == rows;
            is_even.then_some(column).ok_or(Fault::UnevenColumns)
        };
        Ok(Self {
            prices: [
                even(quote.open)?,
                even(quote.high)?,
                even(quote.low)?,
                even(quote.close)?,
            ],
            volume: even(quote.volume)?,
        })
    }
}

fn cell(column: &[Cell], at: usize) -> Result<f64, &'static str> {
    column.get(at).copied().unwrap_or_default().number()
}

impl<'a> Reading<'a> {
    fn new(interval: ChartInterval, answered: Option<i64>, meta: &'a Meta) -> Result<Self, Fault> {
        let zone = meta.exchange_timezone_name.as_deref();
        let zone = zone.and_then(Zone::named).ok_or(Fault::NoTimeZone)?;
        let (currency, units) = match meta.currency.as_deref() {
            None | Some("") => (None, 1.0),
            Some(code) => {
                let (major, units) = Currency::new(code).ok_or(Fault::BadCurrency)?.major();
                (Some(major), units)
            }
        };
        Ok(Self {
            interval,
            meta,
            zone,
            currency,
            units,
            now: answered.or(meta.regular_market_time),
        })
    }

    fn row(&self, stamp: Option<i64>, columns: &Columns, at: usize) -> Result<Row, &'static str> {
        let stamp = stamp.ok_or("Null")?;
        let (date, start) = match self.interval {
            ChartInterval::Quarter => return Err("EventsOnly"),
            ChartInterval::Day => (self.zone.session(stamp), None),
            _ => (self.zone.at(stamp).map(|at| at.date()), Some(stamp)),
        };
        let date = date.ok_or("BadDate")?;
        if start.is_some_and(|start| !self.is_in_session(start)) {
            return Err("OutsideSession");
        }
        let [open, high, low, close] = &columns.prices;
        let price = |column: &[Cell]| cell(column, at).map(|price| price / self.units);
        let prices = [price(open)?, price(high)?, price(low)?, price(close)?];
        let volume = cell(&columns.volume, at)?;
        Ok(Row::new(date, start, prices, Some(volume)))
    }

    /// Rows before and after hours come unasked on half days.
    fn is_in_session(&self, start: i64) -> bool {
        let periods = &self.meta.trading_periods.0;
        let holds = |period: &Period| (period.start..period.end).contains(&start);
        periods.is_empty() || periods.iter().any(holds)
    }

    /// The end of a row that begins then: the last one of a session may be cut short by its close.
    fn end(&self, start: i64, length: i64) -> i64 {
        let periods = self.meta.trading_periods.0.iter();
        let mut of_it = periods.filter(|period| (period.start..period.end).contains(&start));
        let close = of_it.next().map_or(i64::MAX, |period| period.end);
        (start + length).min(close)
    }

    /// Marks the rows whose time was not over when the answer was made.
    fn mark_live(&self, rows: &mut [Row]) {
        let current = self.meta.current_trading_period.as_ref();
        let current = current.and_then(|current| current.regular);
        let session = current.and_then(|period| self.zone.session(period.start));
        let is_over = current
            .zip(self.now)
            .is_some_and(|(period, now)| now >= period.end);
        for row in rows.iter_mut() {
            row.is_final = match (row.start, self.interval.seconds()) {
                (Some(start), Some(length)) => {
                    // The live row bears the second of the last trade.
                    let is_whole = start % 60 == 0;
                    let end = self.end(start, length);
                    is_whole && self.now.is_none_or(|now| end <= now)
                }
                _ => session.is_none_or(|s| row.date < s || (row.date == s && is_over)),
            };
        }
        let is_told = match self.interval.seconds() {
            Some(_) => self.now.is_some(),
            None => session.is_some(),
        };
        if let (false, Some(newest)) = (is_told, rows.last_mut()) {
            newest.is_final = false;
        }
    }

    fn events(&self, events: Events) -> (Listed<Split>, Listed<Dividend>, Listed<Dividend>) {
        let mut splits = Listed::default();
        for split in &events.splits.0 {
            splits.take(self.split(split));
        }
        splits.items.sort_by_key(|split| split.date);
        let paid = |payments: &[Payment]| {
            let mut listed = Listed::default();
            for payment in payments {
                listed.take(self.dividend(payment));
            }
            listed.items.sort_by_key(|dividend| dividend.ex_date);
            listed
        };
        let dividends = paid(&events.dividends.0);
        (splits, dividends, paid(&events.capital_gains.0))
    }

    fn split(&self, split: &Division) -> Result<Split, &'static str> {
        let ratio = split.numerator.number()? / split.denominator.number()?;
        Split::checked(self.day(split.date)?, ratio)
    }

    fn dividend(&self, payment: &Payment) -> Result<Dividend, &'static str> {
        let (currency, units) = match payment.currency.as_deref() {
            None | Some("") => (self.currency, self.units),
            Some(code) => {
                let (major, units) = Currency::new(code).ok_or("BadCurrency")?.major();
                (Some(major), units)
            }
        };
        let amount = payment.amount.number()? / units;
        Dividend::checked(self.day(payment.date)?, amount, currency)
    }

    fn day(&self, stamp: Option<i64>) -> Result<Date, &'static str> {
        let stamp = stamp.ok_or("MissingField")?;
        self.zone.session(stamp).ok_or("BadDate")
    }
}
