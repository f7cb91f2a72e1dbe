//! Answers of Yahoo's chart route: prices split-adjusted to the day of the answer, as 32-bit floats printed long.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::market::{Day, days, known_splits, slices, whole_days};
use crate::request::Request;
use crate::scenario::{Listing, Scenario, Split};

/// A market, what is asked about, and when.
type Market<'a> = (&'a Scenario, Option<&'a Listing>, Timestamp);

const RANGES: [&str; 11] = [
    "1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max",
];

/// The answer to a request.
pub(crate) fn answer(request: &Request, market: Market<'_>) -> Answer {
    let (scenario, Some(listing), now) = market else {
        return error(404, "Not Found", "No data found, symbol may be delisted");
    };
    let interval = match request.get("interval") {
        "" => "1d",
        given => given,
    };
    let Some(interval) = Interval::read(interval) else {
        return error(
            422,
            "Unprocessable Entity",
            &format!("Invalid input - interval={interval} is not supported"),
        );
    };
    let asked = Asked {
        scenario,
        listing,
        now,
        interval,
        splits: happened(scenario, listing, now),
    };
    match asked.window(request) {
        Ok(window) => asked.chart(request, window),
        Err(refused) => refused,
    }
}

fn error(status: u16, code: &str, description: &str) -> Answer {
    let error = json!({"code": code, "description": description});
    Answer {
        status,
        ..Answer::json(json!({"chart": {"result": null, "error": error}}).to_string())
    }
}

/// Bars of an answer, and how far back they go.
struct Interval {
    name: &'static str,
    /// None for whole days.
    minutes: Option<i64>,
    /// Days that may lie between the beginning of a window and now.
    reach: Option<i64>,
    /// Days of one window.
    widest: Option<i64>,
}

impl Interval {
    fn read(name: &str) -> Option<Self> {
        let (name, minutes, reach, widest) = match name {
            "1d" => ("1d", None, None, None),
            "1m" => ("1m", Some(1), Some(30), Some(8)),
            "5m" => ("5m", Some(5), Some(60), None),
            "15m" => ("15m", Some(15), Some(60), None),
            "30m" => ("30m", Some(30), Some(60), None),
            "60m" | "1h" => ("1h", Some(60), Some(730), None),
            _ => return None,
        };
        Some(Self {
            name,
            minutes,
            reach,
            widest,
        })
    }
}

/// From this second on until before that one.
type Window = (i64, i64);

/// A request that can be answered.
struct Asked<'a> {
    scenario: &'a Scenario,
    listing: &'a Listing,
    now: Timestamp,
    interval: Interval,
    /// Those that the prices are restated for.
    splits: Vec<&'a Split>,
}

/// The splits that are known and have happened.
fn happened<'a>(scenario: &Scenario, listing: &'a Listing, now: Timestamp) -> Vec<&'a Split> {
    let zone = TimeZone::get(&scenario.time_zone).unwrap_or(TimeZone::UTC);
    let today = now.to_zoned(zone).date();
    let mut splits = known_splits(listing, now);
    splits.retain(|split| split.date <= today);
    splits
}

/// A bar of an answer.
struct Bar {
    stamp: i64,
    date: Date,
    /// Open, high, low, close.
    prices: [f64; 4],
    volume: f64,
}

