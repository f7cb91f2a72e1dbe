//! Whether calendar and interval still say of stored bars what they said when these were stored. Its end is the identity of a
//! bar: after a change of the past the same bar would be another one beside it.

use foresail_crds::records::SourceState;
use foresail_domain::{BarGrid, CalendarOverride, Interval};
use foresail_runtime_base::RoleError;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::marks::Marks;

/// Refuses an interval that is not that of the stored bars, and a calendar that moves bars that are stored: another exchange,
/// or overrides of days up to the newest bar that were not there, or were others, when the last bar was stored.
///
/// # Errors
/// User errors `IntervalConflict` and `CalendarConflict`.
pub(crate) fn check(
    stored: Option<&SourceState>,
    marks: &Marks,
    grid: &BarGrid,
) -> Result<(), RoleError> {
    if let Some(stored) = stored.filter(|_| !marks.0.is_empty()) {
        same_interval(stored.interval, grid.interval())?;
    }
    let calendar = grid.calendar();
    for (symbol, time) in &marks.0 {
        let is_end = match grid.interval() {
            Interval::Session => calendar.session_end(calendar.session_date(*time)) == *time,
            _ => grid.ending(*time).is_some(),
        };
        if !is_end {
            let date = calendar.session_date(*time);
            let what = format!(
                "the newest bar of {symbol} is stored with its end at {}, and by the calendar {} no bar ends then, but the \
                 session at {}",
                utc(*time),
                calendar.name(),
                utc(calendar.session_end(date))
            );
            return Err(conflict(&what));
        }
    }
    let newest = marks
        .0
        .values()
        .max()
        .map(|time| calendar.session_date(*time));
    let (Some(stored), Some(newest)) = (stored, newest) else {
        return Ok(());
    };
    let moved = changed(&stored.calendar_overrides, calendar.overrides());
    match moved.filter(|date| *date <= newest).min() {
        Some(date) => Err(conflict(&format!(
            "spec.calendarOverrides changes {date}, and bars are stored up to {newest}"
        ))),
        None => Ok(()),
    }
}

fn same_interval(stored: Interval, declared: Interval) -> Result<(), RoleError> {
    if stored == declared {
        return Ok(());
    }
    let message = format!(
        "bars of {stored} are stored, and source.interval is {declared} now; take the change back, or make another Pipeline \
         for bars of {declared}"
    );
    Err(RoleError::user("IntervalConflict", message))
}

/// Days that one of these has and the other has not, or has otherwise.
fn changed<'a>(
    before: &'a [CalendarOverride],
    after: &'a [CalendarOverride],
) -> impl Iterator<Item = Date> + 'a {
    let gone = before.iter().filter(|of| !after.contains(of));
    let new = after.iter().filter(|of| !before.contains(of));
    gone.chain(new).filter_map(|of| of.date.parse().ok())
}

fn conflict(what: &str) -> RoleError {
    let message = format!("{what}; take the change back, or make the Pipeline again with it");
    RoleError::user("CalendarConflict", message)
}

fn utc(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use foresail_domain::{Calendar, TradingCalendar};

    use super::*;

    fn closed(date: &str) -> CalendarOverride {
        CalendarOverride {
            date: date.into(),
            closed: Some(true),
            ..CalendarOverride::default()
        }
    }

    fn early(date: &str) -> CalendarOverride {
        CalendarOverride {
            date: date.into(),
            closes_at: Some("13:00".into()),
            ..CalendarOverride::default()
        }
    }

    fn with(overrides: &[CalendarOverride]) -> Calendar {
        Calendar::new(TradingCalendar::Xnys, overrides).unwrap()
    }

    fn daily(calendar: &Calendar) -> BarGrid {
        BarGrid::new(calendar.clone(), Interval::Session)
    }

    /// Bars up to a day, stored with a calendar, which becomes another one.
    fn becomes(day: &str, before: &Calendar, after: &Calendar) -> Result<(), RoleError> {
        let mut marks = Marks::default();
        marks.add("X", before.session_end(day.parse().unwrap()));
        let stored = SourceState {
            calendar_overrides: before.overrides().to_vec(),
            ..SourceState::default()
        };
        check(Some(&stored), &marks, &daily(after))
    }

    #[test]
    fn days_to_come_may_change_and_days_of_stored_bars_may_not() {
        let (none, closed) = (with(&[]), with(&[closed("2024-03-04")]));
        assert_eq!(becomes("2024-03-01", &none, &closed), Ok(()));
        for (before, after) in [(&none, &closed), (&closed, &none)] {
            let refused = becomes("2024-03-05", before, after).unwrap_err();
            assert_eq!(refused.reason, "CalendarConflict");
            let words = "changes 2024-03-04, and bars are stored up to 2024-03-05";
            assert!(refused.message.contains(words), "{}", refused.message);
        }
        assert_eq!(becomes("2024-03-05", &closed, &closed), Ok(()));
    }

    #[test]
    fn a_moved_close_of_the_newest_bar_shows_both_times() {
        let (none, early) = (with(&[]), with(&[early("2024-03-04")]));
        let refused = becomes("2024-03-04", &none, &early).unwrap_err();
        for time in ["2024-03-04T21:00:00Z", "2024-03-04T18:00:00Z"] {
            assert!(refused.message.contains(time), "{}", refused.message);
        }
    }

    #[test]
    fn another_exchange_is_a_conflict_whoever_stored_the_bars() {
        let mut marks = Marks::default();
        marks.add("X", with(&[]).session_end("2024-03-04".parse().unwrap()));
        let london = daily(&TradingCalendar::Xlon.into());
        assert!(check(None, &marks, &london).is_err());
        assert_eq!(check(None, &Marks::default(), &london), Ok(()));
    }

    #[test]
    fn another_interval_is_a_conflict_once_bars_are_stored() {
        let minutes = BarGrid::new(with(&[]), Interval::OneMinute);
        // The last bar of a session ends with it, whatever the interval.
        let mut marks = Marks::default();
        marks.add("X", with(&[]).session_end("2024-03-04".parse().unwrap()));
        let stored = SourceState::default();
        let refused = check(Some(&stored), &marks, &minutes).unwrap_err();
        assert_eq!(refused.reason, "IntervalConflict", "{refused}");
        assert_eq!(check(Some(&stored), &Marks::default(), &minutes), Ok(()));
        let stored = SourceState {
            interval: Interval::OneMinute,
            ..stored
        };
        assert_eq!(check(Some(&stored), &marks, &minutes), Ok(()));
        marks.add(
            "X",
            with(&[]).session_end("2024-03-05".parse().unwrap()) - 30_000,
        );
        let refused = check(Some(&stored), &marks, &minutes).unwrap_err();
        assert_eq!(refused.reason, "CalendarConflict", "{refused}");
    }
}
