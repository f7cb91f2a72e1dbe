//! Who has asked how often, by the clocks of the provider: days of the market's clock, seconds and minutes of the wall.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::scenario::Key;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60_000;

/// What a request runs into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Second,
    Minute,
    Day,
}

/// Requests of one key, as the provider has counted them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCounts {
    /// Requests answered on each day of the market's clock.
    pub answered: BTreeMap<Date, u32>,
    /// Requests that were too many: for the second, the minute and the day.
    pub refused: BTreeMap<&'static str, u32>,
    /// Most requests within any second.
    pub most_in_a_second: u32,
    /// Most requests within any minute.
    pub most_in_a_minute: u32,
    /// Wall times of the requests of the last minute, milliseconds UTC.
    #[serde(skip)]
    recent: VecDeque<i64>,
}

/// Everything the provider has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// By key; requests to Yahoo are those of the key `yahoo`.
    pub keys: BTreeMap<String, KeyCounts>,
    /// Answers by what they were.
    pub answers: BTreeMap<&'static str, u64>,
}

impl KeyCounts {
    /// Counts a request at this time of the market's clock and of the wall, unless it is one too many.
    pub(crate) fn count(&mut self, key: &Key, now: Timestamp, wall: i64) -> Result<(), Limit> {
        let zone = TimeZone::get(&key.reset_time_zone).unwrap_or(TimeZone::UTC);
        let today = now.to_zoned(zone).date();
        while self
            .recent
            .front()
            .is_some_and(|first| first + MINUTE_MS <= wall)
        {
            self.recent.pop_front();
        }
        let second = self
            .recent
            .iter()
            .filter(|at| **at + SECOND_MS > wall)
            .count();
        let within = |limit: Option<u32>, count: usize| {
            limit.is_none_or(|limit| count < usize::try_from(limit).unwrap_or(usize::MAX))
        };
        let day = self.answered.get(&today).copied().unwrap_or(0);
        let limit = if !within(key.per_second, second) {
            Some((Limit::Second, "second"))
        } else if !within(key.per_minute, self.recent.len()) {
            Some((Limit::Minute, "minute"))
        } else if key.per_day.is_some_and(|most| day >= most) {
            Some((Limit::Day, "day"))
        } else {
            None
        };
        if let Some((limit, name)) = limit {
            *self.refused.entry(name).or_default() += 1;
            return Err(limit);
        }
        self.recent.push_back(wall);
        *self.answered.entry(today).or_default() += 1;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.most_in_a_second = self.most_in_a_second.max(count(second + 1));
        self.most_in_a_minute = self.most_in_a_minute.max(count(self.recent.len()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            key: "k".into(),
            premium: false,
            per_second: Some(2),
            per_minute: Some(4),
            per_day: Some(6),
            reset_time_zone: "America/New_York".into(),
        }
    }

    #[test]
    fn each_window_has_its_limit_and_days_begin_in_the_zone_of_the_key() {
        let (mut counts, key) = (KeyCounts::default(), key());
        let evening: Timestamp = "2024-01-03T04:59:59Z".parse().unwrap();
        let mut ask = |now, wall| counts.count(&key, now, wall);
        assert_eq!(
            [ask(evening, 0), ask(evening, 1), ask(evening, 2)],
            [Ok(()), Ok(()), Err(Limit::Second)]
        );
        assert_eq!([ask(evening, 1_001), ask(evening, 1_002)], [Ok(()), Ok(())]);
        assert_eq!(ask(evening, 3_000), Err(Limit::Minute));
        assert_eq!(
            [ask(evening, 60_001), ask(evening, 61_100)],
            [Ok(()), Ok(())]
        );
        assert_eq!(ask(evening, 200_000), Err(Limit::Day));
        let midnight: Timestamp = "2024-01-03T05:00:00Z".parse().unwrap();
        assert_eq!(ask(midnight, 200_000), Ok(()));
        assert_eq!((counts.most_in_a_second, counts.most_in_a_minute), (2, 4));
        assert_eq!(counts.refused.values().sum::<u32>(), 3);
    }
}
