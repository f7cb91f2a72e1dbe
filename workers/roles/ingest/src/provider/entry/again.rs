//! What of a symbol is read again, and when. Pure.

use foresail_providers::action::{Dividend, Split};
use jiff::civil::Date;

use super::{Action, Entry, Parts};
use crate::provider::review::{Review, Why, is_turn};
use crate::provider::timetable::Timetable;
use crate::provider::wanted::FIRST_DAY;

/// Newest sessions that the turn of a symbol reads where they are several bars each. What was sent of them is held meanwhile.
const TURN_SESSIONS: usize = 60;
/// How long nothing of a symbol is read again after that was not possible.
const REVIEW_PAUSE: i64 = 60 * 60 * 1000;

impl Entry {
    /// What of it is to be read again now.
    pub(crate) fn due_review(&mut self, timetable: &Timetable, now: i64) -> Option<Review> {
        self.gaps.wait(now);
        let (at, review) = self.next_review(timetable, now)?;
        (at <= now).then_some(review)
    }

    /// What of it is read again next, and when. New bars go first.
    pub(crate) fn next_review(&self, timetable: &Timetable, now: i64) -> Option<(i64, Review)> {
        let to = timetable.session(self.mark?);
        let after = self.rests_until.max(self.review_after).unwrap_or(now);
        if let Some((from, to)) = self.refetch {
            let why = Why::Refetch;
            return Some((after, Review { why, from, to }));
        }
        let next = self.next_attempt(timetable, now);
        // A bar within a session may be missing because nobody traded.
        let waits = timetable.is_intraday() && next.is_some_and(|next| next > now);
        if self.is_due(timetable, now) && !waits {
            return None;
        }
        let has_turn = self.is_outdated || is_turn(&self.symbol, to, timetable);
        if has_turn && self.turn != Some(to) {
            let why = Why::Turn;
            let from = match timetable.is_intraday() {
                true => timetable.back(to, TURN_SESSIONS),
                false => FIRST_DAY,
            };
            let from = timetable.from().map_or(from, |first| first.max(from));
            return Some((after, Review { why, from, to }));
        }
        let (why, from) = (Why::Gaps, self.gaps.first()?);
        let at = self.gaps.next(timetable.poll(), now)?;
        Some((at.max(after), Review { why, from, to }))
    }

    /// It is asked for what is to be read again.
    pub(crate) fn begin(&mut self, review: Review) {
        self.parts = Parts::default();
        self.review = Some(review);
    }

    /// What was to be read again has been asked for.
    pub(crate) fn reviewed(&mut self, timetable: &Timetable, now: i64) {
        self.parts = Parts::default();
        match self.review.take().map(|review| review.why) {
            Some(Why::Refetch) => self.refetch = None,
            Some(Why::Gaps) => self.gaps.asked(now),
            Some(Why::Left(place)) => self.gaps.asked_of(place),
            Some(Why::Turn) => {
                self.turn = self.mark.map(|mark| timetable.session(mark));
                self.is_outdated = false;
            }
            None => {}
        }
    }

    /// Its history up to the bar of this session was read.
    pub(crate) fn had_turn(&mut self, session: Option<Date>) {
        self.turn = session;
    }

    /// What is to be read again cannot be asked for now.
    pub(crate) fn postpone(&mut self, now: i64) {
        if self.review.take().is_some() {
            self.parts = Parts::default();
            self.review_after = Some(now.saturating_add(REVIEW_PAUSE));
        }
    }

    /// Takes note of all splits and dividends that the provider lists. When those have changed that are older than the bars
    /// that are compared, the history is read again.
    pub(crate) fn note_actions(&mut self, splits: &[Split], dividends: &[Dividend]) {
        let splits = splits.iter().map(|split| (split.date, split.ratio));
        let dividends = dividends.iter().map(|paid| (paid.ex_date, paid.amount));
        let mut listed: Vec<Action> = splits.chain(dividends).collect();
        listed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        if let Some((known, first)) = self.actions.as_ref().zip(self.memory.first()) {
            let past = |(date, _): &&Action| *date < first;
            let has_changed = !known.iter().filter(past).eq(listed.iter().filter(past));
            self.is_outdated |= has_changed;
        }
        self.actions = Some(listed);
    }
}
