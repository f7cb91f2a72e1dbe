//! Dates as people and programs write them: what the dates of a file say together, and one date in that form. What can be
//! read in two ways is read in none.

use std::ops::Range;

use foresail_crds::pipeline::spec::{DateOrder, Stamp};
use foresail_domain::TradingCalendar;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::clock::{Clock, Unit};
use super::words;
use crate::row::shown;
use crate::stamp;

/// The orders of a date that is three numbers.
const ORDERS: [DateOrder; 3] = [
    DateOrder::MonthDayYear,
    DateOrder::DayMonthYear,
    DateOrder::YearMonthDay,
];
/// Counts since 1970 for each date of the calendar before the numbers of a file are taken for counts.
const MAJORITY: u64 = 20;
/// Two digits are a year of the century from here on.
const FIRST_YEAR: i16 = 1970;

/// A date as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// One reading: `2020-12-15`, `20201215`, `Dec 15, 2020`.
    Certain(Date),
    /// Three numbers, with what they are in each of [`ORDERS`]: `12/15/2020`, `15.12.20`.
    Numbers([Option<Date>; 3]),
    /// Digits alone: a count since 1970, and the date that they are as well (`20201215`, `202012151600`).
    Number(i64, Option<Date>),
}

/// How the dates of a file are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// Of three numbers; `None` when no date needs it.
    pub order: Option<DateOrder>,
    /// What numbers count since 1970; `None` when they are dates.
    pub unit: Option<Unit>,
    pub calendar: TradingCalendar,
    /// Which moment of a bar a row names; `None` where it names a session.
    pub stamp: Option<Stamp>,
}

/// What the dates of a file say about their form.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// The first date that each order cannot read, and another can.
    misses: [Option<String>; 3],
    /// The first date that two orders read differently: the first and the second, the first and the third, the second
    /// and the third.
    either: [Option<String>; 3],
    any: bool,
    /// Numbers that count each unit, and dates of the calendar.
    counts: [u64; Unit::ALL.len()],
    dates: u64,
}

const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

impl Hints {
    /// Takes note of a date.
    pub(crate) fn add(&mut self, text: &str) {
        let readings = match written(text) {
            Some((Written::Numbers(readings), _)) => readings,
            Some((Written::Number(number, None), _)) => {
                let of = Unit::of(number);
                let unit = Unit::ALL.iter().position(|unit| Some(*unit) == of);
                if let Some(count) = unit.and_then(|unit| self.counts.get_mut(unit)) {
                    *count += 1;
                }
                return;
            }
            Some(_) => {
                self.dates += 1;
                return;
            }
            None => return,
        };
        if readings.iter().all(Option::is_none) {
            return;
        }
        self.any = true;
        for (reading, missed) in readings.iter().zip(&mut self.misses) {
            if reading.is_none() {
                missed.get_or_insert_with(|| text.to_owned());
            }
        }
        for ((one, other), either) in PAIRS.iter().zip(&mut self.either) {
            let both = readings[*one].zip(readings[*other]);
            if both.is_some_and(|(one, other)| one != other) {
                either.get_or_insert_with(|| text.to_owned());
            }
        }
    }

    /// What numbers count since 1970; `None` when they are dates, or nothing alone.
    pub(crate) fn unit(&self) -> Option<Unit> {
        let all: u64 = self.counts.iter().sum::<u64>() + self.dates;
        let dominates = |count: u64| count > 0 && (all - count).saturating_mul(MAJORITY) <= count;
        let unit = self.counts.iter().position(|count| dominates(*count))?;
        Unit::ALL.get(unit).copied()
    }

