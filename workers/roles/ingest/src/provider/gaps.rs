//! Sessions of the calendar between the first and the newest bar of a symbol that have no bar. They are asked for again some
//! times, each time after a longer pause; after that nobody traded in them, as far as this provider knows. Pure.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::timetable::Timetable;

/// Sessions that are asked for again; a calendar that does not fit has many more, and their number says so.
const MOST: usize = 1_000;
/// Pauses before each time that a session is asked for again, milliseconds; the first one is that of a bar that has not come.
const PAUSES: [i64; 2] = [DAY, 4 * DAY];
const DAY: i64 = 24 * 60 * 60 * 1000;
/// Times that a session is asked for again.
const ASKS: u8 = 3;

/// The sessions of one symbol without a bar.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    /// How often each was asked for again.
    days: BTreeMap<Date, u8>,
    /// Those for which there is no room.
    beyond: u64,
    /// When the next ones were found, or asked for last.
    since: Option<i64>,
}

impl Gaps {
    /// A bar is there of the session of `date`; the newest one before was of `newest`.
    pub(crate) fn see(&mut self, date: Date, newest: Option<Date>, timetable: &Timetable) {
        self.days.remove(&date);
        let after = newest.and_then(|newest| newest.tomorrow().ok());
        let before = date.yesterday().ok();
        let Some((after, before)) = after.zip(before).filter(|(after, before)| after <= before)
        else {
            return;
        };
        for missing in timetable.sessions(after, before) {
            if self.days.len() < MOST {
                self.days.insert(missing, 0);
            } else {
                self.beyond += 1;
            }
        }
    }

    /// These were found on the topic. What was asked for stays so.
    pub(crate) fn found(&mut self, mut found: Self) {
        for (date, asks) in &mut found.days {
            *asks = self.days.get(date).copied().unwrap_or(0);
        }
        found.since = self.since;
        *self = found;
    }

    /// Whether the session of this day has no bar.
    pub(crate) fn contains(&self, date: Date) -> bool {
        self.days.contains_key(&date)
    }

    /// The first session that is still asked for.
    pub(crate) fn first(&self) -> Option<Date> {
        let mut open = self.days.iter().filter(|(_, asks)| **asks < ASKS);
        open.next().map(|(date, _)| *date)
    }

    /// From now on they wait, unless they do so already.
    pub(crate) fn wait(&mut self, now: i64) {
        self.since = self.since.or((!self.days.is_empty()).then_some(now));
    }

    /// When they are asked for next.
    pub(crate) fn next(&self, poll: i64, now: i64) -> Option<i64> {
        let asks = self.days.values().copied();
        let least = asks.min().filter(|asks| *asks < ASKS)?;
        let since = self.since.unwrap_or(now);
        let pause = match usize::from(least).checked_sub(1) {
            None => poll,
            Some(asked) => PAUSES.get(asked).copied().unwrap_or(DAY),
        };
        Some(since.saturating_add(pause))
    }

    /// They were asked for, from the first one on.
    pub(crate) fn asked(&mut self, now: i64) {
        self.since = Some(now);
        let open = self.days.values_mut().filter(|asks| **asks < ASKS);
        open.for_each(|asks| *asks += 1);
    }

    /// The first session that is left to the fallback of this place: those before it were asked in vain.
    pub(crate) fn left_to(&self, place: u8) -> Option<Date> {
        let asked = ASKS.saturating_add(place);
        let mut left = self.days.iter().filter(|(_, asks)| **asks == asked);
        left.next().map(|(date, _)| *date)
    }

    /// The fallback of this place was asked for them.
    pub(crate) fn asked_of(&mut self, place: u8) {
        let asked = ASKS.saturating_add(place);
        let left = self.days.values_mut().filter(|asks| **asks == asked);
        left.for_each(|asks| *asks = asks.saturating_add(1));
    }

    /// Sessions that are asked for again, and those in which nobody traded.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let open = self.days.values().filter(|asks| **asks < ASKS).count() as u64;
        (open, self.days.len() as u64 - open + self.beyond)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::timetable::new_york;
    use super::*;

    /// Gaps between bars of these days.
    fn between(days: &[Date]) -> Gaps {
        let (mut gaps, timetable) = (Gaps::default(), new_york());
        let mut newest: Option<Date> = None;
        for day in days {
            gaps.see(*day, newest, &timetable);
            newest = newest.max(Some(*day));
        }
        gaps
    }

    #[test]
    fn a_session_without_a_bar_is_a_gap_and_a_holiday_is_none() {
        // Thursday, the Friday before a holiday of New York on Monday, and Wednesday.
        let gaps = between(&[date(2024, 1, 11), date(2024, 1, 12), date(2024, 1, 17)]);
        assert_eq!(gaps.first(), Some(date(2024, 1, 16)));
        assert_eq!(gaps.counts(), (1, 0));
        let late = between(&[date(2024, 1, 12), date(2024, 1, 17), date(2024, 1, 16)]);
        assert_eq!(late.counts(), (0, 0));
        // Before a calendar knows the past, any day may have been one of trading.
        assert_eq!(
            between(&[date(1950, 1, 3), date(1959, 12, 30)]).counts(),
            (0, 0)
        );
    }

    #[test]
    fn a_gap_is_asked_for_three_times_with_growing_pauses_and_then_nobody_traded() {
        let mut gaps = between(&[date(2024, 1, 12), date(2024, 1, 17)]);
        let poll = 600_000;
        let mut now = 0;
        gaps.wait(now);
        for pause in [poll, DAY, 4 * DAY] {
            assert_eq!(gaps.next(poll, now), Some(now + pause));
            now += pause;
            gaps.asked(now);
        }
        assert_eq!(gaps.next(poll, now), None);
        assert_eq!((gaps.first(), gaps.counts()), (None, (0, 1)));
        // What the topic says again is not asked for again.
        gaps.found(between(&[date(2024, 1, 12), date(2024, 1, 17)]));
        assert_eq!(gaps.counts(), (0, 1));
    }

    #[test]
    fn what_nobody_has_is_left_to_each_fallback_once_in_order() {
        let mut gaps = between(&[date(2024, 1, 12), date(2024, 1, 17)]);
        let day = Some(date(2024, 1, 16));
        for _ in 0..ASKS {
            assert_eq!(gaps.left_to(0), None);
            gaps.asked(0);
        }
        gaps.asked(0);
        assert_eq!((gaps.left_to(0), gaps.left_to(1)), (day, None));
        gaps.asked_of(0);
        assert_eq!((gaps.left_to(0), gaps.left_to(1)), (None, day));
        gaps.asked_of(1);
        assert_eq!((gaps.left_to(1), gaps.counts()), (None, (0, 1)));
    }

    #[test]
    fn a_calendar_that_does_not_fit_is_counted_and_not_kept() {
        let gaps = between(&[date(2000, 1, 3), date(2020, 1, 3)]);
        let (open, closed) = gaps.counts();
        assert_eq!(open, MOST as u64);
        assert!((4_000..4_100).contains(&closed), "{closed}");
    }
}
