//! The JSON of the chart, read once from its beginning to its end.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::body::{Capped, Cell};

/// All that an answer can be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) chart: Option<Chart>,
    /// Where the gate before the chart refuses.
    pub(super) finance: Option<Gate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Gate {
    pub(super) error: Option<Error>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chart {
    pub(super) result: Option<Capped<Part>>,
    pub(super) error: Option<Error>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Error {
    pub(super) code: Option<String>,
    pub(super) description: Option<String>,
}

/// What is told of one symbol.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part {
    pub(super) meta: Meta,
    pub(super) timestamp: Option<Capped<Option<i64>>>,
    pub(super) indicators: Indicators,
    pub(super) events: Option<Events>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) symbol: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) exchange_timezone_name: Option<String>,
    pub(super) data_granularity: Option<String>,
    /// When the last trade was, in seconds.
    pub(super) regular_market_time: Option<i64>,
    pub(super) current_trading_period: Option<Current>,
    /// Regular hours of the sessions of an intraday answer.
    pub(super) trading_periods: Periods,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Current {
    pub(super) regular: Option<Period>,
}

/// From a second until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Period {
    pub(super) start: i64,
    pub(super) end: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Indicators {
    pub(super) quote: Capped<Quote>,
}

/// Columns of numbers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Quote {
    pub(super) open: Option<Capped<Cell>>,
    pub(super) high: Option<Capped<Cell>>,
    pub(super) low: Option<Capped<Cell>>,
    pub(super) close: Option<Capped<Cell>>,
    pub(super) volume: Option<Capped<Cell>>,
}

/// Events by their stamps.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Events {
    pub(super) dividends: Capped<Payment>,
    pub(super) splits: Capped<Division>,
    pub(super) capital_gains: Capped<Payment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payment {
    pub(super) date: Option<i64>,
    pub(super) amount: Cell,
    pub(super) currency: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Division {
    pub(super) date: Option<i64>,
    pub(super) numerator: Cell,
    pub(super) denominator: Cell,
}

/// Periods in lists of lists, or in such lists under `regular` beside those before and after.
#[derive(Debug, Default)]
pub(super) struct Periods(pub(super) Vec<Period>);

struct PeriodsVisitor;

impl<'de> Deserialize<'de> for Periods {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PeriodsVisitor)
    }
}

impl<'de> Visitor<'de> for PeriodsVisitor {
    type Value = Periods;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lists of trading periods")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Periods, E> {
        Ok(Periods::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Periods, A::Error> {
        let mut periods = Vec::new();
        while let Some(Periods(more)) = list.next_element()? {
            periods.extend(more);
        }
        Ok(Periods(periods))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Periods, A::Error> {
        let (mut start, mut end, mut periods) = (None, None, Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "start" => start = map.next_value()?,
                "end" => end = map.next_value()?,
                "regular" => periods = map.next_value::<Periods>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let own = start.zip(end).map(|(start, end)| Period { start, end });
        periods.extend(own);
        Ok(Periods(periods))
    }
}
