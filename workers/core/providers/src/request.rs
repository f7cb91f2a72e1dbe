//! What is asked of a provider, and the path and query that ask for it.

use std::fmt::{self, Write};

use foresail_domain::Symbol;
use jiff::civil::Date;

use crate::key::Key;

/// A market-data provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Alpha Vantage: a key for each account, answers 200 to everything.
    AlphaVantage,
    /// The v8 chart of Yahoo Finance: no key, no promise.
    Yahoo,
}

impl Provider {
    /// Its name in specs, bars and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlphaVantage => "alpha-vantage",
            Self::Yahoo => "yahoo",
        }
    }

    /// The host that answers, without a scheme.
    pub fn host(self) -> &'static str {
        match self {
            Self::AlphaVantage => "www.alphavantage.co",
            Self::Yahoo => "query2.finance.yahoo.com",
        }
    }

    /// All hosts of it that answer alike.
    pub fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::AlphaVantage => &["www.alphavantage.co"],
            Self::Yahoo => &["query2.finance.yahoo.com", "query1.finance.yahoo.com"],
        }
    }
}

/// One question about one symbol. It never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The instrument, as the provider writes it.
    pub symbol: Symbol,
    /// What is asked about it.
    pub kind: Kind,
}

/// What is asked about a symbol; each kind is of one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Alpha Vantage, daily rows as traded.
    Daily(Size),
    /// Alpha Vantage, daily rows as traded with splits and dividends, for paid keys.
    DailyAdjusted(Size),
    /// Alpha Vantage, rows of minutes as traded in regular hours, for paid keys.
    Intraday {
        /// Length of a row.
        interval: Minutes,
        /// One calendar month of the exchange; without it, the last 100 rows.
        month: Option<Month>,
    },
    /// Alpha Vantage, all splits and those declared.
    Splits,
    /// Alpha Vantage, all dividends and those declared.
    Dividends,
    /// Yahoo, rows that are split-adjusted to today, with the events of the window.
    Chart {
        /// Length of a row.
        interval: ChartInterval,
        /// The asked time.
        window: Window,
    },
}

/// How much of the history is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// The last 100 rows; free keys get no more.
    Compact,
    /// All rows, for paid keys.
    Full,
}

/// Length of an intraday row of Alpha Vantage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Minutes {
    /// `1min`.
    One,
    /// `5min`.
    Five,
    /// `15min`.
    Fifteen,
    /// `30min`.
    Thirty,
    /// `60min`.
    Sixty,
}

impl Minutes {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1min",
            Self::Five => "5min",
            Self::Fifteen => "15min",
            Self::Thirty => "30min",
            Self::Sixty => "60min",
        }
    }

    /// Length in seconds.
    pub fn seconds(self) -> i64 {
        match self {
            Self::One => 60,
            Self::Five => 300,
            Self::Fifteen => 900,
            Self::Thirty => 1800,
            Self::Sixty => 3600,
        }
    }
}

/// A calendar month, `YYYY-MM` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month of a year from 1900 to 2999, months from 1 to 12; `None` for any other.
    pub fn new(year: i16, month: i8) -> Option<Self> {
        let exists = (1900..=2999).contains(&year) && (1..=12).contains(&month);
        exists.then_some(Self { year, month })
    }

    /// The month of a day; `None` of another year than [`Self::new`] takes.
    pub fn of(date: Date) -> Option<Self> {
        Self::new(date.year(), date.month())
    }

    /// The month after it.
    pub fn next(self) -> Option<Self> {
        match self.month {
            12 => Self::new(self.year + 1, 1),
            month => Self::new(self.year, month + 1),
        }
    }

    /// Its first day.
    pub fn first(self) -> Date {
        Date::new(self.year, self.month, 1).unwrap_or(Date::MAX)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// Length of a row of Yahoo. `30m` is not offered, since its rows may be of 60 minutes; neither are weeks and months,
/// whose dividends are wrong. Make them of shorter rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChartInterval {
    /// `1m`.
    OneMinute,
    /// `2m`.
    TwoMinutes,
    /// `5m`.
    FiveMinutes,
    /// `15m`.
    FifteenMinutes,
    /// `1h`.
    Hour,
    /// `1d`.
    Day,
    /// `3mo`: for its events alone, of the whole history in one small answer. Its rows are not given.
    Quarter,
}

