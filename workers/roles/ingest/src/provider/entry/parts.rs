//! What was answered about one symbol, until all of it is there. Pure.

use foresail_providers::action::{Dividend, Split};
use foresail_providers::request::{Kind, Window};
use foresail_providers::{Answer, Request, Series};

/// What was answered about one symbol.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub series: Option<Series>,
    /// First second that was not asked for yet, where windows are asked one by one.
    pub asked_to: Option<i64>,
    pub splits: Option<Vec<Split>>,
    pub dividends: Option<Vec<Dividend>>,
}

impl Parts {
    pub(super) fn take(&mut self, request: &Request, answer: Answer) {
        match answer {
            Answer::Series(series) => {
                self.skip(request);
                match &mut self.series {
                    Some(known) => append(known, series),
                    None => self.series = Some(series),
                }
            }
            Answer::Splits(splits) => self.splits = Some(splits.items),
            Answer::Dividends(dividends) => self.dividends = Some(dividends.items),
        }
    }

    /// The window of a request is asked for; true when it had one.
    pub(super) fn skip(&mut self, request: &Request) -> bool {
        let Kind::Chart {
            window: Window::Period { to, .. },
            ..
        } = request.kind
        else {
            return false;
        };
        self.asked_to = Some(to);
        true
    }
}

/// The rows of a window that begins where another one ends.
fn append(known: &mut Series, next: Series) {
    let behind = known.rows.last().map(|row| row.date);
    let rows = next.rows.into_iter();
    known
        .rows
        .extend(rows.filter(|row| Some(row.date) > behind));
    known.splits.items.extend(next.splits.items);
    known.dividends.items.extend(next.dividends.items);
    known.capital_gains.items.extend(next.capital_gains.items);
}
