//! Trading calendars: which dates are sessions and when a session ends.
//!
//! XNYS follows the exchange's published holiday rules since 1960 with its special closures;
//! half days end 13:00. Times are New York time with the United States' daylight saving rules.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

/// A calendar of trading sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TradingCalendar {
    /// New York Stock Exchange.
    Xnys,
    /// Monday to Friday, sessions end 21:00 UTC.
    Weekdays,
    /// Every day, sessions end at the following midnight UTC.
    AlwaysOpen,
}

/// Unscheduled closures since 1960: (year, month, day).
const XNYS_SPECIAL: &[(i16, i8, i8)] = &[
    (1961, 5, 29),
    (1963, 11, 25),
    (1968, 2, 12),
    (1968, 4, 9),
    (1968, 6, 12),
    (1968, 6, 19),
    (1968, 6, 26),
    (1968, 7, 5),
    (1968, 7, 10),
    (1968, 7, 17),
    (1968, 7, 24),
    (1968, 7, 31),
    (1968, 8, 7),
    (1968, 8, 14),
    (1968, 8, 21),
    (1968, 8, 28),
    (1968, 9, 11),
    (1968, 9, 18),
    (1968, 9, 25),
    (1968, 10, 2),
    (1968, 10, 9),
    (1968, 10, 16),
    (1968, 10, 23),
    (1968, 10, 30),
    (1968, 11, 11),
    (1968, 11, 20),
    (1968, 12, 4),
    (1968, 12, 11),
    (1968, 12, 18),
    (1968, 12, 25),
    (1969, 2, 10),
    (1969, 3, 31),
    (1969, 7, 21),
    (1972, 12, 28),
    (1973, 1, 25),
    (1977, 7, 14),
    (1985, 9, 27),
    (1994, 4, 27),
    (2001, 9, 11),
    (2001, 9, 12),
    (2001, 9, 13),
    (2001, 9, 14),
    (2004, 6, 11),
    (2007, 1, 2),
    (2012, 10, 29),
    (2012, 10, 30),
    (2018, 12, 5),
    (2025, 1, 9),
];

impl TradingCalendar {
    /// True when `date` is a session.
    pub fn is_session(self, date: Date) -> bool {
        match self {
            Self::AlwaysOpen => true,
            Self::Weekdays => is_weekday(date),
            Self::Xnys => is_weekday(date) && !xnys_holiday(date),
        }
    }

    /// End of the session of `date`, milliseconds since the Unix epoch, UTC. Also defined for
    /// dates that are no session (16:00 New York time), so that every bar has an event time.
    pub fn session_end(self, date: Date) -> i64 {
        let zoned = match self {
            Self::AlwaysOpen => next_day(date).at(0, 0, 0, 0).to_zoned(TimeZone::UTC),
            Self::Weekdays => date.at(21, 0, 0, 0).to_zoned(TimeZone::UTC),
            Self::Xnys => {
                let hour = if xnys_half_day(date) { 13 } else { 16 };
                return new_york_to_utc(date, hour);
            }
        };
        zoned.map_or(0, |z| z.timestamp().as_millisecond())
    }

    /// The date whose session ends at `event_time`: the inverse of [`Self::session_end`].
    pub fn session_date(self, event_time: i64) -> Date {
        let at = jiff::Timestamp::from_millisecond(event_time).unwrap_or_default();
        let at = match self {
            // The session of a day ends at the next midnight.
            Self::AlwaysOpen => at.checked_sub(Span::new().milliseconds(1)).unwrap_or(at),
            _ => at,
        };
        at.to_zoned(TimeZone::UTC).date()
    }

    /// The first session after `date`.
    pub fn next_session(self, date: Date) -> Date {
        let mut next = next_day(date);
        while !self.is_session(next) && next < Date::MAX {
            next = next_day(next);
        }
        next
    }

    /// Sessions from `from` to `to`, both included.
    pub fn sessions(self, from: Date, to: Date) -> impl Iterator<Item = Date> {
        std::iter::successors(Some(from), |d| Some(next_day(*d)))
            .take_while(move |d| *d <= to)
            .filter(move |d| self.is_session(*d))
    }