impl ChartInterval {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneMinute => "1m",
            Self::TwoMinutes => "2m",
            Self::FiveMinutes => "5m",
            Self::FifteenMinutes => "15m",
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Quarter => "3mo",
        }
    }

    /// Whether the `dataGranularity` of an answer is this interval. An hour has two names.
    pub fn is(self, granularity: &str) -> bool {
        granularity == self.as_str() || (self == Self::Hour && granularity == "60m")
    }

    /// Length in seconds; `None` of days and longer.
    pub fn seconds(self) -> Option<i64> {
        match self {
            Self::OneMinute => Some(60),
            Self::TwoMinutes => Some(120),
            Self::FiveMinutes => Some(300),
            Self::FifteenMinutes => Some(900),
            Self::Hour => Some(3600),
            Self::Day | Self::Quarter => None,
        }
    }

    /// How many days back from now the provider has rows; `None` where it has all of them.
    pub fn reach_days(self) -> Option<u32> {
        match self {
            Self::OneMinute => Some(30),
            Self::TwoMinutes | Self::FiveMinutes | Self::FifteenMinutes => Some(60),
            Self::Hour => Some(730),
            Self::Day | Self::Quarter => None,
        }
    }

    /// Most days in one request, where that is less than the reach.
    pub fn widest_days(self) -> Option<u32> {
        (self == Self::OneMinute).then_some(8)
    }
}

/// The time that a chart is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// From `from` until before `to`, seconds since the Unix epoch, UTC. The live row comes even behind `to`.
    Period {
        /// First second.
        from: i64,
        /// First second that is not asked.
        to: i64,
    },
    /// The last month.
    Month,
    /// The last year.
    Year,
    /// Everything until now.
    Max,
}

impl Request {
    /// Who is asked.
    pub fn provider(&self) -> Provider {
        match self.kind {
            Kind::Chart { .. } => Provider::Yahoo,
            _ => Provider::AlphaVantage,
        }
    }

    /// The request for fewer rows that a free key may be entitled to; `None` where there is none to try.
    pub fn compact(&self) -> Option<Self> {
        let kind = match self.kind {
            Kind::Daily(Size::Full) => Kind::Daily(Size::Compact),
            Kind::DailyAdjusted(Size::Full) => Kind::DailyAdjusted(Size::Compact),
            _ => return None,
        };
        let symbol = self.symbol.clone();
        Some(Self { symbol, kind })
    }

    /// Path of the URL, beginning with `/`, without query.
    pub fn path(&self) -> String {
        match self.kind {
            Kind::Chart { .. } => format!("/v8/finance/chart/{}", encoded(&self.symbol)),
            _ => "/query".to_owned(),
        }
    }

    /// Query of the URL without `?` and without the key.
    pub fn query(&self) -> String {
        let of = |function: &str| format!("function={function}&symbol={}", encoded(&self.symbol));
        let sized = |function: &str, size| format!("{}&outputsize={}", of(function), word(size));
        match self.kind {
            Kind::Daily(size) => sized("TIME_SERIES_DAILY", size),
            Kind::DailyAdjusted(size) => sized("TIME_SERIES_DAILY_ADJUSTED", size),
            Kind::Intraday { interval, month } => {
                let mut query = of("TIME_SERIES_INTRADAY");
                let size = if month.is_some() { "full" } else { "compact" };
                query.push_str("&interval=");
                query.push_str(interval.as_str());
                // Both are true where nothing is said.
                query.push_str("&adjusted=false&extended_hours=false&outputsize=");
                query.push_str(size);
                if let Some(month) = month {
                    let _ = write!(query, "&month={month}");
                }
                query
            }
            Kind::Splits => of("SPLITS"),
            Kind::Dividends => of("DIVIDENDS"),
            Kind::Chart { interval, window } => {
                let window = match window {
                    Window::Period { from, to } => format!("period1={from}&period2={to}"),
                    Window::Month => "range=1mo".to_owned(),
                    Window::Year => "range=1y".to_owned(),
                    Window::Max => "range=max".to_owned(),
                };
                let interval = interval.as_str();
                let rest = "includePrePost=false&events=div,splits,capitalGains";
                format!("{window}&interval={interval}&{rest}")
            }
        }
    }

    /// Path and query, with the key where the provider takes one. Make it when the request goes out, and keep it nowhere.
    pub fn target(&self, key: Option<&Key>) -> Target {
        let mut target = format!("{}?{}", self.path(), self.query());
        if let (Provider::AlphaVantage, Some(key)) = (self.provider(), key) {
            target.push_str("&apikey=");
            target.push_str(&encoded(key.reveal()));
        }
        Target(target)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?{}", self.path(), self.query())
    }
}

/// Path and query of a URL, which may hold a key: printing it does not show them.
pub struct Target(String);

impl Target {
    /// The text, for the HTTP client and nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(***)")
    }
}

fn word(size: Size) -> &'static str {
    match size {
        Size::Compact => "compact",
        Size::Full => "full",
    }
}

/// Percent-encoded for a segment of a path or a value of a query: all but the unreserved signs of RFC 3986.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
