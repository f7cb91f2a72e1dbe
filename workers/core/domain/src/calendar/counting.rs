//! Which sessions follow and how many there are, the same for the calendar of an exchange and one with overrides.

use jiff::civil::Date;

/// What sessions are counted by.
pub(super) trait Sessions {
    /// Whether it is a session.
    fn holds(&self, date: Date) -> bool;
    /// When its session ends.
    fn end(&self, date: Date) -> i64;
    /// The date whose session ends then.
    fn date(&self, event_time: i64) -> Date;
}

/// The first session after `date`.
pub(super) fn next(of: impl Sessions, date: Date) -> Date {
    let mut next = day_after(date);
    while !of.holds(next) && next < Date::MAX {
        next = day_after(next);
    }
    next
}

/// Sessions from `from` to `to`, both included.
pub(super) fn between(of: impl Sessions, from: Date, to: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(from), |date| date.tomorrow().ok())
        .take_while(move |date| *date <= to)
        .filter(move |date| of.holds(*date))
}

/// Number of sessions that ended after `from` and until `to`.
pub(super) fn ended(of: impl Sessions, from: i64, to: i64) -> usize {
    if to <= from {
        return 0;
    }
    // A session ends on the date that `date` gives for its end, so only the two outer dates need a clock.
    let (first, last) = (of.date(from), of.date(to));
    let before = usize::from(of.holds(first) && of.end(first) <= from);
    let to_come = usize::from(of.holds(last) && of.end(last) > to);
    between(of, first, last).count() - before - to_come
}

/// The last date of all is followed by itself.
pub(super) fn day_after(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}
