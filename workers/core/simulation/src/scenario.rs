//! What is simulated, as a person writes it in YAML.

use foresail_domain::TradingCalendar;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Most symbols of a scenario.
const MOST_LISTINGS: usize = 10_000;

/// A market, who may ask about it, and what goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// Seed of all prices.
    #[serde(default)]
    pub seed: u64,
    /// Day of the first bars.
    pub start: Date,
    /// Sessions of the market.
    #[serde(default)]
    pub calendar: TradingCalendar,
    /// IANA zone of the exchange, for the stamps of answers.
    #[serde(default = "new_york")]
    pub time_zone: String,
    /// The clock of the market when the simulation starts; that of the wall when absent.
    #[serde(default)]
    pub clock: Option<Timestamp>,
    /// Seconds of the market in a second.
    #[serde(default = "one")]
    pub speed: f64,
    /// What is traded.
    pub symbols: Vec<Listing>,
    /// Keys that Alpha Vantage knows. Without one every key is good for everything.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// Requests of one address that Yahoo answers in a minute; any number when absent.
    #[serde(default)]
    pub yahoo_per_minute: Option<u32>,
    /// What goes wrong.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// Something that is traded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listing {
    /// Its code, the same at every provider.
    pub symbol: String,
    /// Who knows it; all of them when absent.
    #[serde(default)]
    pub provider: Option<Provider>,
    /// First price, in the major unit of the currency.
    #[serde(default = "hundred")]
    pub price: f64,
    /// Currency as Yahoo writes it: `USD`, or a minor unit such as `GBp`.
    #[serde(default = "dollar")]
    pub currency: String,
    /// Standard deviation of a daily log return.
    #[serde(default = "two_percent")]
    pub volatility: f64,
    /// Splits.
    #[serde(default)]
    pub splits: Vec<Split>,
    /// Cash dividends.
    #[serde(default)]
    pub dividends: Vec<Dividend>,
    /// Bars that providers have wrong for a while.
    #[serde(default)]
    pub mistakes: Vec<Mistake>,
    /// Sessions that providers leave out.
    #[serde(default)]
    pub holes: Vec<Hole>,
}

impl Listing {
    /// The same as one provider has it, if it does.
    pub(crate) fn known_to(&self, provider: Provider) -> Option<Self> {
        let concerns = |other: Option<Provider>| other.is_none_or(|other| other == provider);
        let mut listing = self.clone();
        listing
            .mistakes
            .retain(|mistake| concerns(mistake.provider));
        listing.holes.retain(|hole| concerns(hole.provider));
        concerns(self.provider).then_some(listing)
    }
}

/// A split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
    /// First session at the new price.
    pub date: Date,
    /// New shares.
    pub numerator: f64,
    /// For so many old ones.
    pub denominator: f64,
    /// When providers begin to know of it; a late one is after its date. At the beginning of its day when absent.
    #[serde(default)]
    pub known: Option<Timestamp>,
}

impl Split {
    /// New shares for one old share.
    pub fn ratio(&self) -> f64 {
        self.numerator / self.denominator
    }
}

/// A cash dividend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dividend {
    /// First session without it.
    pub date: Date,
    /// For one share of that day, in the major unit.
    pub amount: f64,
}

/// A bar that is wrong until it is corrected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mistake {
    /// Session of the bar.
    pub date: Date,
    /// The close is so many times what it was.
    pub factor: f64,
    /// When it is corrected; never when absent.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Who has it wrong; all of them when absent.
    #[serde(default)]
    pub provider: Option<Provider>,
}

/// A bar that is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hole {
    /// Session of the bar.
    pub date: Date,
    /// When it goes missing; it never was there when absent.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// When it is there after all; never when absent.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Who lacks it; all of them when absent.
    #[serde(default)]
    pub provider: Option<Provider>,
}

/// A key of Alpha Vantage and what was paid for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Key {
    /// The key.
    pub key: String,
    /// Whether premium functions are answered.
    #[serde(default)]
    pub premium: bool,
    /// Requests in a second.
    #[serde(default)]
    pub per_second: Option<u32>,
    /// Requests in a minute.
    #[serde(default)]
    pub per_minute: Option<u32>,
    /// Requests in a day of the market's clock.
    #[serde(default)]
    pub per_day: Option<u32>,
    /// IANA zone in which a day begins.
    #[serde(default = "new_york")]
    pub reset_time_zone: String,
}

/// Something that goes wrong. It concerns requests that fit all that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// What goes wrong.
    pub kind: FailureKind,
    /// Of this provider alone.
    #[serde(default)]
    pub provider: Option<Provider>,
    /// Of this symbol alone.
    #[serde(default)]
    pub symbol: Option<String>,
    /// One in so many requests.
    #[serde(default = "every")]
    pub every: u64,
    /// From this time of the market's clock on.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until then.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Where a redirect leads; `{key}` in it stands for the key of the request.
    #[serde(default)]
    pub location: Option<String>,
}

