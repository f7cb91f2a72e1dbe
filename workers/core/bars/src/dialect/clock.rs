//! Times of day and their zones, and instants that are a count since 1970.

use std::ops::Range;

use foresail_domain::TradingCalendar;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// What stands behind a date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    time: Time,
    /// Of the zone that is written; `None` when there is none.
    offset: Option<Offset>,
    /// Whether there is a time at all.
    said: bool,
}

impl Clock {
    /// Nothing, or a time of day with or without a zone: `T00:00:00.000Z`, ` 4:00 PM`, ` 000000`, ` 00:00:00-05:00`.
    /// `None` for what is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::default());
        }
        let text = text.strip_prefix(['T', 't', ',', ':']).unwrap_or(text);
        let (time, rest) = time(text.trim_start())?;
        let (time, rest) = half_day(time, rest.trim_start())?;
        let offset = match rest {
            "" => None,
            zone => Some(offset(zone)?),
        };
        Some(Self {
            time,
            offset,
            said: true,
        })
    }

    /// The moment of a date with this time of day, on the clock of the exchange where no zone is written; `None` without a
    /// time.
    pub(crate) fn moment(self, date: Date, calendar: TradingCalendar) -> Option<Timestamp> {
        if !self.said {
            return None;
        }
        match self.offset {
            Some(offset) => offset.to_timestamp(date.to_datetime(self.time)).ok(),
            None => Timestamp::from_millisecond(calendar.instant(date, self.time)?).ok(),
        }
    }

    /// The session of a date with this time of day: of a midnight, and of a time without a zone, the date that is
    /// written; of another time, the date that the exchange has then.
    pub(crate) fn session(self, date: Date, calendar: TradingCalendar) -> Option<Date> {
        match self.offset {
            Some(offset) if self.time != Time::midnight() => {
                let at = offset.to_timestamp(date.to_datetime(self.time)).ok()?;
                Some(calendar.date_at(at, offset))
            }
            _ => Some(date),
        }
    }
}

/// A time at the beginning of a text, with colons or six or four digits, and what follows.
fn time(text: &str) -> Option<(Time, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let part = |range: Range<usize>| {
        text.get(range)
            .and_then(|part: &str| part.parse::<i8>().ok())
    };
    if matches!(digits, 4 | 6) {
        let second = if digits == 6 { part(4..6)? } else { 0 };
        let time = Time::new(part(0..2)?, part(2..4)?, second, 0).ok()?;
        return Some((time, &text[digits..]));
    }
    if !matches!(digits, 1 | 2) {
        return None;
    }
    let hour = part(0..digits)?;
    let (minute, rest) = behind_colon(&text[digits..])?;
    let (second, rest) = behind_colon(rest).unwrap_or((0, rest));
    let (nanosecond, rest) = fraction(rest);
    let time = Time::new(hour, minute, second, nanosecond).ok()?;
    Some((time, rest))
}

/// Two digits behind a colon, and what follows.
fn behind_colon(text: &str) -> Option<(i8, &str)> {
    let text = text.strip_prefix(':')?;
    let digits = text
        .get(..2)
        .filter(|two| two.bytes().all(|b| b.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &text[2..]))
}

/// A fraction of a second as nanoseconds, and what follows. What is finer is cut off.
fn fraction(text: &str) -> (i32, &str) {
    let Some(behind) = text.strip_prefix(['.', ',']) else {
        return (0, text);
    };
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    let nanoseconds = behind[..digits.min(9)].parse().unwrap_or(0);
    let missing = 9u32.saturating_sub(digits as u32);
    (nanoseconds * 10i32.pow(missing), &behind[digits..])
}

/// The time with what says that it is of the morning or the afternoon.
fn half_day(time: Time, rest: &str) -> Option<(Time, &str)> {
    let word = rest.get(..2).unwrap_or_default();
    let morning = word.eq_ignore_ascii_case("am");
    if !morning && !word.eq_ignore_ascii_case("pm") {
        return Some((time, rest));
    }
    let hour = match (time.hour(), morning) {
        (12, true) => 0,
        (12, false) => 12,
        (hour @ 1..=11, true) => hour,
        (hour @ 1..=11, false) => hour + 12,
        _ => return None,
    };
    let time = time.with().hour(hour).build().ok()?;
    Some((time, rest[2..].trim_start()))
}