    /// The order of the file; `None` when no date needs one.
    ///
    /// # Errors
    /// Two readings of what is there.
    pub(crate) fn order(&self) -> Result<Option<DateOrder>, String> {
        if !self.any {
            return Ok(None);
        }
        let possible = |order: usize| self.misses[order].is_none();
        if !(0..ORDERS.len()).any(possible) {
            return Err(self.conflict());
        }
        for ((one, other), either) in PAIRS.iter().zip(&self.either) {
            if let Some(text) = either
                && possible(*one)
                && possible(*other)
            {
                let read = |order: usize| in_order(text, ORDERS[order]).unwrap_or_default();
                return Err(format!(
                    "`{}` may be {} or {}",
                    shown(text),
                    read(*one),
                    read(*other)
                ));
            }
        }
        let several = (0..ORDERS.len()).filter(|order| possible(*order)).count() > 1;
        let only = (0..ORDERS.len()).find(|order| possible(*order));
        Ok(only.filter(|_| !several).map(|order| ORDERS[order]))
    }

    /// No order reads all of them: two that no order reads together.
    fn conflict(&self) -> String {
        let first = |text: &str| {
            let order = ORDERS
                .iter()
                .find(|order| in_order(text, **order).is_some());
            match order {
                Some(DateOrder::MonthDayYear) => "the month first",
                Some(DateOrder::DayMonthYear) => "the day first",
                _ => "the year first",
            }
        };
        let texts: Vec<&String> = self.misses.iter().flatten().collect();
        let said = PAIRS.iter().find_map(|(one, other)| {
            let (one, other) = (texts.get(*one)?, texts.get(*other)?);
            let (this, that) = (first(one), first(other));
            let (one, other) = (shown(one), shown(other));
            (this != that).then(|| format!("`{other}` has {that}, `{one}` {this}"))
        });
        said.unwrap_or_else(|| "no order of day, month and year reads all of them".into())
    }
}

fn in_order(text: &str, order: DateOrder) -> Option<String> {
    let form = Form {
        order: Some(order),
        ..Form::default()
    };
    normal(text, &form)
}

/// The session of a date as `YYYY-MM-DD`; `None` when it is none in this form. A midnight is of its own date, whatever its
/// zone; another time with a zone is of the date that the exchange has then. Of rows that are parts of sessions it is their
/// moment, and what has no time is none.
pub(crate) fn normal(text: &str, form: &Form) -> Option<String> {
    let (date, clock) = match written(text)? {
        (Written::Certain(date), clock) => (date, clock),
        (Written::Number(number, date), clock) => match form.unit {
            Some(unit) => {
                let at = unit.instant(number)?;
                if let Some(stamp) = form.stamp {
                    return stamp::normal(at, stamp);
                }
                let midnight = Offset::UTC.to_datetime(at);
                let date = midnight.date();
                let is_midnight = midnight.time() == jiff::civil::Time::midnight();
                let of_exchange = || form.calendar.date_at(at, Offset::UTC);
                return Some(if is_midnight { date } else { of_exchange() }.to_string());
            }
            None => (date?, clock),
        },
        (Written::Numbers(readings), clock) => {
            let mut several = readings.iter().flatten();
            let date = match form.order {
                Some(order) => {
                    let at = ORDERS.iter().position(|one| *one == order)?;
                    readings[at]?
                }
                None => *several
                    .next()
                    .filter(|one| several.all(|other| other == *one))?,
            };
            (date, clock)
        }
    };
    match form.stamp {
        Some(stamp) => stamp::normal(clock.moment(date, form.calendar)?, stamp),
        None => Some(clock.session(date, form.calendar)?.to_string()),
    }
}

