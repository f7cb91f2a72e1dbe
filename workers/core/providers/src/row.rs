//! A row of prices that has passed the checks of a bar.

use foresail_domain::{Bar, Interval, TradingCalendar};
use jiff::civil::Date;

use crate::drops::Drops;
use crate::same::near;

/// Prices of one session or of some minutes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The session, on the clock of the exchange.
    pub date: Date,
    /// First second of the row since the Unix epoch, UTC; `None` of a daily row.
    pub start: Option<i64>,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price, above zero as the others.
    pub close: f64,
    /// Shares traded, where that is told.
    pub volume: Option<f64>,
    /// Shares after / shares before a split that is effective with this row; 1 without one.
    pub split_factor: f64,
    /// Cash for each share that goes ex with this row; 0 without any.
    pub dividend: f64,
    /// False while the provider may still change it, since its time is not over. True is what the answer says: the caller
    /// asks its own calendar and clock as well.
    pub is_final: bool,
}

impl Row {
    /// A final row without split or dividend.
    pub fn new(date: Date, start: Option<i64>, prices: [f64; 4], volume: Option<f64>) -> Self {
        let [open, high, low, close] = prices;
        Self {
            date,
            start,
            open,
            high,
            low,
            close,
            volume,
            split_factor: 1.0,
            dividend: 0.0,
            is_final: true,
        }
    }

    /// The bar of a daily row. It ends when `calendar` says that the session does; `now` is wall time in milliseconds UTC.
    pub fn bar(&self, symbol: &str, calendar: TradingCalendar, provider: &str, now: i64) -> Bar {
        Bar {
            symbol: symbol.to_owned(),
            event_time: calendar.session_end(self.date),
            ingested_at: now,
            provider: provider.to_owned(),
            ..self.unplaced()
        }
    }

    /// Whether another row has the same numbers, within the tolerance of [`same`](crate::same::same). Of which session they
    /// are is not asked.
    pub fn says_as(&self, other: &Self) -> bool {
        crate::same::same(&self.unplaced(), &other.unplaced())
    }

    /// A bar of these numbers, of no symbol and no time.
    fn unplaced(&self) -> Bar {
        Bar {
            symbol: String::new(),
            interval: Interval::Session,
            event_time: 0,
            open: Some(self.open),
            high: Some(self.high),
            low: Some(self.low),
            close: self.close,
            volume: self.volume,
            split_factor: self.split_factor,
            dividend: self.dividend,
            ingested_at: 0,
            provider: String::new(),
            revision: 0,
        }
    }

    /// Takes high and low out to open and close where they are equal but for rounding; true where one had to give way.
    fn widen(&mut self) -> bool {
        let before = (self.high, self.low);
        for price in [self.open, self.close] {
            if price > self.high && near(price, self.high) {
                self.high = price;
            }
            if price < self.low && near(price, self.low) {
                self.low = price;
            }
        }
        before != (self.high, self.low)
    }

    /// The same row when its numbers can be those of a bar.
    ///
    /// # Errors
    /// The reason of the first check that fails, as [`BarError::reason`](foresail_domain::BarError::reason) names it.
    pub fn checked(&self) -> Result<(), &'static str> {
        let checked = self.unplaced().check(i64::MAX);
        checked.map_err(|error| error.reason())
    }
}

/// What becomes of the rows of an answer: they are given, or dropped and counted.
#[derive(Debug, Default)]
pub(crate) struct Sieve {
    pub(crate) rows: Vec<Row>,
    pub(crate) dropped: Drops,
    pub(crate) read: u64,
    pub(crate) widened: u64,
}

/// Which of several rows of one time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// The one that was read last: the live row comes behind the row of today.
    Last,
    /// One of them when they are the same, and none of them when nobody knows which is right.
    Agreed,
}

impl Sieve {
    /// One more row, or why it is none.
    pub(crate) fn take(&mut self, row: Result<Row, &'static str>) {
        self.read += 1;
        let checked = row.and_then(|mut row| {
            let widened = row.widen();
            row.checked()?;
            self.widened += u64::from(widened);
            Ok(row)
        });
        match checked {
            Ok(row) => self.rows.push(row),
            Err(reason) => self.dropped.add(reason),
        }
    }

    /// Oldest first, each time once.
    pub(crate) fn settle(&mut self, repeated: Repeated) {
        let place = |row: &Row| (row.date, row.start);
        self.rows.sort_by_key(place);
        let mut settled: Vec<Row> = Vec::with_capacity(self.rows.len());
        for group in self.rows.chunk_by(|a, b| place(a) == place(b)) {
            let Some((last, others)) = group.split_last() else {
                continue;
            };
            let others_count = others.len() as u64;
            if repeated == Repeated::Last || others.iter().all(|row| row.says_as(last)) {
                self.dropped.add_many("Duplicate", others_count);
                settled.push(*last);
            } else {
                self.dropped.add_many("Conflict", others_count + 1);
            }
        }
        self.rows = settled;
    }
}