/// A provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provider {
    /// `GET /query`.
    AlphaVantage,
    /// `GET /v8/finance/chart/SYMBOL`.
    Yahoo,
}

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// 503 without a word.
    Down,
    /// 200 with a page for people.
    Html,
    /// A sentence that nobody has heard before.
    Unknown,
    /// A whole answer without data.
    Empty,
    /// Half of the body, as if it were all of it.
    Torn,
    /// The connection ends in the middle of the body.
    Cut,
    /// A byte at a time.
    Slow,
    /// A small packed body that is 512 MiB when it is unpacked.
    Bomb,
    /// Another address.
    Redirect,
    /// The answer for another symbol.
    WrongSymbol,
    /// Fields with other names.
    ChangedSchema,
    /// 401.
    Unauthorized,
    /// 429 with Retry-After.
    TooManyRequests,
    /// A sentence that nobody has heard before, with the key of the request in every form.
    Echo,
    /// 500 with a page that shows the request, its key included.
    EchoError,
}

/// A scenario that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadScenario(pub String);

impl std::fmt::Display for BadScenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the scenario cannot be played: {}", self.0)
    }
}

impl std::error::Error for BadScenario {}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// What is wrong with it, with the line where it is no YAML of a scenario.
    pub fn read(yaml: &str) -> Result<Self, BadScenario> {
        let scenario: Self =
            serde_saphyr::from_str(yaml).map_err(|e| BadScenario(e.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    pub(crate) fn check(&self) -> Result<(), BadScenario> {
        let bad = |what: String| Err(BadScenario(what));
        if self.symbols.is_empty() || self.symbols.len() > MOST_LISTINGS {
            return bad(format!("symbols must be 1 to {MOST_LISTINGS}"));
        }
        if !(self.speed > 0.0 && self.speed <= 1e7) {
            return bad(format!(
                "speed is {}; it must be above 0 and at most 1e7",
                self.speed
            ));
        }
        let keys = self.keys.iter().map(|key| &key.reset_time_zone);
        for zone in keys.chain([&self.time_zone]) {
            jiff::tz::TimeZone::get(zone).map_err(|e| BadScenario(e.to_string()))?;
        }
        for listing in &self.symbols {
            listing
                .check()
                .map_err(|what| BadScenario(format!("{}: {what}", listing.symbol)))?;
        }
        match self.failures.iter().any(|failure| failure.every == 0) {
            true => bad("failures: every must be at least 1".into()),
            false => Ok(()),
        }
    }
}

impl Listing {
    fn check(&self) -> Result<(), String> {
        let positive = |name: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(format!("{name} is {value}; it must be above 0")),
        };
        positive("price", self.price)?;
        if !(0.0..=0.5).contains(&self.volatility) {
            return Err(format!(
                "volatility is {}; it must be between 0 and 0.5",
                self.volatility
            ));
        }
        for split in &self.splits {
            positive("splits.numerator", split.numerator)?;
            positive("splits.denominator", split.denominator)?;
        }
        for mistake in &self.mistakes {
            positive("mistakes.factor", mistake.factor)?;
        }
        self.dividends
            .iter()
            .try_for_each(|dividend| positive("dividends.amount", dividend.amount))
    }

    /// Minor units in a unit of the currency: 100 for `GBp`.
    pub(crate) fn minor_units(&self) -> f64 {
        match self.currency.as_str() {
            "GBp" | "ZAc" | "ILA" => 100.0,
            "KWF" => 1000.0,
            _ => 1.0,
        }
    }
}

fn new_york() -> String {
    "America/New_York".into()
}

fn dollar() -> String {
    "USD".into()
}

fn hundred() -> f64 {
    100.0
}

fn two_percent() -> f64 {
    0.02
}

fn one() -> f64 {
    1.0
}

fn every() -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str =
        "start: 2020-01-02\nclock: 2024-01-02T15:00:00Z\nsymbols: [{symbol: IBM}]\n";

    #[test]
    fn the_smallest_scenario_is_filled_with_defaults() {
        let scenario = Scenario::read(SMALLEST).unwrap();
        assert_eq!(
            (scenario.speed, scenario.calendar),
            (1.0, TradingCalendar::Xnys)
        );
        assert_eq!(scenario.symbols[0].currency, "USD");
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        for (wrong, named) in [
            ("speed: 0", "speed is 0"),
            ("timeZone: Mars/Olympus", "Mars/Olympus"),
            (
                "failures: [{kind: Down, every: 0}]",
                "every must be at least 1",
            ),
            ("failures: [{kind: Downy}]", "Downy"),
            ("colour: red", "colour"),
        ] {
            let error = Scenario::read(&format!("{SMALLEST}{wrong}\n")).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        let split = SMALLEST.replace(
            "{symbol: IBM}",
            "{symbol: IBM, splits: [{date: 2021-01-04, numerator: 0, denominator: 1}]}",
        );
        let error = Scenario::read(&split).unwrap_err().to_string();
        assert!(error.contains("IBM: splits.numerator is 0"), "{error}");
    }
}
