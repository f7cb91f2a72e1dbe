//! What of a symbol is of one account alone. A fallback is asked about the same symbols: its part is put in place of the first
//! account's for as long as that takes, and what was sent stays common to all. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use foresail_providers::Row;
use foresail_providers::request::Month;
use jiff::civil::Date;

use super::{Action, Entry, Fate, Listed, Parts};
use crate::provider::review::Review;
use crate::provider::timetable::Timetable;

/// What is known of one symbol from one account alone: the fields of [`Entry`] of the same names.
#[derive(Debug, Default)]
pub(crate) struct Own {
    parts: Parts,
    attempted: Option<i64>,
    lack: Option<(String, String)>,
    is_compact: bool,
    reach_days: Option<u32>,
    widest_days: Option<u32>,
    left_out: BTreeSet<i64>,
    restated: Option<f64>,
    review: Option<Review>,
    refetch: Option<(Date, Date)>,
    history: Option<Month>,
    goes_on: bool,
    listed: Option<Listed>,
    rests_until: Option<i64>,
    review_after: Option<i64>,
    turn: Option<Date>,
    actions: Option<Vec<Action>>,
    is_outdated: bool,
    refused: BTreeMap<i64, Row>,
    unknown: Option<String>,
}

impl Own {
    /// A new connection: what the topic does not hold was lost with its transaction.
    pub(crate) fn reopen(&mut self) {
        self.refused.clear();
        self.unknown = None;
    }

    /// Whether it is left alone at `now`: it does not know the symbol, or does not sell it.
    pub(crate) fn rests(&self, now: i64) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Why it has not brought the newest bar, as of the last time it was asked.
    pub(crate) fn lack(&self) -> Option<&str> {
        self.lack.as_ref().map(|(reason, _)| &**reason)
    }

    /// From when on it may be asked for bars, with a pause of `poll` between two times.
    pub(crate) fn free_at(&self, poll: i64) -> Option<i64> {
        let next = self
            .attempted
            .map(|attempted| attempted.saturating_add(poll));
        next.max(self.rests_until)
    }

    /// From when on something may be read again.
    pub(crate) fn free_for_review_at(&self) -> Option<i64> {
        self.rests_until.max(self.review_after)
    }
}

impl Entry {
    /// Puts what is known from another account in place of what is known from this one.
    pub(crate) fn exchange(&mut self, own: &mut Own) {
        mem::swap(&mut self.parts, &mut own.parts);
        mem::swap(&mut self.attempted, &mut own.attempted);
        mem::swap(&mut self.lack, &mut own.lack);
        mem::swap(&mut self.is_compact, &mut own.is_compact);
        mem::swap(&mut self.reach_days, &mut own.reach_days);
        mem::swap(&mut self.widest_days, &mut own.widest_days);
        mem::swap(&mut self.left_out, &mut own.left_out);
        mem::swap(&mut self.restated, &mut own.restated);
        mem::swap(&mut self.review, &mut own.review);
        mem::swap(&mut self.refetch, &mut own.refetch);
        mem::swap(&mut self.history, &mut own.history);
        mem::swap(&mut self.goes_on, &mut own.goes_on);
        mem::swap(&mut self.listed, &mut own.listed);
        mem::swap(&mut self.rests_until, &mut own.rests_until);
        mem::swap(&mut self.review_after, &mut own.review_after);
        mem::swap(&mut self.turn, &mut own.turn);
        mem::swap(&mut self.actions, &mut own.actions);
        mem::swap(&mut self.is_outdated, &mut own.is_outdated);
        mem::swap(&mut self.refused, &mut own.refused);
        mem::swap(&mut self.unknown, &mut own.unknown);
    }

    /// What was answered is taken, and nothing is read again.
    pub(crate) fn forget_answers(&mut self) {
        (self.parts, self.review) = (Parts::default(), None);
    }

    /// It is left alone until then.
    pub(crate) fn rest_until(&mut self, until: Option<i64>) {
        self.rests_until = self.rests_until.max(until);
    }

    /// Leaves out of what is ready the rows that would change a bar: an account that stands in fills what is missing.
    pub(crate) fn fill_only(&mut self, timetable: &Timetable) {
        let mut ready = mem::take(&mut self.ready);
        ready.retain(|row| !matches!(self.fate(row, timetable), Fate::Beside(1..)));
        self.ready = ready;
    }
}
