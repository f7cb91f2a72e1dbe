//! Answers of Alpha Vantage: 200 to everything, numbers as text, the newest bar first.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::door::Limit;
use crate::market::{Day, days, known_splits, slices, whole_days};
use crate::request::Request;
use crate::scenario::{Key, Listing, Scenario, Split};

/// Points of a compact answer.
const COMPACT: usize = 100;
/// Days of bars within a day that a compact answer is cut from (of an hour, 100 bars are 15 days), and in a full one without a
/// month.
const COMPACT_DAYS: usize = 16;
const FULL_DAYS: usize = 22;
/// Days ahead for which splits and dividends are declared.
const DECLARED_DAYS: i64 = 30;

/// A market, what is asked about, and when.
type Market<'a> = (&'a Scenario, Option<&'a Listing>, Timestamp);

/// The answer to a request with a good key.
pub(crate) fn answer(request: &Request, market: Market<'_>, key: &Key) -> Answer {
    let (scenario, Some(listing), now) = market else {
        return invalid(request);
    };
    let is_full = request.get("outputsize") == "full";
    let function = request.get("function");
    let is_premium = matches!(
        function,
        "TIME_SERIES_DAILY_ADJUSTED" | "TIME_SERIES_INTRADAY"
    );
    if is_premium && !key.premium {
        return information(
            "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium \
             plans at https://www.alphavantage.co/premium/ to instantly unlock all premium endpoints",
        );
    }
    if function == "TIME_SERIES_DAILY" && is_full && !key.premium {
        return information(
            "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the \
             TIME_SERIES_DAILY endpoint. You may subscribe to any of the premium plans at \
             https://www.alphavantage.co/premium/ to instantly unlock all premium features",
        );
    }
    let asked = Asked {
        scenario,
        listing,
        now,
        is_full,
        splits: known_splits(listing, now),
    };
    match function {
        "TIME_SERIES_DAILY" => asked.daily(false),
        "TIME_SERIES_DAILY_ADJUSTED" => asked.daily(true),
        "TIME_SERIES_INTRADAY" => asked.intraday(request),
        "SPLITS" => asked.splits(),
        "DIVIDENDS" => asked.dividends(),
        _ => invalid(request),
    }
}

fn information(text: &str) -> Answer {
    Answer::json(json!({"Information": text}).to_string())
}

fn invalid(request: &Request) -> Answer {
    let function = request.get("function");
    let text = format!(
        "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) for {function}."
    );
    Answer::json(json!({"Error Message": text}).to_string())
}

/// The answer to a key that nobody was given.
pub(crate) fn bad_key() -> Answer {
    let text = "the parameter apikey is invalid or missing. Please claim your free API key on \
                (https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds.";
    Answer::json(json!({"Error Message": text}).to_string())
}

/// The answer to a request that is one too many.
pub(crate) fn too_many(key: &Key, limit: Limit) -> Answer {
    match limit {
        Limit::Second => information(
            "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly (1 \
             request per second). You may subscribe to any of the premium plans at \
             https://www.alphavantage.co/premium/ to lift the free key rate limit (25 requests per day), raise the \
             per-second burst limit, and instantly unlock all premium endpoints",
        ),
        Limit::Minute => {
            let most = key.per_minute.unwrap_or(0);
            let text = format!(
                "Thank you for using Alpha Vantage! Our standard API call frequency is {most} calls per minute."
            );
            Answer::json(json!({"Note": text}).to_string())
        }
        Limit::Day => {
            let (key, most) = (&key.key, key.per_day.unwrap_or(0));
            information(&format!(
                "We have detected your API key as {key} and our standard API rate limit is {most} requests per day. \
                 Please subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to instantly \
                 remove all daily rate limits."
            ))
        }
    }
}

/// A request that is answered.
struct Asked<'a> {
    scenario: &'a Scenario,
    listing: &'a Listing,
    now: Timestamp,
    is_full: bool,
    /// Those that are known, declared ones included.
    splits: Vec<&'a Split>,
}