    /// Number of sessions after `from` up to and including `to`.
    pub fn sessions_between(self, from: Date, to: Date) -> usize {
        if from >= to {
            0
        } else {
            self.sessions(next_day(from), to).count()
        }
    }

    /// Sessions in an average year, for annual rates.
    pub fn sessions_per_year(self) -> f64 {
        match self {
            Self::Xnys => 252.0,
            Self::Weekdays => 261.0,
            Self::AlwaysOpen => 365.25,
        }
    }
}

fn next_day(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// New York wall clock to UTC milliseconds, by the United States' daylight saving rules
/// (Energy Policy Act of 2005 and its predecessors since 1967).
fn new_york_to_utc(date: Date, hour: i8) -> i64 {
    let offset = if daylight_saving(date) { 4 } else { 5 };
    let utc = date
        .at(hour, 0, 0, 0)
        .checked_add(i64::from(offset).hours());
    utc.and_then(|t| t.to_zoned(TimeZone::UTC))
        .map_or(0, |z| z.timestamp().as_millisecond())
}

fn daylight_saving(date: Date) -> bool {
    let year = date.year();
    let (start, end) = match year {
        2007.. => (
            nth(year, 3, Weekday::Sunday, 2),
            nth(year, 11, Weekday::Sunday, 1),
        ),
        1987..=2006 => (
            nth(year, 4, Weekday::Sunday, 1),
            last(year, 10, Weekday::Sunday),
        ),
        // The oil crisis moved the start of two years.
        1974 => (day(year, 1, 6), last(year, 10, Weekday::Sunday)),
        1975 => (day(year, 2, 23), last(year, 10, Weekday::Sunday)),
        _ => (
            last(year, 4, Weekday::Sunday),
            last(year, 10, Weekday::Sunday),
        ),
    };
    start <= date && date < end
}

fn xnys_holiday(date: Date) -> bool {
    let ymd = (date.year(), date.month(), date.day());
    if XNYS_SPECIAL.contains(&ymd) {
        return true;
    }
    let year = date.year();
    let fixed = [(1, 1, true), (7, 4, false), (12, 25, false)];
    fixed
        .iter()
        .any(|&(month, dom, new_year)| observed(year, month, dom, new_year) == Some(date))
        || floating_holidays(year).contains(&Some(date))
        || (year >= 2022 && observed(year, 6, 19, false) == Some(date))
        || (year < 1971
            && [(2, 22), (5, 30)]
                .iter()
                .any(|&(m, d)| observed(year, m, d, false) == Some(date)))
        || (year <= 1980 && election_day(year) == Some(date))
}

/// Saturday holidays are observed on Friday and Sunday ones on Monday; a Saturday New Year's Day
/// is not observed at all, since Friday closes the year.
fn observed(year: i16, month: i8, dom: i8, new_year: bool) -> Option<Date> {
    let date = day(year, month, dom);
    match date.weekday() {
        Weekday::Saturday if new_year => None,
        Weekday::Saturday => date.yesterday().ok(),
        Weekday::Sunday => date.tomorrow().ok(),
        _ => Some(date),
    }
}

fn floating_holidays(year: i16) -> [Option<Date>; 6] {
    let monday_holidays = year >= 1971;
    [
        (year >= 1998).then(|| nth(year, 1, Weekday::Monday, 3)),
        monday_holidays.then(|| nth(year, 2, Weekday::Monday, 3)),
        easter(year).checked_sub(2.days()).ok(),
        monday_holidays.then(|| last(year, 5, Weekday::Monday)),
        Some(nth(year, 9, Weekday::Monday, 1)),
        Some(nth(year, 11, Weekday::Thursday, 4)),
    ]
}

/// The exchange closed on election days: every year to 1968, presidential ones to 1980.
fn election_day(year: i16) -> Option<Date> {
    (year < 1969 || year % 4 == 0)
        .then(|| nth(year, 11, Weekday::Monday, 1).tomorrow().ok())
        .flatten()
}

/// Half days since 1993: the day after Thanksgiving, Christmas Eve, and the day before
/// Independence Day, when those are sessions.
fn xnys_half_day(date: Date) -> bool {
    let year = date.year();
    if year < 1993 || !TradingCalendar::Xnys.is_session(date) {
        return false;
    }
    let after_thanksgiving = nth(year, 11, Weekday::Thursday, 4).tomorrow().ok() == Some(date);
    let christmas_eve = (date.month(), date.day()) == (12, 24);
    let third_of_july =
        (date.month(), date.day()) == (7, 3) && (year != 2002 || date.weekday() != Weekday::Friday);
    after_thanksgiving || christmas_eve || third_of_july
}

/// Easter Sunday, Gregorian (anonymous algorithm, Meeus 1991).
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (b - (b + 8) / 25 + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    day(
        year,
        i8::try_from(n / 31).unwrap_or(4),
        i8::try_from(n % 31 + 1).unwrap_or(1),
    )
}

fn day(year: i16, month: i8, dom: i8) -> Date {
    Date::new(year, month, dom).unwrap_or(Date::MIN)
}

fn nth(year: i16, month: i8, weekday: Weekday, n: i8) -> Date {
    day(year, month, 1)
        .nth_weekday_of_month(n, weekday)
        .unwrap_or(Date::MIN)
}

fn last(year: i16, month: i8, weekday: Weekday) -> Date {
    day(year, month, 1)
        .nth_weekday_of_month(-1, weekday)
        .unwrap_or(Date::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn known_closures_and_sessions() {
        let closed = [
            "2000-01-17",
            "2000-04-21",
            "2001-09-11",
            "2001-09-14",
            "2004-06-11",
            "2007-01-02",
            "2008-03-21",
            "2010-07-05",
            "2012-10-30",
            "2021-12-24",
            "2022-06-20",
            "2024-03-29",
            "2025-01-09",
            "2026-07-03",
            "1980-11-04",
            "2023-01-02",
        ];
        let open = [
            "2001-09-17",
            "2000-01-03",
            "2010-12-31",
            "2021-12-31",
            "2021-06-18",
            "2011-01-18",
            "1984-11-06",
        ];
        for date in closed {
            assert!(
                !TradingCalendar::Xnys.is_session(d(date)),
                "{date} must be closed"
            );
        }
        for date in open {
            assert!(
                TradingCalendar::Xnys.is_session(d(date)),
                "{date} must be open"
            );
        }
    }

    #[test]
    fn session_counts_of_known_years() {
        // Published numbers of NYSE trading days.
        for (year, expected) in [
            (2000, 252),
            (2001, 248),
            (2002, 252),
            (2007, 251),
            (2008, 253),
            (2009, 252),
            (2012, 250),
            (2020, 253),
            (2023, 250),
            (2024, 252),
        ] {
            let count = TradingCalendar::Xnys
                .sessions(d(&format!("{year}-01-01")), d(&format!("{year}-12-31")))
                .count();
            assert_eq!(count, expected, "{year}");
        }
    }

    #[test]
    fn session_ends_follow_daylight_saving_and_half_days() {
        let at = |date| {
            jiff::Timestamp::from_millisecond(TradingCalendar::Xnys.session_end(d(date)))
                .unwrap()
                .to_string()
        };
        assert_eq!(at("2008-01-15"), "2008-01-15T21:00:00Z");
        assert_eq!(at("2008-07-15"), "2008-07-15T20:00:00Z");
        assert_eq!(at("2008-11-28"), "2008-11-28T18:00:00Z");
        assert_eq!(at("2006-03-20"), "2006-03-20T21:00:00Z");
        assert_eq!(at("2007-03-20"), "2007-03-20T20:00:00Z");
    }

    #[test]
    fn dates_and_event_times_are_inverse() {
        for calendar in [
            TradingCalendar::Xnys,
            TradingCalendar::Weekdays,
            TradingCalendar::AlwaysOpen,
        ] {
            for date in calendar.sessions(d("2007-01-01"), d("2007-12-31")) {
                assert_eq!(calendar.session_date(calendar.session_end(date)), date);
            }
        }
    }

    #[test]
    fn counting_between_dates() {
        let c = TradingCalendar::Xnys;
        assert_eq!(c.sessions_between(d("2008-12-24"), d("2008-12-26")), 1);
        assert_eq!(c.sessions_between(d("2008-12-26"), d("2008-12-26")), 0);
        assert_eq!(c.next_session(d("2008-12-24")), d("2008-12-26"));
    }
}
