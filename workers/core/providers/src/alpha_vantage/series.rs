//! From the rows of a document to those of a series.

use jiff::civil::Date;

use super::raw_row::{Cells, RawRow, Stamp};
use crate::request::Minutes;
use crate::row::{Repeated, Row, Sieve};
use crate::verdict::{Basis, Listed, Series};
use crate::zone::Zone;

/// When the last exchange has closed that this provider has, on the clock of New York.
const CLOSED: jiff::civil::Time = jiff::civil::time(16, 0, 0, 0);

/// How rows are read.
pub(super) struct Reading {
    /// Their length; `None` of daily rows.
    pub(super) minutes: Option<Minutes>,
    /// They have to tell splits and dividends.
    pub(super) is_adjusted: bool,
    /// When the answer was made, in seconds since the Unix epoch.
    pub(super) answered: Option<i64>,
    /// The clock that their times are on.
    pub(super) zone: Zone,
}

impl Reading {
    pub(super) fn series(&self, raw: &[RawRow]) -> Series {
        let mut sieve = Sieve::default();
        sieve.rows.reserve(raw.len());
        let today = self.answered.and_then(|second| self.zone.at(second));
        let open = today.filter(|at| at.time() < CLOSED).map(|at| at.date());
        for raw in raw {
            let row = self.row(raw).and_then(|mut row| {
                if self.is_to_come(&row, today.map(|at| at.date())) {
                    return Err("InTheFuture");
                }
                row.is_final = self.is_over(&row, open);
                Ok(row)
            });
            sieve.take(row);
        }
        sieve.settle(Repeated::Agreed);
        if let (None, Some(newest)) = (self.answered, sieve.rows.last_mut()) {
            newest.is_final = false;
        }
        Series {
            rows: sieve.rows,
            dropped: sieve.dropped,
            read: sieve.read,
            widened: sieve.widened,
            basis: Basis::AsTraded,
            currency: None,
            is_compact: false,
            splits: Listed::default(),
            dividends: Listed::default(),
            capital_gains: Listed::default(),
        }
    }

    fn row(&self, raw: &RawRow) -> Result<Row, &'static str> {
        let (date, start) = match (raw.at.ok_or("BadDate")?, self.minutes) {
            (Stamp::Day(date), None) => (date, None),
            (Stamp::Moment(at), Some(_)) => {
                let start = self.zone.second(at).ok_or("AmbiguousTime")?;
                (at.date(), Some(start))
            }
            _ => return Err("BadDate"),
        };
        let Cells {
            prices: [open, high, low, close],
            volume,
            dividend,
            split,
        } = raw.cells;
        let prices = [
            open.number()?,
            high.number()?,
            low.number()?,
            close.number()?,
        ];
        let mut row = Row::new(date, start, prices, Some(volume.number()?));
        if self.is_adjusted {
            (row.dividend, row.split_factor) = (dividend.number()?, split.number()?);
        }
        Ok(row)
    }

    fn is_to_come(&self, row: &Row, today: Option<Date>) -> bool {
        match (row.start, self.answered) {
            (Some(start), Some(answered)) => start > answered,
            _ => today.is_some_and(|today| row.date > today),
        }
    }

    /// Whether the time of a row was over when the answer was made. `open` is the day of the answer before its close.
    fn is_over(&self, row: &Row, open: Option<Date>) -> bool {
        match (row.start, self.minutes, self.answered) {
            (Some(start), Some(minutes), Some(answered)) => start + minutes.seconds() <= answered,
            _ => open != Some(row.date),
        }
    }
}
