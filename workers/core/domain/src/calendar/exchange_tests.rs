//! The files against the package that they are made from: `tests/golden/sessions.txt` is of its own schedule.

use std::fmt::Write as _;

use super::super::TradingCalendar;
use super::*;

const GOLDEN: &str = include_str!("../../tests/golden/sessions.txt");
const FILES: [(TradingCalendar, &str); 6] = [
    (TradingCalendar::Xnys, XNYS_FILE),
    (TradingCalendar::Xnas, XNAS_FILE),
    (TradingCalendar::Xlon, XLON_FILE),
    (TradingCalendar::Xetr, XETR_FILE),
    (TradingCalendar::Xtks, XTKS_FILE),
    (TradingCalendar::Xhkg, XHKG_FILE),
];

#[test]
fn every_file_is_read_and_is_the_one_of_its_exchange() {
    for (calendar, text) in FILES {
        let name = calendar.name();
        let read = Exchange::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.starts_with(&format!("# {name}:")), "{name}");
        assert_eq!(calendar.exchange().unwrap().days, read.days, "{name}");
    }
}

/// As `golden` in calendars/make.py writes it.
fn stamps(calendar: TradingCalendar, session: Date) -> String {
    let second = |at: i64| (at / 1000).to_string();
    let pause = calendar.session_break(session);
    let [start, end] = pause.map_or(["-".to_owned(), "-".to_owned()], |(start, end)| {
        [second(start), second(end)]
    });
    let open = second(calendar.session_open(session));
    let close = second(calendar.session_end(session));
    format!("{session} {open} {start} {end} {close}\n")
}

/// FNV-1a.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn every_open_break_and_close_is_that_of_the_source() {
    let mut found = String::new();
    for (calendar, _) in FILES {
        let years = calendar.valid_from().year()..=calendar.valid_through().year();
        for year in years {
            let sessions = calendar.sessions(date(year, 1, 1), date(year, 12, 31));
            let lines: Vec<String> = sessions.map(|day| stamps(calendar, day)).collect();
            let (name, count, sum) = (calendar.name(), lines.len(), checksum(&lines.concat()));
            writeln!(found, "{name} {year} {count} {sum:016x}").unwrap();
        }
    }
    let (heading, golden) = GOLDEN.split_once('\n').unwrap();
    for (found, expected) in found.lines().zip(golden.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), golden.lines().count());
    // One run of the script made all of them.
    let version = heading.split([' ', ':']).nth(2).unwrap();
    for (calendar, text) in FILES {
        let from = format!("# Facts from exchange_calendars {version} ");
        assert!(text.contains(&from), "{calendar:?}");
    }
}

#[test]
fn dates_and_event_times_are_inverse_on_every_session() {
    for calendar in TradingCalendar::ALL {
        let from = calendar.valid_from().max(date(1955, 1, 1));
        let through = calendar.valid_through().min(date(2045, 12, 31));
        let mut sessions = calendar.sessions(from, through).peekable();
        let mut last = i64::MIN;
        while let Some(day) = sessions.next() {
            let (open, end) = (calendar.session_open(day), calendar.session_end(day));
            assert!(last <= open && open < end, "{calendar:?} {day}");
            assert_eq!(calendar.session_date(end), day, "{calendar:?} {day}");
            if let Some((start, resumed)) = calendar.session_break(day) {
                assert!(open < start && start < resumed && resumed < end);
            }
            if let Some(next) = sessions.peek() {
                assert_eq!(calendar.next_session(day), *next, "{calendar:?} {day}");
            }
            last = end;
        }
    }
}

#[test]
fn days_that_are_no_session_end_when_they_would() {
    for (calendar, _) in FILES {
        let exchange = calendar.exchange().unwrap();
        let (mut day, through) = exchange.range();
        while day <= through {
            if !exchange.is_session(day) {
                let usual = Clock::new(&exchange.file.zone, day, exchange.file.era(day).hours);
                assert_eq!(exchange.at_clock(day), usual, "{calendar:?} {day}");
                assert_eq!(calendar.session_date(exchange.close(day)), day);
            }
            day = day_after(day);
        }
    }
}

#[test]
fn there_is_room_for_as_many_hours_as_a_byte_can_tell() {
    let clock = |close| Clock {
        open: 0,
        close,
        pause: None,
    };
    let mut clocks = Vec::new();
    for close in 0..128 {
        let place = place_in(&mut clocks, clock(close)).map(i64::from);
        assert_eq!(place, Some(close));
    }
    assert_eq!(place_in(&mut clocks, clock(5)), Some(5));
    assert_eq!(place_in(&mut clocks, clock(128)), None);
}
