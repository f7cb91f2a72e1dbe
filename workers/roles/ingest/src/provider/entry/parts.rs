//! What was answered about one symbol, until all of it is there. Pure.

use foresail_providers::action::{Dividend, Split};
use foresail_providers::request::{Kind, Month, Window};
use foresail_providers::{Answer, Request, Row, Series};

use crate::provider::timetable::Timetable;

/// What was answered about one symbol.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub series: Option<Series>,
    /// First second that was not asked for yet, where windows are asked one by one.
    pub asked_to: Option<i64>,
    /// The last month that was asked for, where months are asked one by one.
    pub asked_month: Option<Month>,
    /// How many months were asked for.
    pub months: u32,
    /// Seconds of a row within a session.
    pub row_seconds: Option<i64>,
    pub splits: Option<Vec<Split>>,
    pub dividends: Option<Vec<Dividend>>,
}

impl Parts {
    pub(super) fn take(&mut self, request: &Request, answer: Answer) {
        match answer {
            Answer::Series(series) => {
                self.skip(request);
                self.row_seconds = match request.kind {
                    Kind::Chart { interval, .. } => interval.seconds(),
                    Kind::Intraday { interval, .. } => Some(interval.seconds()),
                    _ => None,
                };
                match &mut self.series {
                    Some(known) => append(known, series),
                    None => self.series = Some(series),
                }
            }
            Answer::Splits(splits) => self.splits = Some(splits.items),
            Answer::Dividends(dividends) => self.dividends = Some(dividends.items),
        }
    }

    /// The window or month of a request is asked for; true when it had one.
    pub(super) fn skip(&mut self, request: &Request) -> bool {
        match request.kind {
            Kind::Chart {
                window: Window::Period { to, .. },
                ..
            } => self.asked_to = Some(to),
            Kind::Intraday {
                month: Some(month), ..
            } => {
                self.asked_month = Some(month);
                self.months += 1;
            }
            _ => return false,
        }
        true
    }

    /// Rows of which a bar is made, 1 or more.
    pub(crate) fn per_bar(&self, timetable: &Timetable) -> f64 {
        let length = timetable.grid().interval().length_ms();
        let both = length.zip(self.row_seconds);
        both.map_or(1.0, |(length, row)| {
            (length as f64 / 1e3 / row as f64).max(1.0)
        })
    }
}

/// The rows of a window that begins where another one ends.
fn append(known: &mut Series, next: Series) {
    let place = |row: &Row| (row.date, row.start);
    let behind = known.rows.last().map(place);
    let rows = next.rows.into_iter();
    known
        .rows
        .extend(rows.filter(|row| Some(place(row)) > behind));
    known.splits.items.extend(next.splits.items);
    known.dividends.items.extend(next.dividends.items);
    known.capital_gains.items.extend(next.capital_gains.items);
}
