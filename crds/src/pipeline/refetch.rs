//! The annotation `foresail.dev/refetch`: sessions that are to be read again from the provider.

use foresail_domain::Symbol;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest value that is read, in bytes.
const LONGEST: usize = 1_024;
/// Most symbols in it.
const MOST: usize = 16;

/// What a value of the annotation asks for, such as `AAPL 2024-01-01..2024-03-31, MSFT 2024-02-01..2024-02-29`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refetch {
    /// The value. It is followed once; another one is another wish.
    pub asked: String,
    /// What is read again.
    pub days: Vec<SymbolDays>,
}

/// Days of a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SymbolDays {
    /// Instrument code.
    pub symbol: String,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// Why a value is not followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadRefetch {
    /// It is too much.
    #[error("it has more than {LONGEST} characters or {MOST} symbols")]
    TooLong,
    /// It has another form.
    #[error("`{0}` must be a symbol and two days, such as AAPL 2024-01-01..2024-03-31")]
    Form(String),
    /// The days are in the wrong order.
    #[error("in `{0}` the first day is after the last one")]
    Order(String),
}

impl Refetch {
    /// Reads a value.
    ///
    /// # Errors
    /// [`BadRefetch`], with the part that cannot be followed.
    pub fn parse(value: &str) -> Result<Self, BadRefetch> {
        let parts: Vec<&str> = value.split(',').map(str::trim).collect();
        if value.len() > LONGEST || parts.len() > MOST {
            return Err(BadRefetch::TooLong);
        }
        let days = parts.into_iter().map(SymbolDays::parse);
        Ok(Self {
            asked: value.to_owned(),
            days: days.collect::<Result<_, _>>()?,
        })
    }

    /// The first symbol that is none of these.
    pub fn stranger(&self, is_declared: impl Fn(&str) -> bool) -> Option<&str> {
        let mut symbols = self.days.iter().map(|days| days.symbol.as_str());
        symbols.find(|symbol| !is_declared(symbol))
    }
}

impl SymbolDays {
    fn parse(part: &str) -> Result<Self, BadRefetch> {
        let read = || {
            // A symbol may hold a space.
            let (symbol, days) = part.rsplit_once(char::is_whitespace)?;
            let (from, to) = days.split_once("..")?;
            let day = |text: &str| (text.len() == 10).then(|| text.parse().ok())?;
            Some(Self {
                symbol: Symbol::new(symbol.trim_end()).ok()?.to_string(),
                from: day(from)?,
                to: day(to)?,
            })
        };
        let days = read().ok_or_else(|| BadRefetch::Form(part.to_owned()))?;
        if days.from > days.to {
            return Err(BadRefetch::Order(part.to_owned()));
        }
        Ok(days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_their_days_are_read() {
        let value = "AAPL 2024-01-01..2024-03-31,  BRK-B  2024-02-29..2024-02-29";
        let refetch = Refetch::parse(value).unwrap();
        let days = |at: usize| {
            let days = &refetch.days[at];
            format!("{} {} {}", days.symbol, days.from, days.to)
        };
        assert_eq!(days(0), "AAPL 2024-01-01 2024-03-31");
        assert_eq!(days(1), "BRK-B 2024-02-29 2024-02-29");
        assert_eq!(refetch.asked, value);
        assert_eq!(refetch.stranger(|symbol| symbol == "AAPL"), Some("BRK-B"));
        assert_eq!(refetch.stranger(|_| true), None);
        let text = serde_json::to_string(&refetch).unwrap();
        assert_eq!(serde_json::from_str::<Refetch>(&text).unwrap(), refetch);
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (value, named) in [
            ("", "`` must be a symbol and two days"),
            ("AAPL", "`AAPL` must be"),
            ("AAPL 2024-01-01", "`AAPL 2024-01-01` must be"),
            ("AAPL 2024-02-30..2024-03-31", "must be"),
            ("AAPL 2024-01-01..2024-03-31, ", "`` must be"),
            ("AAPL 2024-01-01..2024-03-31 now", "must be"),
            ("A;B 2024-01-01..2024-03-31", "must be"),
            ("AAPL 2024-03-31..2024-01-01", "after the last one"),
            (&"A 2024-01-01..2024-01-02,".repeat(17), "more than"),
            (&"x".repeat(1_025), "more than"),
        ] {
            let error = Refetch::parse(value).unwrap_err().to_string();
            assert!(error.contains(named), "{value}: {error}");
        }
    }
}
