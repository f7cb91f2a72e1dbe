//! The files of `calendars`: what a line means, and what is wrong with one. No lookups, they are in [`super::exchange`].

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use thiserror::Error;

/// What a calendar file says.
#[derive(Debug)]
pub(super) struct File {
    pub zone: TimeZone,
    /// First date it speaks of.
    pub from: Date,
    /// Last date it speaks of.
    pub through: Date,
    /// By their beginning, the first at `from`.
    pub eras: Vec<Era>,
    /// Days unlike their era: other hours, or none.
    pub exceptions: BTreeMap<Date, Option<Hours>>,
}

/// From `from` on, the usual hours of some weekdays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Era {
    pub from: Date,
    /// From Monday on.
    weekdays: [bool; 7],
    pub hours: Hours,
}

/// Hours on the clock of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    pub open: Time,
    pub close: Time,
    /// Its start and end.
    pub pause: Option<(Time, Time)>,
}

/// What is wrong with a calendar file.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub(super) struct Malformed {
    /// 0 for the whole file.
    line: usize,
    what: &'static str,
}

impl Malformed {
    pub fn as_a_whole(what: &'static str) -> Self {
        Self { line: 0, what }
    }
}

impl Era {
    /// Whether the weekday of `date` usually is a session.
    pub fn is_open(&self, date: Date) -> bool {
        let days = usize::try_from(date.weekday().to_monday_zero_offset());
        days.is_ok_and(|day| self.weekdays[day])
    }
}

impl File {
    /// # Errors
    /// The first line that is wrong, or what is wrong with all of them together.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut found = Draft::default();
        for (line, content) in (1..).zip(text.lines()) {
            let words: Vec<&str> = content.split_whitespace().collect();
            found
                .take(&words)
                .map_err(|what| Malformed { line, what })?;
        }
        found.finish().map_err(Malformed::as_a_whole)
    }

    /// The era that `date` is in; the first one also before it.
    pub fn era(&self, date: Date) -> &Era {
        let begun = self.eras.partition_point(|era| era.from <= date);
        &self.eras[begun.saturating_sub(1)]
    }
}

/// What the lines up to one have said.
#[derive(Default)]
struct Draft {
    zone: Option<TimeZone>,
    from: Option<Date>,
    through: Option<Date>,
    eras: Vec<Era>,
    exceptions: BTreeMap<Date, Option<Hours>>,
}

impl Draft {
    fn take(&mut self, words: &[&str]) -> Result<(), &'static str> {
        match words {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["zone", name] => self.zone = Some(zone(name).ok_or("not a zone of an exchange")?),
            ["from", date] => self.from = Some(read_date(date)?),
            ["through", date] => self.through = Some(read_date(date)?),
            ["hours", from, weekdays, spans @ ..] => self.eras.push(Era {
                from: read_date(from)?,
                weekdays: read_weekdays(weekdays)?,
                hours: read_hours(spans)?,
            }),
            ["closed", year, days @ ..] => self.except(year, days, None)?,
            ["day", year, rest @ ..] => {
                let spans = rest.iter().take_while(|word| word.contains(':')).count();
                let (spans, days) = rest.split_at(spans);
                self.except(year, days, Some(read_hours(spans)?))?;
            }
            _ => return Err("starts with no word that is known, or has too much or too little"),
        }
        Ok(())
    }

    fn except(
        &mut self,
        year: &str,
        days: &[&str],
        hours: Option<Hours>,
    ) -> Result<(), &'static str> {
        if days.is_empty() {
            return Err("names no day");
        }
        for day in days {
            let date = read_date(&format!("{year}-{day}"))?;
            if self.exceptions.insert(date, hours).is_some() {
                return Err("names a day that was named before");
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<File, &'static str> {
        let (Some(zone), Some(from), Some(through)) = (self.zone, self.from, self.through) else {
            return Err("the file lacks `zone`, `from` or `through`");
        };
        if through < from {
            return Err("the file ends before it begins");
        }
        if self.eras.first().is_none_or(|era| era.from != from)
            || !self.eras.is_sorted_by(|a, b| a.from < b.from)
        {
            return Err("`hours` must begin at `from` and be in order");
        }
        if self.exceptions.keys().any(|d| *d < from || *d > through) {
            return Err("a day is outside of `from` and `through`");
        }
        let file = File {
            zone,
            from,
            through,
            eras: self.eras,
            exceptions: self.exceptions,
        };
        // Such a line says nothing, so it was meant to say something else.
        let idle = |(date, hours): (&Date, &Option<Hours>)| {
            let era = file.era(*date);
            *hours == era.is_open(*date).then_some(era.hours)
        };
        if file.exceptions.iter().any(idle) {
            return Err("a day that is named is as its weekday is anyway");
        }
        Ok(file)
    }
}

/// From jiff's own data, compiled in, so that no pod needs a time zone database.
fn zone(name: &str) -> Option<TimeZone> {
    Some(match name {
        "America/New_York" => jiff::tz::get!("America/New_York"),
        "Asia/Hong_Kong" => jiff::tz::get!("Asia/Hong_Kong"),
        "Asia/Tokyo" => jiff::tz::get!("Asia/Tokyo"),
        "Europe/Berlin" => jiff::tz::get!("Europe/Berlin"),
        "Europe/London" => jiff::tz::get!("Europe/London"),
        _ => return None,
    })
}

fn read_date(text: &str) -> Result<Date, &'static str> {
    text.parse().map_err(|_| "has something else for a date")
}

/// `Mon-Fri`.
fn read_weekdays(text: &str) -> Result<[bool; 7], &'static str> {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let place = |name| NAMES.iter().position(|known| *known == name);
    let (first, last) = text.split_once('-').ok_or("has no weekdays")?;
    let (Some(first), Some(last)) = (place(first), place(last)) else {
        return Err("has an unknown weekday");
    };
    Ok(std::array::from_fn(|day| first <= day && day <= last))
}

/// `09:30-16:00`, or `09:00-11:30 12:30-15:30`.
fn read_hours(spans: &[&str]) -> Result<Hours, &'static str> {
    let hours = match spans {
        [whole] => {
            let (open, close) = read_span(whole)?;
            Hours {
                open,
                close,
                pause: None,
            }
        }
        [morning, afternoon] => {
            let ((open, start), (end, close)) = (read_span(morning)?, read_span(afternoon)?);
            Hours {
                open,
                close,
                pause: Some((start, end)),
            }
        }
        _ => return Err("has no hours, or more than two spans of them"),
    };
    let (start, end) = hours.pause.unwrap_or((hours.close, hours.close));
    if hours.open >= start || start > end || end > hours.close {
        return Err("has hours that are out of order");
    }
    Ok(hours)
}

fn read_span(text: &str) -> Result<(Time, Time), &'static str> {
    let (start, end) = text.split_once('-').ok_or("has something else for hours")?;
    let read = |text: &str| text.parse().map_err(|_| "has something else for a time");
    Ok((read(start)?, read(end)?))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
