//! Holidays, half days and clock of the New York Stock Exchange since 1960, as rules and a list of
//! unscheduled closures. Called by `TradingCalendar` alone.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use super::TradingCalendar;

/// Compiled in, so that no pod needs a time zone database.
static NEW_YORK: TimeZone = jiff::tz::get!("America/New_York");

/// Unscheduled closures since 1960: (year, month, day).
const SPECIAL: &[(i16, i8, i8)] = &[
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

/// A full hour on the exchange's clock.
pub(super) fn new_york(date: Date, hour: i8) -> Result<Zoned, jiff::Error> {
    date.at(hour, 0, 0, 0).to_zoned(NEW_YORK.clone())
}

/// The date on the exchange's clock.
pub(super) fn date_at(at: Timestamp) -> Date {
    NEW_YORK.to_datetime(at).date()
}

pub(super) fn holiday(date: Date) -> bool {
    let ymd = (date.year(), date.month(), date.day());
    if SPECIAL.contains(&ymd) {
        return true;
    }
    let year = date.year();
    let fixed = [(1, 1, true), (7, 4, false), (12, 25, false)];
    fixed
        .iter()
        .any(|&(month, dom, new_year)| observed(year, month, dom, new_year) == Some(date))
        || floating_holidays(year).contains(&Some(date))
        || (year >= 2022 && observed(year, 6, 19, false) == Some(date))
        || (year < 1971 && observed(year, 2, 22, false) == Some(date))
        // In 1970 Memorial Day fell on a Saturday and was not observed.
        || (year < 1970 && observed(year, 5, 30, false) == Some(date))
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

/// Sessions that end 13:00, since 1993 (earlier early closings varied and count as full days).
pub(super) fn half_day(date: Date) -> bool {
    let (year, weekday) = (date.year(), date.weekday());
    if year < 1993 || !TradingCalendar::Xnys.is_session(date) {
        return false;
    }
    let friday = weekday == Weekday::Friday;
    match (date.month(), date.day()) {
        (12, 24) => true,
        // Christmas on a Thursday; the bridge was a half day in these years only.
        (12, 26) => friday && matches!(year, 1997 | 2003),
        // Before a Thursday holiday the exchange closed early on the Friday after it until 2012,
        // and on the Wednesday before it since 2013.
        (7, 3) => weekday != Weekday::Wednesday || year >= 2013,
        (7, 5) => friday && year < 2013,
        _ => nth(year, 11, Weekday::Thursday, 4).tomorrow().ok() == Some(date),
    }
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
