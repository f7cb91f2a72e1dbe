//! From a request and a clock to an answer.

use jiff::Timestamp;

use crate::alpha_vantage;
use crate::answer::Answer;
use crate::door::{Limit, Seen};
use crate::failures::{self, Failures};
use crate::request::Request;
use crate::scenario::{BadScenario, FailureKind, Key, Listing, Provider, Scenario};
use crate::yahoo;

/// A scenario that is being played.
#[derive(Clone, Debug)]
pub struct Simulation {
    scenario: Scenario,
    failures: Failures,
    seen: Seen,
    /// Yahoo's limit in the form of a key's.
    yahoo: Key,
}

impl Simulation {
    /// Before the first request.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            failures: Failures::new(&scenario.failures),
            seen: Seen::default(),
            yahoo: Key {
                key: "yahoo".into(),
                premium: true,
                per_second: None,
                per_minute: scenario.yahoo_per_minute,
                per_day: None,
                reset_time_zone: "UTC".into(),
            },
            scenario,
        }
    }

    /// Lists a symbol from now on, instead of what was listed under its code.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn list(&mut self, listing: Listing) -> Result<(), BadScenario> {
        let mut changed = self.scenario.clone();
        changed
            .symbols
            .retain(|known| known.symbol != listing.symbol);
        changed.symbols.push(listing);
        changed.check()?;
        self.scenario = changed;
        Ok(())
    }

    /// What has been asked and answered so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The answer to a request at a time of the market's clock and of the wall, the latter in milliseconds UTC.
    pub fn answer(&mut self, request: &Request, now: Timestamp, wall: i64) -> Answer {
        let (answer, what) = self.judge(request, now, wall);
        *self.seen.answers.entry(what).or_default() += 1;
        answer
    }

    fn judge(&mut self, request: &Request, now: Timestamp, wall: i64) -> (Answer, &'static str) {
        let Some(provider) = request.provider() else {
            return (Answer::text(404, "Not Found"), "notFound");
        };
        let key = match self.key(provider, request) {
            Ok(key) => key,
            Err(refused) => return (refused, "badKey"),
        };
        let counts = self.seen.keys.entry(key.key.clone()).or_default();
        if let Err(limit) = counts.count(&key, now, wall) {
            return (too_many(provider, &key, limit), "tooMany");
        }
        let failure = self.failures.next(request, now);
        let instead = failure.as_ref();
        let instead = instead.and_then(|failure| failures::instead(failure, request.get("apikey")));
        if let Some(instead) = instead {
            return (instead, "failed");
        }
        let kind = failure.map(|failure| failure.kind);
        let wanted = self
            .scenario
            .symbols
            .iter()
            .find(|l| l.symbol == request.symbol());
        let listing = match kind {
            Some(FailureKind::WrongSymbol) => {
                let other = |l: &&Listing| l.symbol != request.symbol();
                self.scenario.symbols.iter().find(other).or(wanted)
            }
            _ => wanted,
        };
        let listing = listing.and_then(|listing| listing.known_to(provider));
        let market = (&self.scenario, listing.as_ref(), now);
        let answer = match provider {
            Provider::AlphaVantage => alpha_vantage::answer(request, market, &key),
            Provider::Yahoo => yahoo::answer(request, market),
        };
        match kind {
            Some(kind) => (failures::spoilt(kind, answer), "failed"),
            None => (answer, "answered"),
        }
    }

    /// The key of a request and what was paid for it.
    fn key(&self, provider: Provider, request: &Request) -> Result<Key, Answer> {
        if provider == Provider::Yahoo {
            return Ok(self.yahoo.clone());
        }
        let given = request.get("apikey");
        let known = self.scenario.keys.iter().find(|key| key.key == given);
        match known {
            Some(key) => Ok(key.clone()),
            None if self.scenario.keys.is_empty() && !given.is_empty() => Ok(Key {
                key: given.into(),
                ..self.yahoo.clone()
            }),
            None => Err(alpha_vantage::bad_key()),
        }
    }
}

