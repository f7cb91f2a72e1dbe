//! Prices as they were traded, and what providers know of them at a time.

use jiff::Timestamp;
use jiff::civil::Date;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::scenario::{Hole, Listing, Scenario, Split};

/// Numbers of a session, as traded, in the major unit of the currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Day {
    pub date: Date,
    /// Start of the session, milliseconds UTC.
    pub start: i64,
    /// Its end.
    pub end: i64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
}

/// A bar within a session, as traded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slice {
    /// Start of the bar, milliseconds UTC.
    pub start: i64,
    /// Its end.
    pub end: i64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
}

/// The splits that providers know of at a time, declared ones of the future included, in the order of their dates.
pub(crate) fn known_splits(listing: &Listing, now: Timestamp) -> Vec<&Split> {
    let known = |split: &&Split| split.known.is_none_or(|known| known <= now);
    let mut splits: Vec<_> = listing.splits.iter().filter(known).collect();
    splits.sort_by_key(|split| split.date);
    splits
}

/// Days up to the one that is traded now, that one as far as it is traded, with the mistakes and the holes of now.
pub(crate) fn days(scenario: &Scenario, listing: &Listing, now: Timestamp) -> Vec<Day> {
    let now_ms = now.as_millisecond();
    let mut days = begun(scenario, listing, now);
    if let Some(last) = days.last_mut().filter(|last| last.end > now_ms) {
        *last = so_far(last, now_ms);
    }
    mistaken(&mut days, listing, now);
    days
}

/// The same with the whole of the day that is traded now: what [`slices`] cuts, so that the bars of the morning are the same
/// ones in the afternoon.
pub(crate) fn whole_days(scenario: &Scenario, listing: &Listing, now: Timestamp) -> Vec<Day> {
    let mut days = begun(scenario, listing, now);
    mistaken(&mut days, listing, now);
    days
}

/// Days that have begun and that the providers have, as they will be.
fn begun(scenario: &Scenario, listing: &Listing, now: Timestamp) -> Vec<Day> {
    traded(scenario, listing, now)
        .filter(|day| !hidden(listing, day.date, now))
        .collect()
}

fn mistaken(days: &mut [Day], listing: &Listing, now: Timestamp) {
    for mistake in &listing.mistakes {
        let corrected = mistake.until.is_some_and(|until| until <= now);
        let day = days.iter_mut().find(|day| day.date == mistake.date);
        if let Some(day) = day.filter(|_| !corrected) {
            day.close *= mistake.factor;
            (day.high, day.low) = (day.high.max(day.close), day.low.min(day.close));
        }
    }
}

fn hidden(listing: &Listing, date: Date, now: Timestamp) -> bool {
    let is_now = |hole: &Hole| {
        hole.from.is_none_or(|from| from <= now) && hole.until.is_none_or(|until| until > now)
    };
    let mut holes = listing.holes.iter();
    holes.any(|hole| hole.date == date && is_now(hole))
}

/// A day of which only a part is over.
fn so_far(day: &Day, now: i64) -> Day {
    let part = (now - day.start) as f64 / (day.end - day.start).max(1) as f64;
    let close = day.open + (day.close - day.open) * part;
    Day {
        high: day.open.max(close),
        low: day.open.min(close),
        close,
        volume: (day.volume * part).round(),
        ..*day
    }
}

/// Days of which at least a part is over.
fn traded<'a>(
    scenario: &'a Scenario,
    listing: &'a Listing,
    now: Timestamp,
) -> impl Iterator<Item = Day> + 'a {
    let calendar = scenario.calendar;
    let mut walk = Walk::new(scenario, listing);
    let sessions = calendar.sessions(scenario.start, Date::MAX);
    sessions
        .map(move |date| (date, calendar.session_open(date)))
        .take_while(move |(_, start)| *start < now.as_millisecond())
        .map(move |(date, start)| walk.day(date, (start, calendar.session_end(date))))
}

/// A random walk that a seed and a symbol decide.
struct Walk {
    random: ChaCha8Rng,
    close: f64,
    volatility: f64,
    splits: Vec<Split>,
}