/// The offset of a zone: `Z`, `UTC`, `-05:00`, `+0530`, `GMT-0500`, also with the name of the zone behind it.
fn offset(text: &str) -> Option<Offset> {
    let text = text.split(['(', '[']).next().unwrap_or_default().trim();
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "Z" | "UTC" | "GMT" => return Some(Offset::UTC),
        "EST" => return Some(Offset::constant(-5)),
        "EDT" => return Some(Offset::constant(-4)),
        _ => {}
    }
    let signed = upper.trim_start_matches("UTC").trim_start_matches("GMT");
    let sign = match signed.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = signed[1..].chars().filter(|c| *c != ':').collect();
    let fits = matches!(digits.len(), 1 | 2 | 4 | 6) && digits.bytes().all(|b| b.is_ascii_digit());
    if !fits {
        return None;
    }
    let (hours, rest) = digits.split_at(digits.len().min(2));
    let part = |text: Option<&str>| text.map_or(Some(0), |text| text.parse::<i32>().ok());
    let (minutes, seconds) = (part(rest.get(..2))?, part(rest.get(2..4))?);
    let hours: i32 = hours.parse().ok()?;
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60 + seconds)).ok()
}

/// What a number counts since the beginning of 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    pub(crate) const ALL: [Self; 4] = [
        Self::Seconds,
        Self::Milliseconds,
        Self::Microseconds,
        Self::Nanoseconds,
    ];

    /// By the digits of a number of the years 1973 to 2286; `None` for one that says nothing.
    pub(crate) fn of(number: i64) -> Option<Self> {
        match number.unsigned_abs() {
            100_000_000..10_000_000_000 => Some(Self::Seconds),
            100_000_000_000..10_000_000_000_000 => Some(Self::Milliseconds),
            100_000_000_000_000..10_000_000_000_000_000 => Some(Self::Microseconds),
            100_000_000_000_000_000.. => Some(Self::Nanoseconds),
            _ => None,
        }
    }

    /// When that many have gone by; `None` for a number that counts something else.
    pub(crate) fn instant(self, number: i64) -> Option<Timestamp> {
        if Self::of(number).is_some_and(|unit| unit != self) {
            return None;
        }
        let instant = match self {
            Self::Seconds => Timestamp::from_second(number),
            Self::Milliseconds => Timestamp::from_millisecond(number),
            Self::Microseconds => Timestamp::from_microsecond(number),
            Self::Nanoseconds => Timestamp::from_nanosecond(i128::from(number)),
        };
        instant.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_zones_are_read_whole_or_not_at_all() {
        let at = |hour, minute, second| Time::constant(hour, minute, second, 0);
        let hours = |hours| Some(Offset::constant(hours));
        for (text, time, offset) in [
            ("", at(0, 0, 0), None),
            ("T00:00", at(0, 0, 0), None),
            (" 00:00:00-05:00", at(0, 0, 0), hours(-5)),
            ("T05:00:00Z", at(5, 0, 0), hours(0)),
            ("T05:00:00.000000000+00:00", at(5, 0, 0), hours(0)),
            (" 16:00", at(16, 0, 0), None),
            (" 160000", at(16, 0, 0), None),
            (" 4:00 PM", at(16, 0, 0), None),
            (", 12:30:15 am", at(0, 30, 15), None),
            (
                " 00:00:00 GMT-0500 (Eastern Standard Time)",
                at(0, 0, 0),
                hours(-5),
            ),
            (" 09:30:00-05:00[America/New_York]", at(9, 30, 0), hours(-5)),
            (" 16:00 EST", at(16, 0, 0), hours(-5)),
            (" 16:00 UTC+9", at(16, 0, 0), hours(9)),
        ] {
            let clock = Clock::parse(text);
            let said = !text.is_empty();
            let expected = Clock { time, offset, said };
            assert_eq!(clock, Some(expected), "{text}");
        }
        for text in [
            "x",
            " 25:00",
            " 16",
            " 16:0",
            " 13:00 pm",
            " 16:00 XYZ",
            "T",
            " 16:00 +",
            " 16:00-5:000",
            " as of 12/14/2020",
            "-05:00",
        ] {
            assert_eq!(Clock::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_of_the_unit_of_its_digits() {
        let midnight = "2020-12-15T00:00:00Z".parse().unwrap();
        for (unit, number) in [
            (Unit::Seconds, 1_607_990_400),
            (Unit::Milliseconds, 1_607_990_400_000),
            (Unit::Microseconds, 1_607_990_400_000_000),
            (Unit::Nanoseconds, 1_607_990_400_000_000_000),
        ] {
            assert_eq!(Unit::of(number), Some(unit));
            assert_eq!(unit.instant(number), Some(midnight));
        }
        assert_eq!(Unit::of(20_201_215), None);
        assert_eq!(Unit::Seconds.instant(1_607_990_400_000), None);
        let earlier = Unit::Seconds.instant(86_400).unwrap();
        assert_eq!(earlier.to_string(), "1970-01-02T00:00:00Z");
    }
}
