//! Splits and dividends that are listed apart from bars within a session. They are asked for once a day: in the first answer of
//! a session, with the first bar that they may concern. Pure.

use foresail_providers::Series;
use foresail_providers::action::{Dividend, Split};
use jiff::civil::Date;

use super::{Entry, Parts};
use crate::provider::timetable::Timetable;

/// What a provider has listed of a symbol.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// The day at the exchange on which it was asked.
    day: Date,
    /// All splits.
    splits: Vec<Split>,
    /// All dividends.
    dividends: Vec<Dividend>,
}

impl Entry {
    /// Whether splits and dividends are asked for, for the rows of a series.
    pub(crate) fn needs_actions(&self, series: &Series, timetable: &Timetable) -> bool {
        let newest = series.rows.last().map(|row| row.date);
        let is_listed = |listed: &Listed| newest.is_none_or(|newest| newest <= listed.day);
        let known = self.listed.as_ref().filter(|_| timetable.is_intraday());
        self.review.is_some() || !known.is_some_and(is_listed)
    }

    /// Splits and dividends as they were answered, or as they were listed before; `None` while one of them is missing.
    pub(crate) fn actions(
        &mut self,
        parts: &mut Parts,
        timetable: &Timetable,
        now: i64,
    ) -> Option<(Vec<Split>, Vec<Dividend>)> {
        let answered = parts.splits.take().zip(parts.dividends.take());
        let Some((splits, dividends)) = answered else {
            let listed = self.listed.as_ref().filter(|_| timetable.is_intraday())?;
            return Some((listed.splits.clone(), listed.dividends.clone()));
        };
        self.note_actions(&splits, &dividends);
        self.listed = timetable.is_intraday().then(|| Listed {
            day: timetable.today(now),
            splits: splits.clone(),
            dividends: dividends.clone(),
        });
        Some((splits, dividends))
    }
}