impl Walk {
    fn new(scenario: &Scenario, listing: &Listing) -> Self {
        let seed = mixed(scenario.seed, &listing.symbol);
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            close: listing.price,
            volatility: listing.volatility,
            splits: listing.splits.clone(),
        }
    }

    fn day(&mut self, date: Date, (start, end): (i64, i64)) -> Day {
        let ratio: f64 = self
            .splits
            .iter()
            .filter(|s| s.date == date)
            .map(Split::ratio)
            .product();
        let before = self.close / ratio;
        let spread = self.volatility;
        let open = rounded(before * (0.3 * spread * self.normal()).exp());
        let close = rounded(before * (spread * self.normal()).exp());
        let high = rounded(open.max(close) * (0.4 * spread * self.normal().abs()).exp());
        let low = rounded(open.min(close) * (-0.4 * spread * self.normal().abs()).exp());
        let volume = (1e6 * (0.4 * self.normal()).exp()).round();
        self.close = close;
        Day {
            date,
            start,
            end,
            open,
            high,
            low,
            close,
            volume,
        }
    }

    /// Box-Muller, from two uniforms.
    fn normal(&mut self) -> f64 {
        let (a, b): (f64, f64) = (self.random.random(), self.random.random());
        (-2.0 * (1.0 - a).ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
    }
}

/// Prices have four decimals, as Alpha Vantage prints them, so that both providers speak of the same ones.
fn rounded(price: f64) -> f64 {
    (price * 1e4).round().max(1.0) / 1e4
}

/// FNV-1a over a symbol, from a seed on.
fn mixed(seed: u64, symbol: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    symbol.bytes().fold(start, step)
}

