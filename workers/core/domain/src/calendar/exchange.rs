//! The calendars of exchanges, ready to be asked once per row of a file: one byte for each day of their range, which
//! says what hours it has in UTC, so that no question within the range needs a time zone.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;

use super::counting::day_after;
use super::file::{File, Hours, Malformed};

/// One exchange, read from its file.
#[derive(Debug)]
pub(super) struct Exchange {
    file: File,
    /// The first day of the range, counted from 1970.
    first: i64,
    /// Of each day of the range the place of its hours in `clocks`, with [`SESSION`] where it is one. Other days have the
    /// hours that they would have.
    days: Vec<u8>,
    clocks: Vec<Clock>,
}

/// Hours in UTC, in milliseconds after the midnight of the date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    open: i64,
    close: i64,
    pause: Option<(i64, i64)>,
}

/// A calendar that cannot be read is none: a test rules it out, and a worker that meets it refuses dates and does not end.
type Known = LazyLock<Option<Exchange>>;

pub(super) static XNYS: Known = LazyLock::new(|| Exchange::read(XNYS_FILE).ok());
pub(super) static XNAS: Known = LazyLock::new(|| Exchange::read(XNAS_FILE).ok());
pub(super) static XLON: Known = LazyLock::new(|| Exchange::read(XLON_FILE).ok());
pub(super) static XETR: Known = LazyLock::new(|| Exchange::read(XETR_FILE).ok());
pub(super) static XTKS: Known = LazyLock::new(|| Exchange::read(XTKS_FILE).ok());
pub(super) static XHKG: Known = LazyLock::new(|| Exchange::read(XHKG_FILE).ok());

const XNYS_FILE: &str = include_str!("../../calendars/XNYS.txt");
const XNAS_FILE: &str = include_str!("../../calendars/XNAS.txt");
const XLON_FILE: &str = include_str!("../../calendars/XLON.txt");
const XETR_FILE: &str = include_str!("../../calendars/XETR.txt");
const XTKS_FILE: &str = include_str!("../../calendars/XTKS.txt");
const XHKG_FILE: &str = include_str!("../../calendars/XHKG.txt");

const SESSION: u8 = 0x80;
const MILLISECONDS_OF_DAY: i64 = 86_400_000;

impl Exchange {
    /// # Errors
    /// The first line that is wrong.
    fn read(text: &str) -> Result<Self, Malformed> {
        let file = File::parse(text)?;
        let (mut days, mut clocks) = (Vec::new(), Vec::new());
        let mut date = file.from;
        while date <= file.through {
            let era = file.era(date);
            let usual = era.is_open(date).then_some(era.hours);
            let hours = file.exceptions.get(&date).copied().unwrap_or(usual);
            let clock = Clock::new(&file.zone, date, hours.unwrap_or(era.hours));
            let place = place_in(&mut clocks, clock).ok_or_else(|| {
                Malformed::as_a_whole("has more hours than a byte can tell from each other")
            })?;
            days.push(place | if hours.is_some() { SESSION } else { 0 });
            date = day_after(date);
        }
        Ok(Self {
            first: day_of(file.from),
            days,
            clocks,
            file,
        })
    }

    /// The first and the last date of its range.
    pub fn range(&self) -> (Date, Date) {
        (self.file.from, self.file.through)
    }

    /// Lengths of the parts of its usual session at the end of its range, in milliseconds.
    pub fn usual_parts(&self) -> [i64; 2] {
        let Hours { open, close, pause } = self.file.era(self.file.through).hours;
        let length = |from: Time, to: Time| {
            i64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
        };
        match pause {
            Some((start, resumed)) => [length(open, start), length(resumed, close)],
            None => [length(open, close), 0],
        }
    }

    /// Where its clock hangs.
    pub fn zone(&self) -> TimeZone {
        self.file.zone.clone()
    }

    /// Outside of its range: whether the weekday usually is one.
    pub fn is_session(&self, date: Date) -> bool {
        match self.day(day_of(date)) {
            Some(day) => day & SESSION != 0,
            None => self.file.era(date).is_open(date),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub fn open(&self, date: Date) -> i64 {
        self.at(date, |clock| clock.open)
    }

    /// Milliseconds since the Unix epoch.
    pub fn close(&self, date: Date) -> i64 {
        self.at(date, |clock| clock.close)
    }

    /// Start and end of the break, milliseconds since the Unix epoch.
    pub fn pause(&self, date: Date) -> Option<(i64, i64)> {
        let midnight = self.at(date, |_| 0);
        let (start, end) = self.at_clock(date).pause?;
        Some((midnight + start, midnight + end))
    }

    /// The date on its clock.
    pub fn date_at(&self, at: Timestamp) -> Date {
        self.file.zone.to_datetime(at).date()
    }

    fn at(&self, date: Date, of: impl Fn(&Clock) -> i64) -> i64 {
        day_of(date) * MILLISECONDS_OF_DAY + of(&self.at_clock(date))
    }

    fn at_clock(&self, date: Date) -> Clock {
        let place = self
            .day(day_of(date))
            .map(|day| usize::from(day & !SESSION));
        match place.and_then(|place| self.clocks.get(place)) {
            Some(clock) => *clock,
            None => Clock::new(&self.file.zone, date, self.file.era(date).hours),
        }
    }

    fn day(&self, day: i64) -> Option<u8> {
        let place = usize::try_from(day - self.first).ok()?;
        self.days.get(place).copied()
    }
}

impl Clock {
    fn new(zone: &TimeZone, date: Date, hours: Hours) -> Self {
        let midnight = day_of(date) * MILLISECONDS_OF_DAY;
        let utc = |time: Time| {
            let instant = date.to_datetime(time).to_zoned(zone.clone());
            instant.map_or(0, |z| z.timestamp().as_millisecond() - midnight)
        };
        Self {
            open: utc(hours.open),
            close: utc(hours.close),
            pause: hours.pause.map(|(start, end)| (utc(start), utc(end))),
        }
    }
}

/// Where it is, or is from now on; `None` when there is no room.
fn place_in(clocks: &mut Vec<Clock>, clock: Clock) -> Option<u8> {
    let known = clocks.iter().position(|known| *known == clock);
    let place = known.unwrap_or_else(|| {
        clocks.push(clock);
        clocks.len() - 1
    });
    u8::try_from(place)
        .ok()
        .filter(|place| place & SESSION == 0)
}

/// Days since 1970.
fn day_of(day: Date) -> i64 {
    day.duration_since(date(1970, 1, 1)).as_hours() / 24
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
