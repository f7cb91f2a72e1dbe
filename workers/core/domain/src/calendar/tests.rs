//! The calendar against published dates and counts.

use super::*;

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn known_closures_and_sessions() {
    let closed = [
        "1960-02-22",
        "1964-11-03",
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
fn the_session_after_a_holiday() {
    let c = TradingCalendar::Xnys;
    assert_eq!(c.next_session(d("2008-12-24")), d("2008-12-26"));
}

#[test]
fn session_counts_of_every_year() {
    // Counted from another calendar of the exchange than the one that the file is made from, 1960 to 2027.
    const SESSIONS: [usize; 68] = [
        252, 250, 252, 251, 253, 252, 252, 251, 226, 250, 254, 253, 251, 252, 253, 253, 253, 252,
        252, 253, 253, 253, 253, 253, 253, 252, 253, 253, 253, 252, 253, 253, 254, 253, 252, 252,
        254, 253, 252, 252, 252, 248, 252, 252, 252, 252, 251, 251, 253, 252, 252, 252, 250, 252,
        252, 252, 252, 251, 251, 252, 253, 252, 251, 250, 252, 250, 251, 251,
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
        let calendar = TradingCalendar::Xnys;
        calendar.session_end(date) - calendar.session_open(date) == 7 * 1_800_000
    };
    let listed: Vec<String> = TradingCalendar::Xnys
        .sessions(d("1996-01-01"), d("2004-12-31"))
        .filter(|date| half(*date))
        .map(|date| date.to_string())
        .collect();
    let expected = [
        "1996-07-05 1996-11-29 1996-12-24 1997-07-03 1997-11-28 1997-12-24 1997-12-26 1998-11-27",
        "1998-12-24 1999-11-26 1999-12-31 2000-07-03 2000-11-24 2001-07-03 2001-11-23 2001-12-24 2002-07-05",
        "2002-11-29 2002-12-24 2003-07-03 2003-11-28 2003-12-24 2003-12-26 2004-11-26",
    ];
    assert_eq!(listed.join(" "), expected.join(" "));
    // Counts 1993 to 2027, from another calendar of the exchange, and December 31st, 1999, which that one lacks.
    const HALF_DAYS: [usize; 35] = [
        1, 1, 2, 3, 4, 2, 2, 2, 3, 3, 4, 1, 1, 2, 3, 3, 2, 1, 1, 3, 3, 3, 2, 1, 2, 3, 3, 2, 1, 1,
        2, 3, 3, 2, 1,
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
    use TradingCalendar::{AlwaysOpen, Weekdays, Xnys, Xtks};
    for calendar in [Xnys, Xtks, Weekdays, AlwaysOpen] {
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
    use TradingCalendar::{AlwaysOpen, Weekdays, Xhkg, Xlon, Xnys, Xtks};
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let tokyo = Offset::constant(9);
    for (calendar, instant, date) in [
        (Xnys, "2020-12-15T04:59:59Z", "2020-12-14"),
        (Xnys, "2020-12-15T05:00:00Z", "2020-12-15"),
        (Xnys, "2020-07-15T04:00:00Z", "2020-07-15"),
        (Xlon, "2020-07-14T23:00:00Z", "2020-07-15"),
        (Xlon, "2020-12-14T23:00:00Z", "2020-12-14"),
        (Xtks, "2020-12-14T15:00:00Z", "2020-12-15"),
        (Xhkg, "2020-12-14T15:59:59Z", "2020-12-14"),
        (Xhkg, "2020-12-14T16:00:00Z", "2020-12-15"),
        (AlwaysOpen, "2020-12-15T23:59:59Z", "2020-12-15"),
        (Weekdays, "2020-12-14T15:00:00Z", "2020-12-15"),
    ] {
        let found = calendar.date_at(at(instant), tokyo);
        assert_eq!(found, d(date), "{calendar:?} {instant}");
    }
}

#[test]
fn days_of_every_exchange_that_were_in_the_news() {
    use TradingCalendar::{AlwaysOpen, Weekdays, Xetr, Xhkg, Xlon, Xnas, Xnys, Xtks};
    for (calendar, date, hours) in [
        // The attacks, the first day after them, the hurricane, a funeral.
        (Xnys, "2001-09-11", "-"),
        (Xnas, "2001-09-14", "-"),
        (Xnys, "2001-09-17", "13:30-20:00"),
        (Xnas, "2012-10-29", "-"),
        (Xnys, "2025-01-09", "-"),
        // Half days: before 1993, for the year 2000, before the 4th of July, after Thanksgiving.
        (Xnys, "1992-12-24", "14:30-19:00"),
        (Xnys, "1999-12-31", "14:30-18:00"),
        (Xnas, "2024-07-03", "13:30-17:00"),
        (Xnys, "2026-11-27", "14:30-18:00"),
        // The moved bank holiday of 2020, the funeral of the Queen, Christmas Eve, summer time all the year in 1970.
        (Xlon, "2020-05-04", "07:00-15:30"),
        (Xlon, "2020-05-08", "-"),
        (Xlon, "2022-09-19", "-"),
        (Xlon, "2024-12-24", "08:00-12:30"),
        (Xlon, "1970-01-05", "07:00-15:30"),
        // The holiday of unity, while there was one; the last session of a year; May 1st.
        (Xetr, "2014-10-03", "-"),
        (Xetr, "2022-10-03", "07:00-15:30"),
        (Xetr, "2025-12-30", "08:00-13:00"),
        (Xetr, "2026-05-01", "-"),
        // The outage, ten days for a new emperor, the later close.
        (Xtks, "2020-10-01", "-"),
        (Xtks, "2020-10-02", "00:00-06:00"),
        (Xtks, "2019-05-02", "-"),
        (Xtks, "2024-11-01", "00:00-06:00"),
        (Xtks, "2024-11-05", "00:00-06:30"),
        // Typhoons, half days, the earlier open, summer time.
        (Xhkg, "2023-07-17", "-"),
        (Xhkg, "2024-09-06", "-"),
        (Xhkg, "2024-12-24", "01:30-04:00"),
        (Xhkg, "2010-12-31", "02:00-04:30"),
        (Xhkg, "2011-03-04", "02:00-08:00"),
        (Xhkg, "2011-03-07", "01:30-08:00"),
        (Xhkg, "1970-06-30", "01:00-07:00"),
        // The source learned of these two only after the version that the file is made from.
        (Xhkg, "2023-09-01", "01:30-08:00"),
        (Xhkg, "2023-09-08", "01:30-08:00"),
        (Weekdays, "2024-12-24", "00:00-21:00"),
        (AlwaysOpen, "2024-12-24", "00:00-00:00"),
    ] {
        let time = |at| Timestamp::from_millisecond(at).unwrap().to_string();
        let (open, end) = (
            calendar.session_open(d(date)),
            calendar.session_end(d(date)),
        );
        let found = match calendar.is_session(d(date)) {
            true => format!("{}-{}", &time(open)[11..16], &time(end)[11..16]),
            false => "-".to_owned(),
        };
        assert_eq!(found, hours, "{calendar:?} {date}");
    }
}

#[test]
fn breaks_are_those_of_whole_days_in_tokyo_and_hong_kong() {
    use TradingCalendar::{AlwaysOpen, Xhkg, Xnys, Xtks};
    let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
    let pause = (at("2024-12-23T02:30:00Z"), at("2024-12-23T03:30:00Z"));
    assert_eq!(Xtks.session_break(d("2024-12-23")), Some(pause));
    let pause = (at("2024-12-23T04:00:00Z"), at("2024-12-23T05:00:00Z"));
    assert_eq!(Xhkg.session_break(d("2024-12-23")), Some(pause));
    assert_eq!(Xhkg.session_break(d("2024-12-24")), None);
    for calendar in [Xnys, AlwaysOpen] {
        assert_eq!(calendar.session_break(d("2024-12-23")), None);
    }
}

#[test]
fn a_calendar_knows_what_it_knows() {
    use TradingCalendar::{AlwaysOpen, Weekdays, Xnys, Xtks};
    for calendar in TradingCalendar::ALL {
        let first = match calendar {
            Weekdays | AlwaysOpen => Date::MIN,
            Xtks => d("1997-01-01"),
            _ => d("1960-01-01"),
        };
        assert_eq!(calendar.valid_from(), first, "{calendar:?}");
        let known = [first, d("2027-12-31"), calendar.valid_through()];
        assert!(known.into_iter().all(|date| calendar.covers(date)));
        let everything = first == Date::MIN;
        for date in ["1959-12-31", "2028-01-01"] {
            assert_eq!(calendar.covers(d(date)), everything, "{calendar:?} {date}");
        }
    }
    // Thanksgiving and a Saturday nobody has announced yet; the hours are those of the last era, or the first.
    assert!(Xnys.is_session(d("2028-11-23")) && !Xnys.is_session(d("2028-11-25")));
    assert_eq!(Xnys.next_session(d("2027-12-31")), d("2028-01-03"));
    for (calendar, date, end) in [
        (Xnys, "2028-11-24", "2028-11-24T21:00:00Z"),
        (Xnys, "1959-12-24", "1959-12-24T21:00:00Z"),
        (Xtks, "1996-12-30", "1996-12-30T06:00:00Z"),
        (Xtks, "2028-01-04", "2028-01-04T06:30:00Z"),
    ] {
        let found = Timestamp::from_millisecond(calendar.session_end(d(date)));
        assert_eq!(found.unwrap().to_string(), end, "{calendar:?} {date}");
        assert_eq!(
            calendar.session_date(calendar.session_end(d(date))),
            d(date)
        );
    }
    assert!(Xtks.is_session(d("1996-12-31")) && Xtks.session_break(d("1996-12-31")).is_some());
}

#[test]
fn a_calendar_is_called_the_same_in_a_spec_and_in_words() {
    for calendar in TradingCalendar::ALL {
        let json = format!("\"{}\"", calendar.name());
        assert_eq!(serde_json::to_string(&calendar).unwrap(), json);
        let read: TradingCalendar = serde_json::from_str(&json).unwrap();
        assert_eq!(read, calendar);
    }
}

#[test]
fn a_year_has_about_as_many_sessions_as_are_said() {
    for calendar in TradingCalendar::ALL {
        let sessions = calendar.sessions(d("2000-01-01"), d("2026-12-31")).count();
        let average = f64::from(u32::try_from(sessions).unwrap()) / 27.0;
        let said = calendar.sessions_per_year();
        assert!((said - average).abs() < 0.6, "{calendar:?} {average}");
    }
}