/// The bars of so many minutes within a day, those that are over at `now` in milliseconds UTC. The first opens where the
/// day opens, the last, which may be shorter, closes where it closes, and one of them reaches its high and one its low. Short
/// ones add up to long ones.
pub(crate) fn slices(day: &Day, minutes: i64, now: i64) -> Vec<Slice> {
    let step = minutes.max(1) * 60_000;
    let length = (day.end - day.start).max(1);
    let part = |at: i64| (at - day.start) as f64 / length as f64;
    let price = |at: i64| day.open + (day.close - day.open) * part(at);
    let until = |at: i64| (day.volume * part(at)).round();
    let (top, bottom) = (day.start + length / 3, day.start + 2 * length / 3);
    let slice = |start: i64| {
        let end = (start + step).min(day.end);
        let (open, close) = (price(start), price(end));
        let holds = |moment: i64| (start..end).contains(&moment);
        let high = if holds(top) {
            day.high
        } else {
            open.max(close)
        };
        let low = if holds(bottom) {
            day.low
        } else {
            open.min(close)
        };
        Slice {
            start,
            end,
            open: rounded(open),
            high: rounded(high),
            low: rounded(low),
            close: rounded(close),
            volume: until(end) - until(start),
        }
    };
    let count = length / step + i64::from(length % step > 0);
    (0..count)
        .map(|index| slice(day.start + index * step))
        .take_while(|slice| slice.end <= now)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(extra: &str) -> Scenario {
        let yaml = format!(
            "start: 2024-01-02\nclock: 2024-03-01T15:00:00Z\nsymbols: [{{symbol: IBM, {extra}}}]\n"
        );
        Scenario::read(&yaml).unwrap()
    }

    fn known(scenario: &Scenario, now: &str) -> Vec<Day> {
        days(scenario, &scenario.symbols[0], now.parse().unwrap())
    }

    #[test]
    fn a_seed_and_a_symbol_decide_every_price_and_time_only_adds() {
        let scenario = scenario("");
        let march = known(&scenario, "2024-03-01T23:00:00Z");
        let april = known(&scenario, "2024-04-01T23:00:00Z");
        assert_eq!(march[..], april[..march.len()]);
        assert!(
            april.len() > march.len() && march.len() == 42,
            "{}",
            march.len()
        );
        let mut other = scenario.clone();
        other.seed = 1;
        assert_ne!(known(&other, "2024-03-01T23:00:00Z"), march);
        for day in &march {
            assert!(day.low <= day.open.min(day.close) && day.high >= day.open.max(day.close));
        }
    }

    #[test]
    fn a_split_divides_prices_from_its_day_on() {
        let plain = known(&scenario(""), "2024-03-01T23:00:00Z");
        let split = "splits: [{date: 2024-02-01, numerator: 4, denominator: 1}]";
        let split = known(&scenario(split), "2024-03-01T23:00:00Z");
        for (before, after) in plain.iter().zip(&split) {
            let ratio = if after.date < Date::constant(2024, 2, 1) {
                1.0
            } else {
                4.0
            };
            assert!(
                (before.close / after.close / ratio - 1.0).abs() < 1e-2,
                "{after:?}"
            );
        }
    }

    #[test]
    fn mistakes_are_corrected_and_holes_filled_when_their_time_has_come() {
        let scenario = scenario(
            "mistakes: [{date: 2024-01-10, factor: 1.5, until: 2024-02-01T00:00:00Z}], \
             holes: [{date: 2024-01-11, until: 2024-02-01T00:00:00Z}, {date: 2024-01-12, from: 2024-02-02T00:00:00Z}]",
        );
        let gone = known(&scenario, "2024-02-01T23:00:00Z").len();
        assert_eq!(known(&scenario, "2024-02-02T00:00:00Z").len(), gone - 1);
        let wrong = known(&scenario, "2024-01-31T23:00:00Z");
        let right = known(&scenario, "2024-02-01T00:00:00Z");
        assert_eq!(right.len(), wrong.len() + 1);
        let close = |days: &[Day]| {
            let day = days
                .iter()
                .find(|day| day.date == Date::constant(2024, 1, 10));
            day.unwrap().close
        };
        assert_eq!(close(&wrong), close(&right) * 1.5);
    }

    #[test]
    fn the_day_that_is_traded_is_known_in_part() {
        let scenario = scenario("");
        let noon = known(&scenario, "2024-01-03T18:00:00Z");
        let night = known(&scenario, "2024-01-03T22:00:00Z");
        assert_eq!((noon.len(), noon[0]), (2, night[0]));
        assert!(noon[1].volume < night[1].volume && noon[1].open == night[1].open);
    }

    #[test]
    fn the_bars_within_a_day_add_up_to_it() {
        let day = known(&scenario(""), "2024-01-02T23:00:00Z")[0];
        for minutes in [1, 5, 30] {
            let slices = slices(&day, minutes, i64::MAX);
            assert_eq!(slices.len() as i64, 390 / minutes);
            assert_eq!((slices[0].open, slices[0].start), (day.open, day.start));
            assert_eq!(slices.last().unwrap().close, day.close);
            assert_eq!(slices.iter().map(|s| s.high).fold(0.0, f64::max), day.high);
            assert_eq!(slices.iter().map(|s| s.low).fold(1e9, f64::min), day.low);
        }
        assert_eq!(slices(&day, 5, day.start + 600_000).len(), 2);
        let halves = slices(&day, 30, i64::MAX);
        let hours = slices(&day, 60, i64::MAX);
        for (hour, parts) in hours.iter().zip(halves.chunks(2)) {
            assert_eq!(
                hour.volume,
                parts.iter().map(|part| part.volume).sum::<f64>()
            );
            assert_eq!(
                (hour.open, hour.close),
                (parts[0].open, parts[parts.len() - 1].close)
            );
            assert_eq!(
                hour.high,
                parts.iter().map(|part| part.high).fold(0.0, f64::max)
            );
        }
        assert_eq!(
            (hours.len(), hours[6].end),
            (7, day.end),
            "half an hour at the end"
        );
        assert_eq!(hours[6].close, day.close);
    }

    #[test]
    fn the_bars_of_the_morning_are_the_same_ones_in_the_afternoon() {
        let scenario = scenario("");
        let known = |now: &str| {
            let now: Timestamp = now.parse().unwrap();
            let days = whole_days(&scenario, &scenario.symbols[0], now);
            slices(days.last().unwrap(), 5, now.as_millisecond())
        };
        let (noon, night) = (known("2024-01-03T18:00:00Z"), known("2024-01-03T22:00:00Z"));
        assert_eq!((noon.len(), night.len()), (42, 78));
        assert_eq!(noon[..], night[..42]);
    }
}