fn too_many(provider: Provider, key: &Key, limit: Limit) -> Answer {
    match provider {
        Provider::AlphaVantage => alpha_vantage::too_many(key, limit),
        Provider::Yahoo => Answer::text(429, "Too Many Requests").with("retry-after", "2"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::door::KeyCounts;

    const SCENARIO: &str = "
start: 2023-12-01
clock: 2024-01-02T15:00:00Z
symbols:
- symbol: IBM
  splits: [{date: 2024-01-05, numerator: 2, denominator: 1}, {date: 2024-03-01, numerator: 3, denominator: 1}]
  dividends: [{date: 2024-01-08, amount: 1.5}]
- symbol: VOD.L
  currency: GBp
keys:
- {key: FREE1, perSecond: 1, perDay: 3}
- {key: PAID1, premium: true, perMinute: 75}
";

    fn simulation(extra: &str) -> Simulation {
        Simulation::new(Scenario::read(&format!("{SCENARIO}{extra}")).unwrap())
    }

    fn request(path: &str, query: &[(&str, &str)]) -> Request {
        Request {
            path: path.into(),
            query: query
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
        }
    }

    fn daily(key: &str) -> Request {
        let query = [
            ("function", "TIME_SERIES_DAILY"),
            ("symbol", "IBM"),
            ("apikey", key),
        ];
        request("/query", &query)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn json(answer: &Answer) -> Value {
        serde_json::from_str(&answer.body).unwrap()
    }

    #[test]
    fn a_free_key_is_held_to_its_second_and_its_day_and_is_echoed() {
        let mut simulation = simulation("");
        let now = at("2024-01-12T22:00:00Z");
        let mut ask = |wall| simulation.answer(&daily("FREE1"), now, wall).body;
        assert!(ask(0).contains("Time Series (Daily)"));
        assert!(ask(10).contains("1 request per second"));
        assert!(ask(2_000).contains("Time Series") && ask(4_000).contains("Time Series"));
        let spent = ask(6_000);
        assert!(
            spent.contains("FREE1") && spent.contains("per day"),
            "{spent}"
        );
        assert_eq!(
            simulation.seen().keys["FREE1"]
                .answered
                .values()
                .sum::<u32>(),
            3
        );
        let unknown = simulation.answer(&daily("NOBODY"), now, 0).body;
        assert!(unknown.contains("invalid or missing"), "{unknown}");
    }

    #[test]
    fn prices_of_alpha_vantage_are_as_traded_and_those_of_yahoo_split_adjusted_to_the_day() {
        let mut simulation = simulation("");
        let chart = request(
            "/v8/finance/chart/IBM",
            &[
                ("range", "max"),
                ("interval", "1d"),
                ("events", "div,splits"),
            ],
        );
        // In January the split of March is not known, later the whole history is restated.
        for (now, ratio) in [("2024-01-12T22:00:00Z", 1.0), ("2024-03-02T22:00:00Z", 3.0)] {
            let traded = json(&simulation.answer(&daily("PAID1"), at(now), 0));
            let yahoo = json(&simulation.answer(&chart, at(now), 0));
            let result = &yahoo["chart"]["result"][0];
            let closes = &result["indicators"]["quote"][0]["close"];
            let stamps = result["timestamp"].as_array().unwrap();
            for (index, stamp) in stamps.iter().enumerate() {
                let date = Timestamp::from_second(stamp.as_i64().unwrap()).unwrap();
                let date = date.to_zoned(jiff::tz::TimeZone::UTC).date();
                let row = &traded["Time Series (Daily)"][date.to_string()];
                let close: f64 = row["4. close"].as_str().unwrap().parse().unwrap();
                let january = if date < jiff::civil::date(2024, 1, 5) {
                    2.0
                } else {
                    1.0
                };
                let march = if date < jiff::civil::date(2024, 3, 1) {
                    ratio
                } else {
                    1.0
                };
                let again = closes[index].as_f64().unwrap() * january * march;
                assert!(
                    (again / close - 1.0).abs() < 1e-6,
                    "{date}: {again} {close}"
                );
            }
            let dividend = result["events"]["dividends"]
                .as_object()
                .unwrap()
                .values()
                .next();
            assert!((dividend.unwrap()["amount"].as_f64().unwrap() * ratio - 1.5).abs() < 1e-6);
        }
    }

    #[test]
    fn what_is_premium_is_refused_to_a_free_key_and_answered_to_a_paid_one() {
        let mut simulation = simulation("");
        let now = at("2024-01-12T22:00:00Z");
        for function in ["TIME_SERIES_DAILY_ADJUSTED", "TIME_SERIES_INTRADAY"] {
            let ask = |key| {
                let query = [
                    ("function", function),
                    ("symbol", "IBM"),
                    ("interval", "5min"),
                    ("apikey", key),
                ];
                request("/query", &query)
            };
            let refused = simulation.answer(&ask("FREE1"), now, 0).body;
            assert!(refused.contains("premium endpoint"), "{refused}");
            let answered = simulation.answer(&ask("PAID1"), now, 0).body;
            assert!(answered.contains("Time Series"), "{answered}");
            *simulation.seen.keys.get_mut("FREE1").unwrap() = KeyCounts::default();
        }
        let mut full = daily("FREE1");
        full.query.insert("outputsize".into(), "full".into());
        assert!(
            simulation
                .answer(&full, now, 0)
                .body
                .contains("premium feature")
        );
    }

    #[test]
    fn minor_units_are_a_hundred_times_as_many() {
        let mut simulation = simulation("");
        let now = at("2024-01-12T22:00:00Z");
        let chart = request(
            "/v8/finance/chart/VOD.L",
            &[("range", "1mo"), ("interval", "1d")],
        );
        let yahoo = json(&simulation.answer(&chart, now, 0));
        let result = &yahoo["chart"]["result"][0];
        assert_eq!(result["meta"]["currency"], "GBp");
        let close = result["indicators"]["quote"][0]["close"][0]
            .as_f64()
            .unwrap();
        assert!((5_000.0..20_000.0).contains(&close), "{close}");
    }

    #[test]
    fn what_one_provider_has_wrong_or_lacks_is_right_at_the_other() {
        let market = "seed: 1\nstart: 2024-01-02\nclock: 2024-01-12T22:00:00Z\nsymbols:\n\
                      - {symbol: IBM, mistakes: [{date: 2024-01-10, factor: 2, provider: Yahoo}], \
                      holes: [{date: 2024-01-11, provider: Yahoo}]}\n- {symbol: HERE, provider: AlphaVantage}\n";
        let scenario = Scenario::read(market).unwrap();
        let [ibm, here] = &scenario.symbols[..] else {
            panic!("two are listed")
        };
        let counts = |provider| {
            let known = ibm.known_to(provider).unwrap();
            (
                known.mistakes.len(),
                known.holes.len(),
                here.known_to(provider).is_some(),
            )
        };
        assert_eq!(counts(Provider::Yahoo), (1, 1, false));
        assert_eq!(counts(Provider::AlphaVantage), (0, 0, true));
    }

    #[test]
    fn every_failure_spoils_an_answer_and_the_next_is_whole() {
        use FailureKind::*;
        let now = at("2024-01-12T22:00:00Z");
        let whole = simulation("").answer(&daily("PAID1"), now, 0);
        let kinds = [
            Down,
            Html,
            Unknown,
            Empty,
            Torn,
            Cut,
            Slow,
            Bomb,
            Redirect,
            WrongSymbol,
            ChangedSchema,
            Unauthorized,
            TooManyRequests,
            Echo,
            EchoError,
        ];
        for kind in kinds {
            let failure = format!("failures: [{{kind: {kind:?}, every: 2}}]\n");
            let mut simulation = simulation(&failure);
            assert_eq!(
                simulation.answer(&daily("PAID1"), now, 0),
                whole,
                "{kind:?}"
            );
            assert_ne!(
                simulation.answer(&daily("PAID1"), now, 0),
                whole,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn the_key_comes_back_in_every_form_where_that_is_asked_for() {
        let answer = |failure: &str| {
            let mut simulation = simulation(&format!("failures: [{failure}]\n"));
            let answer = simulation.answer(&daily("PAID1"), at("2024-01-12T22:00:00Z"), 0);
            format!("{} {:?} {}", answer.status, answer.headers, answer.body)
        };
        for kind in ["{kind: Echo}", "{kind: EchoError}"] {
            let said = answer(kind);
            for form in [
                "PAID1",
                "paid1",
                "%50%41%49%44%31",
                "UEFJRDE=",
                "OlBBSUQx",
                "dTpQQUlEMQ==",
            ] {
                assert!(said.contains(form), "{kind} {form}: {said}");
            }
        }
        let moved = answer("{kind: Redirect, location: \"http://10.0.0.1/?apikey={key}\"}");
        assert!(
            moved.contains("http://10.0.0.1/?apikey=%50%41%49%44%31"),
            "{moved}"
        );
    }

    #[test]
    fn a_symbol_that_nobody_trades_and_a_window_without_a_session_are_told_as_the_providers_do() {
        let mut simulation = simulation("");
        let now = at("2024-01-12T22:00:00Z");
        let gone = simulation.answer(&request("/v8/finance/chart/GONE", &[]), now, 0);
        assert!(
            gone.status == 404 && gone.body.contains("delisted"),
            "{gone:?}"
        );
        let weekend = [
            ("period1", "1704499200"),
            ("period2", "1704585600"),
            ("interval", "1d"),
        ];
        let empty = json(&simulation.answer(&request("/v8/finance/chart/IBM", &weekend), now, 0));
        assert!(
            empty["chart"]["result"][0]["timestamp"].is_null(),
            "{empty}"
        );
        let far = [("range", "max"), ("interval", "1m")];
        assert_eq!(
            simulation
                .answer(&request("/v8/finance/chart/IBM", &far), now, 0)
                .status,
            422
        );
        let mut gone = daily("PAID1");
        gone.query.insert("symbol".into(), "GONE".into());
        assert!(
            simulation
                .answer(&gone, now, 0)
                .body
                .contains("Invalid API call")
        );
    }
}
