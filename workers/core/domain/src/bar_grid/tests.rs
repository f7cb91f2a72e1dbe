use jiff::Timestamp;
use jiff::civil::date;

use super::*;
use crate::{CalendarOverride, TradingCalendar};

fn grid(calendar: TradingCalendar, interval: Interval) -> BarGrid {
    BarGrid::new(calendar, interval)
}

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn ends(grid: &BarGrid, day: Date) -> Vec<i64> {
    grid.session(day).map(|span| span.end).collect()
}

/// For each calendar and interval, sessions with half days, breaks and changes of the clocks.
fn all() -> impl Iterator<Item = BarGrid> {
    let of = |calendar| Interval::ALL.into_iter().map(move |i| grid(calendar, i));
    TradingCalendar::ALL.into_iter().flat_map(of)
}

const FROM: Date = date(2024, 10, 14);
const TO: Date = date(2025, 4, 4);

#[test]
fn bars_fill_each_session_and_nothing_else() {
    for grid in all() {
        let calendar = grid.calendar().clone();
        // Minutes are many.
        let each = if grid.bars_per_session() > 100 { 3 } else { 1 };
        for day in calendar.sessions(FROM, TO).step_by(each) {
            let spans: Vec<Span> = grid.session(day).collect();
            let (open, close) = (calendar.session_open(day), calendar.session_end(day));
            assert_eq!(spans.first().unwrap().start, open, "{grid:?} {day}");
            assert_eq!(spans.last().unwrap().end, close, "{grid:?} {day}");
            assert_eq!(spans.len(), grid.count(day));
            let pause = calendar
                .session_break(day)
                .filter(|_| grid.interval().is_intraday());
            for pair in spans.windows(2) {
                let (one, next) = (pair[0], pair[1]);
                let together = one.end == next.start;
                let paused = pause == Some((one.end, next.start));
                assert!(together || paused, "{grid:?} {day}: {one:?} {next:?}");
            }
            for span in spans {
                let length = span.end - span.start;
                let most = grid.interval().length_ms().unwrap_or(i64::MAX);
                assert!(0 < length && length <= most, "{grid:?} {day} {span:?}");
                assert_eq!(calendar.session_date(span.end), day);
                assert_eq!(grid.ending(span.end), Some(span));
                assert_eq!(grid.bar_at(span.start), Some(span));
                assert_eq!(grid.bar_at(span.end - 1), Some(span));
                assert_eq!(grid.ending(span.end - 1), None);
            }
            // Where days follow each other without a pause, the open is the end of the day before.
            let before = grid.ending(open).is_some_and(|span| span.end == open);
            assert_eq!(
                before,
                calendar.exchange() == TradingCalendar::AlwaysOpen,
                "{grid:?} {day}"
            );
        }
    }
}

#[test]
fn counts_add_up_and_steps_go_where_counts_say() {
    for grid in all() {
        let days: Vec<Date> = grid.calendar().sessions(FROM, TO).take(60).collect();
        let times: Vec<i64> = days.iter().flat_map(|day| ends(&grid, *day)).collect();
        let first = times[0];
        // Every time at the beginning, then some.
        let some = (0..times.len()).filter(|i| *i < 60 || i % 997 == 0);
        for at in some {
            let time = times[at];
            assert_eq!(grid.ended(first, time), at, "{grid:?}");
            assert_eq!(
                grid.ended(first, time - 1),
                at.saturating_sub(1),
                "{grid:?}"
            );
            assert_eq!(grid.after(first, at), time, "{grid:?} {at}");
            if at > 0 {
                assert_eq!(grid.after(time - 1, 1), time, "{grid:?}");
            }
        }
        assert_eq!(grid.ended(times[5], first), 0);
    }
}

#[test]
fn a_bar_of_a_day_is_the_session_of_the_calendar() {
    for calendar in TradingCalendar::ALL {
        let grid = grid(calendar, Interval::Session);
        for day in calendar.sessions(FROM, TO) {
            let whole = Span {
                start: calendar.session_open(day),
                end: calendar.session_end(day),
            };
            assert_eq!(grid.session(day).collect::<Vec<_>>(), [whole]);
        }
        let (from, to) = (calendar.session_end(FROM), calendar.session_end(TO) - 1);
        assert_eq!(grid.ended(from, to), calendar.sessions_ended(from, to));
        assert_eq!((grid.bars_per_session(), grid.bars(60)), (1, 60));
        assert_eq!(grid.bars_per_year(), calendar.sessions_per_year());
    }
}