impl Asked<'_> {
    fn days(&self) -> Vec<Day> {
        days(self.scenario, self.listing, self.now)
    }

    fn output(&self) -> &'static str {
        if self.is_full { "Full size" } else { "Compact" }
    }

    fn today(&self) -> Date {
        let zone = TimeZone::get(&self.scenario.time_zone).unwrap_or(TimeZone::UTC);
        self.now.to_zoned(zone).date()
    }

    fn daily(&self, adjusted: bool) -> Answer {
        let days = self.days();
        let last = days
            .last()
            .map(|day| day.date.to_string())
            .unwrap_or_default();
        let shown = if self.is_full { days.len() } else { COMPACT };
        let factors = adjusted.then(|| self.adjustments(&days));
        let mut rows = Vec::new();
        for (index, day) in days.iter().enumerate().rev().take(shown) {
            let mut row = format!("\"{}\":{{{}", day.date, prices(day));
            let volume = day.volume;
            match factors.as_ref().and_then(|factors| factors.get(index)) {
                None => write!(row, ",\"5. volume\":\"{volume}\"}}"),
                Some(factor) => write!(
                    row,
                    ",\"5. adjusted close\":\"{}\",\"6. volume\":\"{volume}\",\"7. dividend amount\":\"{:.4}\",\"8. split \
                     coefficient\":\"{:.1}\"}}",
                    day.close * factor,
                    self.dividend(day.date),
                    self.split(day.date)
                ),
            }
            .unwrap_or_default();
            rows.push(row);
        }
        let what = if adjusted {
            "Daily Time Series with Splits and Dividend Events"
        } else {
            "Daily Prices (open, high, low, close) and Volumes"
        };
        let meta = json!({
            "1. Information": what, "2. Symbol": self.listing.symbol, "3. Last Refreshed": last,
            "4. Output Size": self.output(), "5. Time Zone": "US/Eastern",
        });
        series(&meta, "Time Series (Daily)", &rows)
    }

    fn split(&self, date: Date) -> f64 {
        let on_it = self.splits.iter().filter(|split| split.date == date);
        on_it.map(|split| split.ratio()).product()
    }

    fn dividend(&self, date: Date) -> f64 {
        let paid = self
            .listing
            .dividends
            .iter()
            .filter(|dividend| dividend.date == date);
        // A sum of nothing is -0, which would be printed.
        paid.map(|dividend| dividend.amount).sum::<f64>() + 0.0
    }

    /// For each day the factor of its adjusted close.
    fn adjustments(&self, days: &[Day]) -> Vec<f64> {
        let mut factors = vec![1.0; days.len()];
        let mut factor = 1.0;
        for (index, pair) in days.windows(2).enumerate().rev() {
            let [before, after] = pair else { continue };
            factor /= self.split(after.date);
            factor *= 1.0 - self.dividend(after.date) / before.close;
            if let Some(slot) = factors.get_mut(index) {
                *slot = factor;
            }
        }
        factors
    }

    fn intraday(&self, request: &Request) -> Answer {
        let interval = request.get("interval");
        let Some(minutes) = minutes(interval) else {
            return invalid(request);
        };
        let month = request.get("month");
        let days = whole_days(self.scenario, self.listing, self.now);
        let shown: Vec<&Day> = if month.is_empty() {
            let most = if self.is_full {
                FULL_DAYS
            } else {
                COMPACT_DAYS
            };
            days.iter().rev().take(most).rev().collect()
        } else {
            days.iter()
                .filter(|day| day.date.to_string().starts_with(month))
                .collect()
        };
        let zone = TimeZone::get(&self.scenario.time_zone).unwrap_or(TimeZone::UTC);
        let stamp = |ms: i64| {
            let at = Timestamp::from_millisecond(ms)
                .unwrap_or_default()
                .to_zoned(zone.clone());
            at.strftime("%Y-%m-%d %H:%M:%S").to_string()
        };
        let mut rows = Vec::new();
        for day in shown {
            for slice in slices(day, minutes, self.now.as_millisecond()) {
                rows.push(format!(
                    "\"{}\":{{\"1. open\":\"{:.4}\",\"2. high\":\"{:.4}\",\"3. low\":\"{:.4}\",\"4. close\":\"{:.4}\",\"5. \
                     volume\":\"{}\"}}",
                    stamp(slice.start),
                    slice.open,
                    slice.high,
                    slice.low,
                    slice.close,
                    slice.volume
                ));
            }
        }
        rows.reverse();
        if !self.is_full && month.is_empty() {
            rows.truncate(COMPACT);
        }
        let meta = json!({
            "1. Information": format!("Intraday ({interval}) open, high, low, close prices and volume"),
            "2. Symbol": self.listing.symbol, "3. Last Refreshed": stamp(self.now.as_millisecond()),
            "4. Interval": interval, "5. Output Size": self.output(), "6. Time Zone": "US/Eastern",
        });
        series(&meta, &format!("Time Series ({interval})"), &rows)
    }

    /// Those that have happened, and those that are declared.
    fn is_declared(&self, date: Date) -> bool {
        let ahead = self
            .today()
            .checked_add(jiff::Span::new().days(DECLARED_DAYS));
        ahead.is_ok_and(|ahead| date <= ahead)
    }

    fn splits(&self) -> Answer {
        let known = self
            .splits
            .iter()
            .rev()
            .filter(|split| self.is_declared(split.date));
        let rows: Vec<Value> = known
            .map(|split| {
                json!({
                    "effective_date": split.date.to_string(),
                    "split_factor": format!("{:.4}", split.ratio()),
                })
            })
            .collect();
        Answer::json(json!({"symbol": self.listing.symbol, "data": rows}).to_string())
    }

    fn dividends(&self) -> Answer {
        let mut known: Vec<_> = self.listing.dividends.iter().collect();
        known.sort_by_key(|dividend| std::cmp::Reverse(dividend.date));
        let known = known
            .into_iter()
            .filter(|dividend| self.is_declared(dividend.date));
        let rows: Vec<Value> = known
            .map(|dividend| {
                json!({
                    "ex_dividend_date": dividend.date.to_string(), "declaration_date": "None",
                    "record_date": "None", "payment_date": "None", "amount": dividend.amount.to_string(),
                })
            })
            .collect();
        Answer::json(json!({"symbol": self.listing.symbol, "data": rows}).to_string())
    }
}

fn minutes(interval: &str) -> Option<i64> {
    Some(match interval {
        "1min" => 1,
        "5min" => 5,
        "15min" => 15,
        "30min" => 30,
        "60min" => 60,
        _ => return None,
    })
}

fn prices(day: &Day) -> String {
    format!(
        "\"1. open\":\"{:.4}\",\"2. high\":\"{:.4}\",\"3. low\":\"{:.4}\",\"4. close\":\"{:.4}\"",
        day.open, day.high, day.low, day.close
    )
}

/// The rows stay in their order, which a JSON object of the library would not keep.
fn series(meta: &Value, name: &str, rows: &[String]) -> Answer {
    Answer::json(format!(
        "{{\"Meta Data\":{meta},\"{name}\":{{{}}}}}",
        rows.join(",")
    ))
}