/// The date at the beginning of a text, and the time of day behind it.
fn written(text: &str) -> Option<(Written, Clock)> {
    let text = text.trim();
    if let Some(date) = iso(text) {
        return Some((Written::Certain(date), Clock::default()));
    }
    let text = words::without_weekday(text);
    if let Some(found) = compact(text) {
        return Some(found);
    }
    let mut rest = text;
    let (first, second, third) = (
        words::next(&mut rest)?,
        words::next(&mut rest)?,
        words::next(&mut rest)?,
    );
    let clock = Clock::parse(rest)?;
    let certain = |year, month, day| {
        let date = Date::new(year, month, day).ok()?;
        Some((Written::Certain(date), clock))
    };
    if let Some(month) = words::month(first) {
        return certain(year(third)?, month, day(second)?);
    }
    if let Some(month) = words::month(second) {
        return match first.len() {
            4 => certain(year(first)?, month, day(third)?),
            // Nobody writes two digits of a year before the name of a month.
            _ => certain(year(third)?, month, day(first)?),
        };
    }
    if first.len() == 4 {
        return certain(year(first)?, day(second)?, day(third)?);
    }
    let read = |year_of: &str, month_of: &str, day_of: &str| {
        Date::new(year(year_of)?, day(month_of)?, day(day_of)?).ok()
    };
    let year_first = (first.len() == 2 && third.len() <= 2).then(|| read(first, second, third));
    let readings = [
        read(third, first, second),
        read(third, second, first),
        year_first.flatten(),
    ];
    let plain = [first, second, third]
        .iter()
        .all(|part| number(part).is_some());
    plain.then_some((Written::Numbers(readings), clock))
}

/// Digits alone: `20201215` with or without a time of day, or a count since 1970.
fn compact(text: &str) -> Option<(Written, Clock)> {
    // Some programs count in floating point.
    let zeros = |fraction: &str| !fraction.is_empty() && fraction.bytes().all(|b| b == b'0');
    let text = match text.split_once('.') {
        Some((whole, fraction)) if zeros(fraction) => whole,
        _ => text,
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let part = |range: Range<usize>| {
        text.get(range)
            .and_then(|part: &str| part.parse::<i16>().ok())
    };
    let date = || Date::new(part(0..4)?, part(4..6)? as i8, part(6..8)? as i8).ok();
    let dated = || date().zip(text.get(8..).and_then(Clock::parse));
    match (digits, text.parse().ok()) {
        (14, Some(_)) | (8, None) => dated().map(|(date, clock)| (Written::Certain(date), clock)),
        (8 | 12, Some(number)) => {
            let dated = dated().filter(|(date, _)| (1800..2200).contains(&date.year()));
            let clock = dated.map(|(_, clock)| clock).unwrap_or_default();
            Some((Written::Number(number, dated.map(|(date, _)| date)), clock))
        }
        (_, Some(number)) => Some((Written::Number(number, None), Clock::default())),
        (_, None) => None,
    }
}

/// `2020-12-15`, which most files have.
pub(crate) fn iso(text: &str) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else {
        return None;
    };
    let number = |digits: &[u8]| {
        let digit = |d: &u8| d.is_ascii_digit().then(|| i16::from(d - b'0'));
        digits
            .iter()
            .try_fold(0i16, |n, d| Some(n * 10 + digit(d)?))
    };
    let month = i8::try_from(number(&[m1, m2])?).ok()?;
    let day = i8::try_from(number(&[d1, d2])?).ok()?;
    Date::new(number(&[y1, y2, y3, y4])?, month, day).ok()
}

/// Whether a text is such a date and nothing else: it is left as it stands.
pub(crate) fn is_normal(text: &str) -> bool {
    iso(text).is_some()
}

fn number(text: &str) -> Option<i16> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Four digits, or the last two of the hundred years from [`FIRST_YEAR`] on.
fn year(text: &str) -> Option<i16> {
    let year = number(text)?;
    match text.len() {
        4 => Some(year),
        2 => Some(FIRST_YEAR + (year - FIRST_YEAR).rem_euclid(100)),
        _ => None,
    }
}

/// A day or a month.
fn day(text: &str) -> Option<i8> {
    let day = number(text).filter(|_| text.len() <= 2)?;
    i8::try_from(day).ok()
}

#[cfg(test)]
#[path = "dates_tests.rs"]
mod tests;
