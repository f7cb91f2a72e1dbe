//! The days in which a provider may count, and the quiet time around their ends.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::time::{after, before, between};
use crate::{QUIET, Reset};

static NEW_YORK: TimeZone = jiff::tz::get!("America/New_York");

/// One day of a provider, from `start` to just before `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where the day is counted.
    pub name: String,
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Window {
    pub fn length(&self) -> Duration {
        between(self.start, self.end)
    }

    fn quiet(&self) -> Duration {
        QUIET.min(self.length() / 20)
    }

    /// When this day is believed to be over and the next to have begun.
    pub fn next_opens(&self) -> Timestamp {
        after(self.end, self.quiet())
    }

    /// Until when nothing may be sent at `at`; nothing outside the quiet times.
    pub fn quiet_until(&self, at: Timestamp) -> Option<Timestamp> {
        let opens = after(self.start, self.quiet());
        if at < opens {
            return Some(opens);
        }
        (at >= before(self.end, self.quiet())).then(|| self.next_opens())
    }
}

impl Reset {
    /// The day of each claim that holds `at`: never empty, the day in which Pipelines share first.
    pub(crate) fn windows(&self, at: Timestamp) -> Vec<Window> {
        match self {
            Self::Unknown => vec![day(&NEW_YORK, at), day(&TimeZone::UTC, at)],
            Self::Zone(zone) => vec![day(zone, at)],
            Self::Every(length) => vec![every(*length, at)],
        }
    }
}

fn day(zone: &TimeZone, at: Timestamp) -> Window {
    let local = at.to_zoned(zone.clone());
    let start = local.start_of_day();
    let end = local.tomorrow().and_then(|day| day.start_of_day());
    // Only at the ends of the calendar, in the years -9999 and 9999, is there no such day.
    Window {
        name: zone.iana_name().unwrap_or("UTC").to_owned(),
        start: start.map_or(Timestamp::MIN, |day| day.timestamp()),
        end: end.map_or(Timestamp::MAX, |day| day.timestamp()),
    }
}

fn every(length: Duration, at: Timestamp) -> Window {
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
    let start = at
        .as_millisecond()
        .div_euclid(millis)
        .saturating_mul(millis);
    let start = Timestamp::from_millisecond(start).unwrap_or(Timestamp::MIN);
    Window {
        name: format!("every {}s", length.as_secs()),
        start,
        end: after(start, length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_of_new_york_has_23_hours_in_march_and_25_in_november() {
        let reset = Reset::zone("America/New_York").unwrap();
        for (noon, start, end) in [
            (
                "2026-03-08T16:00:00Z",
                "2026-03-08T05:00:00Z",
                "2026-03-09T04:00:00Z",
            ),
            (
                "2026-07-01T16:00:00Z",
                "2026-07-01T04:00:00Z",
                "2026-07-02T04:00:00Z",
            ),
            (
                "2026-11-01T16:00:00Z",
                "2026-11-01T04:00:00Z",
                "2026-11-02T05:00:00Z",
            ),
        ] {
            let windows = reset.windows(at(noon));
            let window = windows.first().unwrap();
            assert_eq!((window.start, window.end), (at(start), at(end)), "{noon}");
        }
    }

    #[test]
    fn nothing_is_sent_around_a_midnight() {
        let window = day(&TimeZone::UTC, at("2026-05-05T10:00:00Z"));
        assert_eq!(
            window.quiet_until(at("2026-05-05T00:05:59Z")),
            Some(at("2026-05-05T00:06:00Z"))
        );
        assert_eq!(window.quiet_until(at("2026-05-05T00:06:00Z")), None);
        assert_eq!(window.quiet_until(at("2026-05-05T23:53:59Z")), None);
        assert_eq!(
            window.quiet_until(at("2026-05-05T23:54:00Z")),
            Some(at("2026-05-06T00:06:00Z"))
        );
        let short = every(Duration::from_secs(120), at("2026-05-05T10:00:00Z"));
        assert_eq!(
            short.quiet_until(at("2026-05-05T10:00:05Z")),
            Some(at("2026-05-05T10:00:06Z"))
        );
    }

    #[test]
    fn an_unknown_reset_has_both_claimed_days() {
        let names: Vec<_> = Reset::Unknown.windows(at("2026-05-05T02:00:00Z"));
        let starts: Vec<_> = names.iter().map(|w| w.start).collect();
        assert_eq!(
            starts,
            [at("2026-05-04T04:00:00Z"), at("2026-05-05T00:00:00Z")]
        );
    }
}
