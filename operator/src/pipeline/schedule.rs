//! `training.schedule`: a cron line read in a time zone, in wall time. Pure.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A cron line of five fields in its time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads a line; the error says why it is none.
    pub fn parse(line: &str, zone: TimeZone) -> Result<Self, String> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(line).map_err(|e| e.to_string())?;
        Ok(Self { cron, zone })
    }

    /// Newest time at or before `now`.
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(self.zone.clone());
        let last = self.cron.find_previous_occurrence(&now, true).ok()?;
        Some(last.timestamp())
    }

    /// First time after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&now, false).ok()?;
        Some(next.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occurrences_follow_the_zone_through_the_change_of_clocks() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let schedule = Schedule::parse("0 17 * * 1-5", zone).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // Sunday 2026-03-08 the clocks go forward: 17:00 is 22:00 UTC before it, 21:00 after it.
        let sunday = at("2026-03-08T12:00:00Z");
        assert_eq!(schedule.last(sunday), Some(at("2026-03-06T22:00:00Z")));
        assert_eq!(schedule.next(sunday), Some(at("2026-03-09T21:00:00Z")));
        let exactly = at("2026-03-09T21:00:00Z");
        assert_eq!(schedule.last(exactly), Some(exactly));
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        for line in ["", "* * * *", "61 * * * *", "0 0 * * * *", "0 22 * * xyz"] {
            assert!(Schedule::parse(line, TimeZone::UTC).is_err(), "{line}");
        }
    }
}
