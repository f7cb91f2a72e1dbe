//! The calendar against published dates and counts.

use super::*;

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn known_closures_and_sessions() {
    let closed = [
        "2000-01-17",
        "2000-04-21",
        "2001-09-11",
        "2001-09-14",
        "2004-06-11",
        "2007-01-02",
        "2008-03-21",
        "2010-07-05",
        "2012-10-30",
        "2021-12-24",
        "2022-06-20",
        "2024-03-29",
        "2025-01-09",
        "2026-07-03",
        "1980-11-04",
        "2023-01-02",
    ];
    let open = [
        "2001-09-17",
        "2000-01-03",
        "2010-12-31",
        "2021-12-31",
        "2021-06-18",
        "2011-01-18",
        "1984-11-06",
        "1970-05-29",
    ];
    for date in closed {
        assert!(
            !TradingCalendar::Xnys.is_session(d(date)),
            "{date} must be closed"
        );
    }
    for date in open {
        assert!(
            TradingCalendar::Xnys.is_session(d(date)),
            "{date} must be open"
        );
    }
}

#[test]
fn session_ends_follow_daylight_saving_and_half_days() {
    let at = |date| {
        jiff::Timestamp::from_millisecond(TradingCalendar::Xnys.session_end(d(date)))
            .unwrap()
            .to_string()
    };
    // The Fridays around every change of the rules: Uniform Time Act (1967), oil crisis (1974, 1975),
    // April instead of the end of it (1987), March and November (2007).
    let switches = [
        ("1966-04-22", 21),
        ("1966-04-25", 20),
        ("1966-10-28", 20),
        ("1966-10-31", 21),
        ("1967-04-28", 21),
        ("1967-05-01", 20),
        ("1974-01-04", 21),
        ("1974-01-07", 20),
        ("1974-10-25", 20),
        ("1974-10-28", 21),
        ("1975-02-21", 21),
        ("1975-02-24", 20),
        ("1976-04-23", 21),
        ("1976-04-26", 20),
        ("1987-04-03", 21),
        ("1987-04-06", 20),
        ("2006-10-27", 20),
        ("2006-10-30", 21),
        ("2007-03-09", 21),
        ("2007-03-12", 20),
        ("2007-11-02", 20),
        ("2007-11-05", 21),
        ("2040-03-09", 21),
        ("2040-03-12", 20),
        ("2040-11-02", 20),
        ("2040-11-05", 21),
    ];
    for (date, hour) in switches {
        assert_eq!(at(date), format!("{date}T{hour}:00:00Z"));
    }
    assert_eq!(at("2008-01-15"), "2008-01-15T21:00:00Z");
    assert_eq!(at("2008-07-15"), "2008-07-15T20:00:00Z");
    assert_eq!(at("2008-11-28"), "2008-11-28T18:00:00Z");
    assert_eq!(at("2006-03-20"), "2006-03-20T21:00:00Z");
    assert_eq!(at("2007-03-20"), "2007-03-20T20:00:00Z");
}

#[test]
fn dates_and_event_times_are_inverse() {
    for calendar in [
        TradingCalendar::Xnys,
        TradingCalendar::Weekdays,
        TradingCalendar::AlwaysOpen,
    ] {
        for date in calendar.sessions(d("2007-01-01"), d("2007-12-31")) {
            assert_eq!(calendar.session_date(calendar.session_end(date)), date);
        }
    }
}

#[test]
fn the_session_after_a_holiday() {
    let c = TradingCalendar::Xnys;
    assert_eq!(c.next_session(d("2008-12-24")), d("2008-12-26"));
}

#[test]
fn session_counts_of_every_year() {
    // Counted from an independent calendar of the exchange, 1960 to 2035.
    const SESSIONS: [usize; 76] = [
        252, 250, 252, 251, 253, 252, 252, 251, 226, 250, 254, 253, 251, 252, 253, 253, 253, 252,
        252, 253, 253, 253, 253, 253, 253, 252, 253, 253, 253, 252, 253, 253, 254, 253, 252, 252,
        254, 253, 252, 252, 252, 248, 252, 252, 252, 252, 251, 251, 253, 252, 252, 252, 250, 252,
        252, 252, 252, 251, 251, 252, 253, 252, 251, 250, 252, 250, 251, 251, 251, 251, 251, 251,
        252, 251, 250, 251,
    ];
    for (year, expected) in (1960..).zip(SESSIONS) {
        let count = TradingCalendar::Xnys
            .sessions(d(&format!("{year}-01-01")), d(&format!("{year}-12-31")))
            .count();
        assert_eq!(count, expected, "{year}");
    }
}

