//! Where bars begin and end: the sessions of a calendar cut into an interval. Whoever counts bars asks here; whoever
//! counts sessions, as in days, asks the calendar.
//!
//! Bars are counted from the open of a session, and anew after its break, so the last bar before a break or the close may
//! be shorter: with `1h`, New York trades six bars of an hour and one of 30 minutes. Of `1d` each session is one bar.

use jiff::civil::Date;

use crate::{Calendar, Interval};

/// The bars of a calendar at an interval. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BarGrid {
    calendar: Calendar,
    interval: Interval,
}

/// When a bar begins and ends, milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub start: i64,
    /// The moment after its last one: the event time of the bar.
    pub end: i64,
}

/// A part of a session without a break, as a span.
type Part = Span;

impl BarGrid {
    /// The bars of `calendar` at `interval`.
    pub fn new(calendar: impl Into<Calendar>, interval: Interval) -> Self {
        Self {
            calendar: calendar.into(),
            interval,
        }
    }

    /// Whose sessions are cut.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// How long bars are.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Bars of a usual session of today, half days aside: what a session of a spec is in bars.
    pub fn bars_per_session(&self) -> u32 {
        if self.interval == Interval::Session {
            return 1;
        }
        let parts = self.calendar.usual_parts();
        let bars: i64 = parts.into_iter().map(|length| self.bars_in(length)).sum();
        u32::try_from(bars).unwrap_or(1).max(1)
    }

    /// Bars of so many usual sessions: fields of a spec that count sessions mean as many bars.
    pub fn bars(&self, sessions: u32) -> u32 {
        sessions.saturating_mul(self.bars_per_session())
    }

    /// Bars in an average year, for annual rates.
    pub fn bars_per_year(&self) -> f64 {
        self.calendar.sessions_per_year() * f64::from(self.bars_per_session())
    }

    /// The bars of the session of `date`, oldest first. Also defined for dates that are no session, as the end of a session
    /// is.
    pub fn session(&self, date: Date) -> impl Iterator<Item = Span> + use<> {
        let length = self.interval.length_ms();
        let parts = self.parts(date).into_iter().flatten();
        parts.flat_map(move |part| spans(part, length))
    }

    /// Bars of the session of `date`.
    pub fn count(&self, date: Date) -> usize {
        self.ended_by(date, i64::MAX)
    }

    /// The bar that a moment lies in: its start does, its end does not. `None` outside of the hours of the day. Whether the
    /// day is a session is not looked at.
    pub fn bar_at(&self, moment: i64) -> Option<Span> {
        // An end belongs to the session before it, and a moment to the one after.
        let date = self.calendar.session_date(moment.saturating_add(1));
        let holds = |part: &Part| part.start <= moment && moment < part.end;
        let part = self.parts(date).into_iter().flatten().find(holds)?;
        Some(match self.interval.length_ms() {
            Some(length) => {
                let start = moment - (moment - part.start) % length;
                let end = (start + length).min(part.end);
                Span { start, end }
            }
            None => part,
        })
    }

    /// The bar that ends at `time`, when one does. Whether the day is a session is not looked at.
    pub fn ending(&self, time: i64) -> Option<Span> {
        self.bar_at(time.saturating_sub(1))
            .filter(|span| span.end == time)
    }

    /// End of the newest bar of the session of `date` that has ended by `time`; `None` while none has. Whether the day is a
    /// session is not looked at.
    pub fn newest_ended(&self, date: Date, time: i64) -> Option<i64> {
        let before = self.ended_by(date, time).checked_sub(1)?;
        self.end_of(date, before)
    }

    /// Number of bars that ended after `from` and until `to`, milliseconds since the Unix epoch, UTC.
    pub fn ended(&self, from: i64, to: i64) -> usize {
        if self.interval == Interval::Session {
            return self.calendar.sessions_ended(from, to);
        }
        if to <= from {
            return 0;
        }
        let (first, last) = (
            self.calendar.session_date(from),
            self.calendar.session_date(to),
        );
        let sessions = self.calendar.sessions(first, last);
        let ended = |date| self.ended_by(date, to) - self.ended_by(date, from);
        sessions.map(ended).sum()
    }

    /// End of the bar `count` bars after `time`; `time` itself for 0.
    pub fn after(&self, time: i64, count: usize) -> i64 {
        if count == 0 {
            return time;
        }
        let mut date = self.calendar.session_date(time);
        let mut left = count;
        loop {
            let ended = self.ended_by(date, time);
            let here = match self.calendar.is_session(date) {
                true => self.count(date) - ended,
                false => 0,
            };
            if here >= left || date == Date::MAX {
                return self.end_of(date, ended + left - 1).unwrap_or(time);
            }
            left -= here;
            date = self.calendar.next_session(date);
        }
    }

    /// End of the bar of the session of `date` before which there are `place` others.
    fn end_of(&self, date: Date, place: usize) -> Option<i64> {
        let mut left = i64::try_from(place).ok()?;
        for part in self.parts(date).into_iter().flatten() {
            let bars = self.bars_in(part.end - part.start);
            if left < bars {
                let length = self.interval.length_ms();
                let end = length.map(|length| part.start + (left + 1) * length);
                return Some(end.map_or(part.end, |end| end.min(part.end)));
            }
            left -= bars;
        }
        None
    }

    /// Bars of the session of `date` that ended until `time`.
    fn ended_by(&self, date: Date, time: i64) -> usize {
        let ended = |part: Part| match self.interval.length_ms() {
            _ if time >= part.end => self.bars_in(part.end - part.start),
            Some(length) => (time.saturating_sub(part.start) / length).max(0),
            None => 0,
        };
        let all: i64 = self.parts(date).into_iter().flatten().map(ended).sum();
        usize::try_from(all).unwrap_or_default()
    }

    /// What a session of `date` is made of: one part, or two around its break. A session that is one bar is one part.
    fn parts(&self, date: Date) -> [Option<Part>; 2] {
        let (start, end) = (
            self.calendar.session_open(date),
            self.calendar.session_end(date),
        );
        let pause = self.calendar.session_break(date);
        match pause.filter(|_| self.interval.is_intraday()) {
            Some((paused, resumed)) => [
                Some(Part { start, end: paused }),
                Some(Part {
                    start: resumed,
                    end,
                }),
            ],
            None => [Some(Part { start, end }), None],
        }
    }

    /// Bars in a part of so many milliseconds, the last one cut short.
    fn bars_in(&self, length: i64) -> i64 {
        match self.interval.length_ms() {
            Some(bar) => length.max(0) / bar + i64::from(length % bar > 0),
            None => i64::from(length > 0),
        }
    }
}

/// Bars of a part of a session, all of it for no length.
fn spans(part: Part, length: Option<i64>) -> impl Iterator<Item = Span> {
    let length = length.unwrap_or(i64::MAX);
    let bar = move |start: i64| Span {
        start,
        end: start.saturating_add(length).min(part.end),
    };
    let first = (part.start < part.end).then(|| bar(part.start));
    std::iter::successors(first, move |last| {
        (last.end < part.end).then(|| bar(last.end))
    })
}

#[cfg(test)]
mod tests;