impl Asked<'_> {
    fn window(&self, request: &Request) -> Result<Window, Answer> {
        let now = self.now.as_second();
        let second = |name: &str| request.get(name).parse::<i64>().ok();
        let (from, to) = match (second("period1"), second("period2")) {
            (Some(from), Some(to)) => (from, to),
            _ => (self.beginning(request.get("range")), now + 1),
        };
        if from >= to {
            let text = "Invalid input - start date cannot be after end date.";
            return Err(error(
                400,
                "Bad Request",
                &format!("{text} startDate = {from}, endDate = {to}"),
            ));
        }
        let name = self.interval.name;
        let is_older = |days: i64| from < now - days * 86_400;
        if self.interval.reach.is_some_and(is_older) {
            let days = self.interval.reach.unwrap_or(0);
            let text = format!(
                "{name} data not available for startTime={from} and endTime={to}. The requested range must be within the \
                 last {days} days."
            );
            return Err(error(422, "Unprocessable Entity", &text));
        }
        if self
            .interval
            .widest
            .is_some_and(|days| to - from > days * 86_400)
        {
            let text = format!(
                "{name} data not available for startTime={from} and endTime={to}. Only 8 days worth of 1m granularity data \
                 are allowed to be fetched per request."
            );
            return Err(error(422, "Unprocessable Entity", &text));
        }
        Ok((from, to))
    }

    /// The first second of a range that ends now.
    fn beginning(&self, range: &str) -> i64 {
        let back: Span = match range {
            "5d" => 5.days(),
            "1mo" => 1.month(),
            "3mo" => 3.months(),
            "6mo" => 6.months(),
            "1y" => 1.year(),
            "2y" => 2.years(),
            "5y" => 5.years(),
            "10y" => 10.years(),
            "max" => return self.first_second(),
            _ => 1.day(),
        };
        let zone = TimeZone::get(&self.scenario.time_zone).unwrap_or(TimeZone::UTC);
        let from = self
            .now
            .to_zoned(zone)
            .checked_sub(back)
            .and_then(|at| at.start_of_day());
        from.map_or(0, |at| at.timestamp().as_second())
    }

    fn first_second(&self) -> i64 {
        let start = self.scenario.start.to_zoned(TimeZone::UTC);
        start.map_or(0, |at| at.timestamp().as_second())
    }

    /// What prices of a day are divided by: all splits after it that are known and have happened.
    fn restated(&self, date: Date) -> f64 {
        let later = self.splits.iter().filter(|split| split.date > date);
        later.map(|split| split.ratio()).product()
    }

    fn bars(&self, days: &[Day]) -> Vec<Bar> {
        let now = self.now.as_millisecond();
        let unit = self.listing.minor_units();
        let bar = |date: Date, start: i64, prices: [f64; 4], volume: f64| {
            let ratio = self.restated(date);
            Bar {
                stamp: start / 1000,
                date,
                prices: prices.map(|price| price * unit / ratio),
                volume: (volume * ratio).round(),
            }
        };
        match self.interval.minutes {
            None => {
                let daily = days.iter().map(|day| {
                    // The bar of the session that is traded has the time of its last trade.
                    let stamp = if day.end > now { now } else { day.start };
                    bar(
                        day.date,
                        stamp,
                        [day.open, day.high, day.low, day.close],
                        day.volume,
                    )
                });
                daily.collect()
            }
            Some(minutes) => {
                let slices = days.iter().flat_map(|day| {
                    let slices = slices(day, minutes, now).into_iter();
                    slices.map(move |slice| (day.date, slice))
                });
                let bars = slices.map(|(date, s)| {
                    bar(date, s.start, [s.open, s.high, s.low, s.close], s.volume)
                });
                bars.collect()
            }
        }
    }

    fn chart(&self, request: &Request, (from, to): Window) -> Answer {
        let days = days(self.scenario, self.listing, self.now);
        let within = |stamp: i64| (from..to).contains(&stamp);
        let near: Vec<Day> = match self.interval.minutes {
            None => days.clone(),
            Some(_) => {
                let touches = |day: &Day| day.end / 1000 > from && day.start / 1000 < to;
                let mut whole = whole_days(self.scenario, self.listing, self.now);
                whole.retain(touches);
                whole
            }
        };
        let mut bars = self.bars(&near);
        let before = bars
            .iter()
            .rev()
            .find(|bar| bar.stamp < from)
            .map(|bar| bar.prices[3]);
        bars.retain(|bar| within(bar.stamp));
        let mut meta = self.meta(days.last(), request.get("range"));
        if let Some(close) = before {
            meta["chartPreviousClose"] = single(close);
        }
        if self.interval.minutes.is_some() {
            let is_wide = request.get("includePrePost").eq_ignore_ascii_case("true");
            meta["tradingPeriods"] = self.trading_periods(&near, is_wide);
        }
        let mut result = json!({"meta": meta, "indicators": {"quote": [{}]}});
        if self.interval.minutes.is_none() {
            result["indicators"]["adjclose"] = json!([{}]);
        }
        if !bars.is_empty() {
            result["timestamp"] = bars.iter().map(|bar| bar.stamp).collect();
            result["indicators"]["quote"][0] = quote(&bars);
            if self.interval.minutes.is_none() {
                let adjusted = self.adjusted(&days, &bars);
                result["indicators"]["adjclose"][0] = json!({"adjclose": adjusted});
            }
            let events = self.events(request.get("events"), &days, within);
            if !events.is_empty() {
                result["events"] = Value::Object(events);
            }
        }
        Answer::json(json!({"chart": {"result": [result], "error": null}}).to_string())
    }

    /// The hours of trading from one second to another, as they are on the clock of the exchange then.
    fn period(&self, start: i64, end: i64) -> Value {
        let zone = TimeZone::get(&self.scenario.time_zone).unwrap_or(TimeZone::UTC);
        let here = Timestamp::from_second(start)
            .unwrap_or_default()
            .to_zoned(zone);
        let abbreviation = here.strftime("%Z").to_string();
        let offset = here.offset().seconds();
        json!({"timezone": abbreviation, "start": start, "end": end, "gmtoffset": offset})
    }

    /// The hours of each day; those before and after them, of which there are none, where they are asked for.
    fn trading_periods(&self, days: &[Day], is_wide: bool) -> Value {
        let of = |hours: fn(&Day) -> (i64, i64)| -> Vec<Value> {
            let hours = days.iter().map(hours);
            hours
                .map(|(start, end)| json!([self.period(start / 1000, end / 1000)]))
                .collect()
        };
        let regular = of(|day| (day.start, day.end));
        if !is_wide {
            return json!(regular);
        }
        let (pre, post) = (
            of(|day| (day.start, day.start)),
            of(|day| (day.end, day.end)),
        );
        json!({"pre": pre, "regular": regular, "post": post})
    }

    fn meta(&self, last: Option<&Day>, range: &str) -> Value {
        let zone = TimeZone::get(&self.scenario.time_zone).unwrap_or(TimeZone::UTC);
        let here = self.now.to_zoned(zone);
        let (start, end) = last.map_or((0, 0), |day| (day.start / 1000, day.end / 1000));
        let abbreviation = here.strftime("%Z").to_string();
        let offset = here.offset().seconds();
        let price = last.map_or(Value::Null, |day| {
            single(day.close * self.listing.minor_units() / self.restated(day.date))
        });
        json!({
            "currency": self.listing.currency, "symbol": self.listing.symbol, "exchangeName": "SIM",
            "fullExchangeName": "Simulated", "instrumentType": "EQUITY", "firstTradeDate": self.first_second(),
            "regularMarketTime": end.min(self.now.as_second()), "hasPrePostMarketData": false,
            "gmtoffset": offset, "timezone": abbreviation, "exchangeTimezoneName": self.scenario.time_zone,
            "regularMarketPrice": price, "priceHint": 2,
            "currentTradingPeriod": {
                "pre": self.period(start, start), "regular": self.period(start, end), "post": self.period(end, end),
            },
            "dataGranularity": self.interval.name, "range": range, "validRanges": RANGES,
        })
    }

    /// Closes without the dividends that were paid after them.
    fn adjusted(&self, days: &[Day], bars: &[Bar]) -> Vec<Value> {
        let mut factors = vec![(Date::MAX, 1.0)];
        let mut factor = 1.0;
        for pair in days.windows(2).rev() {
            let [before, after] = pair else { continue };
            let paid = self
                .listing
                .dividends
                .iter()
                .filter(|dividend| dividend.date == after.date);
            let paid: f64 = paid.map(|dividend| dividend.amount).sum();
            if paid > 0.0 {
                let ratio = self.restated(before.date) / self.restated(after.date);
                factor *= 1.0 - paid * ratio / before.close;
                factors.push((after.date, factor));
            }
        }
        let of = |date: Date| {
            let later = factors.iter().rev().find(|(from, _)| *from > date);
            later.map_or(1.0, |(_, factor)| *factor)
        };
        bars.iter()
            .map(|bar| single(bar.prices[3] * of(bar.date)))
            .collect()
    }

    fn events(
        &self,
        wanted: &str,
        days: &[Day],
        within: impl Fn(i64) -> bool,
    ) -> Map<String, Value> {
        let stamp = |date: Date| {
            days.iter()
                .find(|day| day.date >= date)
                .map(|day| day.start / 1000)
        };
        let mut events = Map::new();
        if wanted.contains("split") {
            let mut splits = Map::new();
            for split in known_splits(self.listing, self.now) {
                if let Some(at) = stamp(split.date).filter(|at| within(*at)) {
                    let (new, old) = (split.numerator, split.denominator);
                    let told = json!({
                        "date": at, "numerator": new, "denominator": old, "splitRatio": format!("{new}:{old}"),
                    });
                    splits.insert(at.to_string(), told);
                }
            }
            if !splits.is_empty() {
                events.insert("splits".into(), Value::Object(splits));
            }
        }
        if wanted.contains("div") {
            let mut dividends = Map::new();
            for dividend in &self.listing.dividends {
                if let Some(at) = stamp(dividend.date).filter(|at| within(*at)) {
                    let amount = dividend.amount * self.listing.minor_units();
                    let amount = single(amount / self.restated(dividend.date));
                    dividends.insert(at.to_string(), json!({"amount": amount, "date": at}));
                }
            }
            if !dividends.is_empty() {
                events.insert("dividends".into(), Value::Object(dividends));
            }
        }
        events
    }
}

fn quote(bars: &[Bar]) -> Value {
    let of = |which: usize| -> Vec<Value> {
        bars.iter()
            .map(|bar| single(bar.prices.get(which).copied().unwrap_or(0.0)))
            .collect()
    };
    let volumes: Vec<i64> = bars.iter().map(|bar| bar.volume as i64).collect();
    json!({"open": of(0), "high": of(1), "low": of(2), "close": of(3), "volume": volumes})
}

/// A number as a 32-bit float that is printed with the digits of a 64-bit one.
fn single(value: f64) -> Value {
    json!(f64::from(value as f32))
}