#[test]
fn half_days_are_the_published_ones() {
    let half = |date: Date| {
        let full = xnys::new_york(date, 16).unwrap().timestamp();
        TradingCalendar::Xnys.session_end(date) == full.as_millisecond() - 3 * 3_600_000
    };
    let listed: Vec<String> = TradingCalendar::Xnys
        .sessions(d("1996-01-01"), d("2004-12-31"))
        .filter(|date| half(*date))
        .map(|date| date.to_string())
        .collect();
    let expected = [
        "1996-07-05 1996-11-29 1996-12-24 1997-07-03 1997-11-28 1997-12-24 1997-12-26 1998-11-27",
        "1998-12-24 1999-11-26 2000-07-03 2000-11-24 2001-07-03 2001-11-23 2001-12-24 2002-07-05",
        "2002-11-29 2002-12-24 2003-07-03 2003-11-28 2003-12-24 2003-12-26 2004-11-26",
    ];
    assert_eq!(listed.join(" "), expected.join(" "));
    // Counts 1993 to 2035, from an independent calendar of the exchange.
    const HALF_DAYS: [usize; 43] = [
        1, 1, 2, 3, 4, 2, 1, 2, 3, 3, 4, 1, 1, 2, 3, 3, 2, 1, 1, 3, 3, 3, 2, 1, 2, 3, 3, 2, 1, 1,
        2, 3, 3, 2, 1, 2, 3, 3, 3, 1, 1, 2, 3,
    ];
    for (year, expected) in (1993..).zip(HALF_DAYS) {
        let count = TradingCalendar::Xnys
            .sessions(d(&format!("{year}-01-01")), d(&format!("{year}-12-31")))
            .filter(|date| half(*date))
            .count();
        assert_eq!(count, expected, "{year}");
    }
}

#[test]
fn sessions_that_have_ended_are_counted_to_the_millisecond() {
    use TradingCalendar::{AlwaysOpen, Weekdays, Xnys};
    for calendar in [Xnys, Weekdays, AlwaysOpen] {
        // A Thanksgiving with its half day, and the week around it.
        let ends: Vec<i64> = calendar
            .sessions(d("2026-11-16"), d("2026-12-04"))
            .map(|date| calendar.session_end(date))
            .collect();
        let mut times: Vec<i64> = ends
            .iter()
            .flat_map(|end| [end - 1, *end, end + 1])
            .collect();
        // Nights, weekends and the holiday, at hours when New York and UTC have different dates as well.
        times.extend((0..400).map(|hour| ends[0] + hour * 3_600_000));
        times.retain(|time| *time <= ends[ends.len() - 1]);
        for from in &times {
            for to in &times {
                let expected = ends
                    .iter()
                    .filter(|end| **end > *from && **end <= *to)
                    .count();
                let found = calendar.sessions_ended(*from, *to);
                assert_eq!(found, expected, "{calendar:?} {from} {to}");
            }
        }
    }
}

#[test]
fn an_instant_is_of_the_day_of_the_exchange() {
    use TradingCalendar::{AlwaysOpen, Weekdays, Xnys};
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let tokyo = Offset::constant(9);
    for (calendar, instant, date) in [
        (Xnys, "2020-12-15T04:59:59Z", "2020-12-14"),
        (Xnys, "2020-12-15T05:00:00Z", "2020-12-15"),
        (Xnys, "2020-07-15T04:00:00Z", "2020-07-15"),
        (AlwaysOpen, "2020-12-15T23:59:59Z", "2020-12-15"),
        (Weekdays, "2020-12-14T15:00:00Z", "2020-12-15"),
    ] {
        let found = calendar.date_at(at(instant), tokyo);
        assert_eq!(found, d(date), "{calendar:?} {instant}");
    }
}
