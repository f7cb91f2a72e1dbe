//! `training.schedule`: a cron line read in a time zone, in wall time, or a time after the end of each session. Pure.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use foresail_crds::duration::DurationString;
use foresail_domain::Calendar;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// What a schedule begins with that follows the calendar.
const CLOSE: &str = "close+";
/// Days that are looked at for a session: no exchange was ever closed for so long.
const DAYS: i32 = 400;

/// When runs start.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// A cron line of five fields in its time zone.
    Cron(Box<Cron>, TimeZone),
    /// So long after the end of each session of a calendar.
    AfterClose(SignedDuration, Calendar),
}

impl Schedule {
    /// Reads a cron line, or `close+30m`; the error says why it is none.
    pub fn parse(line: &str, zone: TimeZone, calendar: &Calendar) -> Result<Self, String> {
        if let Some(delay) = line.strip_prefix(CLOSE) {
            let delay = DurationString::from(delay).as_duration();
            let delay = delay.and_then(|delay| SignedDuration::try_from(delay).ok());
            let delay = delay.ok_or("no time follows close+")?;
            return Ok(Self::AfterClose(delay, calendar.clone()));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(line).map_err(|e| e.to_string())?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    /// Newest time at or before `now`.
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron, zone) => {
                let now = now.to_zoned(zone.clone());
                let last = cron.find_previous_occurrence(&now, true).ok()?;
                Some(last.timestamp())
            }
            Self::AfterClose(delay, calendar) => {
                closes(now, *delay, calendar, -1).find(|time| *time <= now)
            }
        }
    }

    /// First time after `now`; none when the calendar knows no later session.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron, zone) => {
                let now = now.to_zoned(zone.clone());
                let next = cron.find_next_occurrence(&now, false).ok()?;
                Some(next.timestamp())
            }
            Self::AfterClose(delay, calendar) => {
                closes(now, *delay, calendar, 1).find(|time| *time > now)
            }
        }
    }
}

/// The ends of sessions, each with the delay, from around `now` on, forwards or backwards in time.
fn closes(
    now: Timestamp,
    delay: SignedDuration,
    calendar: &Calendar,
    step: i32,
) -> impl Iterator<Item = Timestamp> {
    let around = now.saturating_sub(delay).unwrap_or(now);
    let around = around.to_zoned(TimeZone::UTC).date();
    // The session of a day may end on the day before or after, by UTC.
    let days = (-2..DAYS).map(move |day| around.saturating_add((day * step).days()));
    let open = days.filter(|day: &Date| calendar.covers(*day) && calendar.is_session(*day));
    open.filter_map(move |day| {
        let end = Timestamp::from_millisecond(calendar.session_end(day)).ok()?;
        end.checked_add(delay).ok()
    })
}

#[cfg(test)]
mod tests {
    use foresail_domain::{CalendarOverride, TradingCalendar};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn parsed(line: &str, zone: TimeZone) -> Result<Schedule, String> {
        let early = CalendarOverride {
            date: "2026-03-10".into(),
            closes_at: Some("13:00".into()),
            ..CalendarOverride::default()
        };
        let calendar = Calendar::new(TradingCalendar::Xnys, &[early]).unwrap();
        Schedule::parse(line, zone, &calendar)
    }

    #[test]
    fn occurrences_follow_the_zone_through_the_change_of_clocks() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let schedule = parsed("0 17 * * 1-5", zone).unwrap();
        // Sunday 2026-03-08 the clocks go forward: 17:00 is 22:00 UTC before it, 21:00 after it.
        let sunday = at("2026-03-08T12:00:00Z");
        assert_eq!(schedule.last(sunday), Some(at("2026-03-06T22:00:00Z")));
        assert_eq!(schedule.next(sunday), Some(at("2026-03-09T21:00:00Z")));
        let exactly = at("2026-03-09T21:00:00Z");
        assert_eq!(schedule.last(exactly), Some(exactly));
    }

    #[test]
    fn a_time_after_the_close_follows_the_sessions() {
        let schedule = parsed("close+30m", TimeZone::UTC).unwrap();
        let both = |now| [schedule.last(at(now)), schedule.next(at(now))];
        let times = |last, next| [Some(at(last)), Some(at(next))];
        // A weekend in which the clocks go forward, and a session that an override ends early.
        let (friday, monday) = ("2026-03-06T21:30:00Z", "2026-03-09T20:30:00Z");
        assert_eq!(both("2026-03-07T12:00:00Z"), times(friday, monday));
        assert_eq!(both("2026-03-09T20:29:59Z"), times(friday, monday));
        let early = "2026-03-10T17:30:00Z";
        assert_eq!(both(monday), times(monday, early));
        // Thanksgiving, and the half day behind it.
        assert_eq!(
            both("2026-11-26T23:00:00Z"),
            times("2026-11-25T21:30:00Z", "2026-11-27T18:30:00Z")
        );
        let late = parsed("close+20h", TimeZone::UTC).unwrap();
        let saturday = at("2026-03-07T17:00:00Z");
        assert_eq!(late.last(saturday), Some(saturday));
        assert_eq!(late.next(saturday), Some(at("2026-03-10T16:00:00Z")));
        let end = at("2027-12-31T22:00:00Z");
        assert_eq!(schedule.next(end), None, "the calendar knows no more");
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        for line in [
            "",
            "* * * *",
            "61 * * * *",
            "0 0 * * * *",
            "0 22 * * xyz",
            "close+",
            "close+soon",
            "close-30m",
        ] {
            assert!(parsed(line, TimeZone::UTC).is_err(), "{line}");
        }
    }
}
