//! The rows of a series as they stand in its JSON, without a copy of any text.

use std::fmt;

use jiff::civil::{Date, DateTime};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::body::{Cell, add};

/// A row: when it is, and the numbers it has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawRow {
    /// When it is; `None` where its name is no time.
    pub(super) at: Option<Stamp>,
    /// Its numbers.
    pub(super) cells: Cells,
}

/// The name of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stamp {
    /// `2026-01-09`
    Day(Date),
    /// `2026-01-09 19:55:00`, on the clock of the exchange
    Moment(DateTime),
}

/// The numbers of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cells {
    /// Open, high, low, close.
    pub(super) prices: [Cell; 4],
    pub(super) volume: Cell,
    pub(super) dividend: Cell,
    pub(super) split: Cell,
}

/// All rows of a series.
pub(super) struct Rows(pub(super) Vec<RawRow>);

struct RowsVisitor;

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowsVisitor)
    }
}

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows by their time")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rows, A::Error> {
        let mut rows = Vec::new();
        while let Some((at, cells)) = map.next_entry_seed(Named(stamp), CellsSeed)? {
            add(&mut rows, RawRow { at, cells })?;
        }
        Ok(Rows(rows))
    }
}

/// A name, turned into something else where it stands.
struct Named<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Named<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Named<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

/// `YYYY-MM-DD`, or with ` HH:MM:SS` behind it; `None` for any other text or a day that does not exist.
fn stamp(text: &str) -> Option<Stamp> {
    let digits = |from: usize, length: usize| {
        let digits = text.as_bytes().get(from..from + length)?;
        digits.iter().try_fold(0_i16, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| i16::from(byte - b'0'))?;
            Some(number * 10 + digit)
        })
    };
    let two = |from| digits(from, 2).and_then(|number| i8::try_from(number).ok());
    let signs = |signs: &[(usize, u8)]| {
        let is = |(at, sign): &(usize, u8)| text.as_bytes().get(*at) == Some(sign);
        signs.iter().all(is)
    };
    if !signs(&[(4, b'-'), (7, b'-')]) {
        return None;
    }
    let date = Date::new(digits(0, 4)?, two(5)?, two(8)?).ok()?;
    match text.len() {
        10 => Some(Stamp::Day(date)),
        19 if signs(&[(10, b' '), (13, b':'), (16, b':')]) => {
            let time = jiff::civil::Time::new(two(11)?, two(14)?, two(17)?, 0).ok()?;
            Some(Stamp::Moment(date.to_datetime(time)))
        }
        _ => None,
    }
}

/// Where a number of a row belongs.
enum Place {
    Price(usize),
    Volume,
    Dividend,
    Split,
    /// Nothing that is read, such as the adjusted close.
    Nowhere,
}

fn place(name: &str) -> Place {
    match name {
        "1. open" => Place::Price(0),
        "2. high" => Place::Price(1),
        "3. low" => Place::Price(2),
        "4. close" => Place::Price(3),
        "5. volume" | "6. volume" => Place::Volume,
        "7. dividend amount" => Place::Dividend,
        "8. split coefficient" => Place::Split,
        _ => Place::Nowhere,
    }
}

struct CellsSeed;

impl<'de> DeserializeSeed<'de> for CellsSeed {
    type Value = Cells;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cells, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for CellsSeed {
    type Value = Cells;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the numbers of a row by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cells, A::Error> {
        let mut cells = Cells::default();
        while let Some(place) = map.next_key_seed(Named(place))? {
            let cell = match place {
                Place::Price(at) => cells.prices.get_mut(at),
                Place::Volume => Some(&mut cells.volume),
                Place::Dividend => Some(&mut cells.dividend),
                Place::Split => Some(&mut cells.split),
                Place::Nowhere => None,
            };
            match cell {
                Some(cell) => *cell = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    #[test]
    fn names_of_rows_are_days_or_moments() {
        let day = date(2026, 1, 9);
        assert_eq!(stamp("2026-01-09"), Some(Stamp::Day(day)));
        let moment = day.at(19, 55, 0, 0);
        assert_eq!(stamp("2026-01-09 19:55:00"), Some(Stamp::Moment(moment)));
        assert_eq!(moment, datetime(2026, 1, 9, 19, 55, 0, 0));
        for text in [
            "",
            "2026-1-9",
            "2026-02-30",
            "2026-01-09 ",
            "2026-01-09T19:55:00",
            "2026-01-09 24:00:00",
            "2026/01/09",
            "None",
            "20260109",
            "2026-01-0\u{e9}",
        ] {
            assert_eq!(stamp(text), None, "{text}");
        }
    }
}
