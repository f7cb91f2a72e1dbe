//! Dates as people print them. A form that can be read in two ways is read in none.

use foresail_crds::pipeline::spec::DateOrder;
use jiff::civil::Date;

/// A date as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// One reading: `2020-12-15`, `20201215`, `Dec 15, 2020`.
    Certain(Date),
    /// `12/15/2020` or `15/12/2020`: two numbers and the year.
    Numbers(i8, i8, i16),
}

/// What the dates of a file say about the order of day and month.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    month_first: Option<String>,
    day_first: Option<String>,
    either: Option<String>,
}

impl Hints {
    /// Takes note of a date.
    pub(crate) fn add(&mut self, text: &str) {
        let Some(Written::Numbers(first, second, _)) = written(text) else {
            return;
        };
        let seen = match (first > 12, second > 12) {
            (true, false) => &mut self.day_first,
            (false, true) => &mut self.month_first,
            // The fifth of May is the same in both.
            (false, false) if first != second => &mut self.either,
            _ => return,
        };
        seen.get_or_insert_with(|| text.to_owned());
    }

    /// The order of the file; `None` when no date needs one.
    ///
    /// # Errors
    /// Two readings of what is there.
    pub(crate) fn order(&self) -> Result<Option<DateOrder>, String> {
        match (&self.month_first, &self.day_first, &self.either) {
            (None, None, None) => Ok(None),
            (Some(_), None, _) => Ok(Some(DateOrder::MonthDayYear)),
            (None, Some(_), _) => Ok(Some(DateOrder::DayMonthYear)),
            (Some(one), Some(other), _) => {
                Err(format!("`{one}` has the month first, `{other}` the day"))
            }
            (None, None, Some(text)) => {
                let read = |order| normal(text, Some(order)).unwrap_or_default();
                let readings = (read(DateOrder::MonthDayYear), read(DateOrder::DayMonthYear));
                Err(format!("`{text}` may be {} or {}", readings.0, readings.1))
            }
        }
    }
}

/// The date as `YYYY-MM-DD`; `None` when it is none in this order.
pub(crate) fn normal(text: &str, order: Option<DateOrder>) -> Option<String> {
    let date = match written(text)? {
        Written::Certain(date) => date,
        Written::Numbers(first, second, year) => {
            let (month, day) = match order {
                Some(DateOrder::DayMonthYear) => (second, first),
                Some(DateOrder::MonthDayYear) => (first, second),
                None if first == second => (first, second),
                None => return None,
            };
            Date::new(year, month, day).ok()?
        }
    };
    Some(date.to_string())
}

fn written(text: &str) -> Option<Written> {
    let text = text.trim();
    if let Some(date) = compact(text) {
        return Some(Written::Certain(date));
    }
    let starts_with_letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut parts = text
        .split(|c: char| "-/.,".contains(c) || c.is_whitespace())
        .filter(|part| !part.is_empty());
    let (first, second) = (parts.next()?, parts.next()?);
    // What comes after the year is a time of day: `2020-12-15T00:00`, `12/15/2020 16:00`.
    let third = parts.next()?;
    if starts_with_letter {
        let date = Date::new(year(until_time(third))?, month(first)?, day(second)?);
        return date.ok().map(Written::Certain);
    }
    if first.len() == 4 {
        let date = Date::new(
            year(first)?,
            numeric_month(second)?,
            day(until_time(third))?,
        );
        return date.ok().map(Written::Certain);
    }
    let year = year(until_time(third))?;
    match month(second) {
        Some(month) => Date::new(year, month, day(first)?)
            .ok()
            .map(Written::Certain),
        None => Some(Written::Numbers(day(first)?, day(second)?, year)),
    }
}

/// `20201215`, also with a time of day behind it.
fn compact(text: &str) -> Option<Date> {
    let digits = text.get(..8)?;
    let behind = text.as_bytes().get(8);
    let alone = matches!(behind, None | Some(b' ' | b'T'));
    if !alone || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Date::new(
        digits[..4].parse().ok()?,
        digits[4..6].parse().ok()?,
        digits[6..].parse().ok()?,
    )
    .ok()
}

fn until_time(text: &str) -> &str {
    text.split('T').next().unwrap_or_default()
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let plain = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Four digits: of two, nobody knows the century.
fn year(text: &str) -> Option<i16> {
    number(text, 4..=4)
}

fn day(text: &str) -> Option<i8> {
    let day = number(text, 1..=2)?;
    (1..=31).contains(&day).then_some(day as i8)
}

fn numeric_month(text: &str) -> Option<i8> {
    day(text).filter(|month| *month <= 12)
}

/// An English name of a month, whole or its first three letters.
fn month(text: &str) -> Option<i8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let name = text.to_ascii_lowercase();
    let found = NAMES.iter().position(|n| {
        *n == name
            || (name.len() == 3 && n.starts_with(&name))
            || (name == "sept" && n.starts_with("sep"))
    });
    found.and_then(|i| i8::try_from(i + 1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_day_is_that_day() {
        for text in [
            "2020-12-05",
            "2020/12/05",
            "2020.12.5",
            "20201205",
            "20201205 160000",
            "2020-12-05 00:00:00-05:00",
            "2020-12-05T21:00:00Z",
            "Dec 5, 2020",
            "December 05 2020",
            "5-Dec-2020",
            "05 dec 2020",
            " 2020-12-05 ",
        ] {
            assert_eq!(normal(text, None).as_deref(), Some("2020-12-05"), "{text}");
        }
        let order = |text, order| normal(text, Some(order));
        for text in ["12/05/2020", "12-5-2020", "12.05.2020", "12/05/2020 16:00"] {
            let found = order(text, DateOrder::MonthDayYear);
            assert_eq!(found.as_deref(), Some("2020-12-05"), "{text}");
            let found = order(text, DateOrder::DayMonthYear);
            assert_eq!(found.as_deref(), Some("2020-05-12"), "{text}");
            assert_eq!(normal(text, None), None, "{text}");
        }
        assert_eq!(normal("05/05/2020", None).as_deref(), Some("2020-05-05"));
        for text in [
            "",
            "x",
            "2020-13-05",
            "2020-02-30",
            "12/05/20",
            "2020-12",
            "202012055",
            "Foo 5, 2020",
            "1-2-3",
            "0/5/2020",
            "1607126400",
        ] {
            assert_eq!(order(text, DateOrder::MonthDayYear), None, "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_whole_file_or_an_error_with_both_readings() {
        let order = |texts: &[&str]| {
            let mut hints = Hints::default();
            texts.iter().for_each(|text| hints.add(text));
            hints.order()
        };
        assert_eq!(order(&["2020-12-05"]), Ok(None));
        assert_eq!(order(&["03/03/2020"]), Ok(None));
        assert_eq!(
            order(&["03/04/2020", "03/14/2020"]),
            Ok(Some(DateOrder::MonthDayYear))
        );
        assert_eq!(
            order(&["03/04/2020", "14/04/2020"]),
            Ok(Some(DateOrder::DayMonthYear))
        );
        let either = order(&["03/04/2020"]).unwrap_err();
        assert!(either.contains("2020-03-04 or 2020-04-03"), "{either}");
        let both = order(&["14/04/2020", "04/14/2020"]).unwrap_err();
        assert!(both.contains("`04/14/2020` has the month first"), "{both}");
    }
}