#[test]
fn bars_of_a_usual_session_are_those_that_most_sessions_have() {
    for grid in all() {
        let mut days = grid
            .calendar()
            .sessions(date(2024, 11, 18), date(2024, 12, 13));
        let usual = grid.bars_per_session() as usize;
        // Thanksgiving and the day after it are in between.
        let counts: Vec<usize> = days.by_ref().map(|day| grid.count(day)).collect();
        let same = counts.iter().filter(|count| **count == usual).count();
        assert!(same + 2 >= counts.len(), "{grid:?}: {usual} {counts:?}");
    }
    let per_session = |calendar| Interval::ALL.map(|i| grid(calendar, i).bars_per_session());
    assert_eq!(per_session(TradingCalendar::Xnys), [390, 78, 26, 13, 7, 1]);
    assert_eq!(per_session(TradingCalendar::Xtks), [330, 66, 22, 11, 6, 1]);
    assert_eq!(
        per_session(TradingCalendar::AlwaysOpen),
        [1440, 288, 96, 48, 24, 1]
    );
}

#[test]
fn half_days_breaks_and_short_last_bars_by_hand() {
    let hours = grid(TradingCalendar::Xnys, Interval::OneHour);
    let half_day = ends(&hours, date(2024, 11, 29));
    assert_eq!(half_day.len(), 4);
    assert_eq!(half_day[3], ms("2024-11-29T18:00:00Z"));
    let last = hours.ending(ms("2024-12-02T21:00:00Z")).unwrap();
    assert_eq!(last.start, ms("2024-12-02T20:30:00Z"));
    let tokyo = grid(TradingCalendar::Xtks, Interval::OneHour);
    // 09:00 to 11:30, and 12:30 to 15:30 in Tokyo.
    let expected = ["01:00", "02:00", "02:30", "04:30", "05:30", "06:30"];
    let expected = expected.map(|time| ms(&format!("2024-12-02T{time}:00Z")));
    assert_eq!(ends(&tokyo, date(2024, 12, 2)), expected);
    assert_eq!(tokyo.bar_at(ms("2024-12-02T03:00:00Z")), None, "the break");
    // The clocks go forward on March 10th, 2024: the open is an hour earlier in UTC.
    let minutes = grid(TradingCalendar::Xnys, Interval::OneMinute);
    assert_eq!(
        ends(&minutes, date(2024, 3, 8))[0],
        ms("2024-03-08T14:31:00Z")
    );
    assert_eq!(
        ends(&minutes, date(2024, 3, 11))[0],
        ms("2024-03-11T13:31:00Z")
    );
    let always = grid(TradingCalendar::AlwaysOpen, Interval::FiveMinutes);
    let midnight = ms("2024-03-11T00:00:00Z");
    assert_eq!(always.ending(midnight).unwrap().end, midnight);
    assert_eq!(always.bar_at(midnight).unwrap().start, midnight);
    assert_eq!(always.after(midnight, 2), ms("2024-03-11T00:10:00Z"));
}

#[test]
fn overrides_cut_the_bars_of_their_day() {
    let day = |date: &str| CalendarOverride {
        date: date.into(),
        ..CalendarOverride::default()
    };
    let overrides = [
        CalendarOverride {
            closed: Some(true),
            ..day("2024-12-03")
        },
        CalendarOverride {
            closes_at: Some("10:10".into()),
            ..day("2024-12-04")
        },
    ];
    let calendar = Calendar::new(TradingCalendar::Xnys, &overrides).unwrap();
    let grid = BarGrid::new(calendar, Interval::FifteenMinutes);
    let before = ms("2024-12-02T21:00:00Z");
    let early = ms("2024-12-04T15:10:00Z");
    assert_eq!(grid.count(date(2024, 12, 4)), 3);
    assert_eq!(
        (grid.ended(before, early), grid.after(before, 3)),
        (3, early)
    );
}
