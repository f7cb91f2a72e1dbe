use super::TradingCalendar::{AlwaysOpen, Weekdays, Xetr, Xhkg, Xnys, Xtks};
use super::*;

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn calendar(exchange: TradingCalendar, json: &str) -> Result<Calendar, String> {
    let overrides: Vec<CalendarOverride> = serde_json::from_str(json).map_err(|e| e.to_string())?;
    Calendar::new(exchange, &overrides).map_err(|error| error.to_string())
}

const STORMS: &str = r#"[
    {"date": "2023-09-08", "closed": true},
    {"date": "2023-09-01", "closed": true},
    {"date": "2023-09-02", "open": true},
    {"date": "2023-09-05", "closesAt": "15:00"},
    {"date": "2023-09-06", "closesAt": "12:00"},
    {"date": "2023-09-09", "closesAt": "12:30"},
    {"date": "2028-01-03", "open": true}
]"#;

#[test]
fn days_are_as_the_user_has_them() {
    let (plain, storms) = (Calendar::from(Xhkg), calendar(Xhkg, STORMS).unwrap());
    let sessions = |calendar: &Calendar| -> Vec<i8> {
        let found = calendar.sessions(d("2023-09-01"), d("2023-09-11"));
        found.map(Date::day).collect()
    };
    assert_eq!(sessions(&plain), [1, 4, 5, 6, 7, 8, 11]);
    assert_eq!(sessions(&storms), [2, 4, 5, 6, 7, 9, 11]);
    assert_eq!(storms.next_session(d("2023-08-31")), d("2023-09-02"));
    assert_eq!(storms.next_session(d("2023-09-07")), d("2023-09-09"));
    for (date, end) in [
        ("2023-09-02", "2023-09-02T08:00:00Z"),
        ("2023-09-04", "2023-09-04T08:00:00Z"),
        ("2023-09-05", "2023-09-05T07:00:00Z"),
        ("2023-09-06", "2023-09-06T04:00:00Z"),
        ("2023-09-09", "2023-09-09T04:30:00Z"),
    ] {
        assert_eq!(storms.session_end(d(date)), at(end), "{date}");
        assert_eq!(storms.session_date(at(end)), d(date));
    }
    assert_eq!(
        storms.session_open(d("2023-09-06")),
        at("2023-09-06T01:30:00Z")
    );
    let breaks = ["2023-09-05", "2023-09-06", "2023-09-09"]
        .map(|date| storms.session_break(d(date)).is_some());
    assert_eq!(breaks, [true, false, false]);
    assert!(storms.covers(d("2028-01-03")) && !plain.covers(d("2028-01-03")));
    assert!(!storms.covers(d("2028-01-04")) && storms.covers(d("2023-09-04")));
}

#[test]
fn behind_its_end_a_calendar_knows_what_the_user_says_and_nothing_between() {
    let of = |json: &str| calendar(Xnys, json).unwrap();
    let plain = of("[]");
    let later =
        of(r#"[{"date": "2028-01-03", "open": true}, {"date": "2028-01-17", "closed": true}]"#);
    let end = Xnys.valid_through();
    for calendar in [&plain, &later] {
        assert!(!calendar.is_expired(end) && calendar.is_expired(end.tomorrow().unwrap()));
        // What was before the beginning was not announced late.
        assert!(!calendar.is_expired(d("1899-01-03")));
        // The last override says nothing about the days before it.
        for guessed in ["2028-01-04", "2028-01-16", "2028-01-18", "2099-01-05"] {
            assert!(calendar.is_expired(d(guessed)), "{guessed}");
        }
    }
    for told in ["2028-01-03", "2028-01-17"] {
        assert!(plain.is_expired(d(told)) && !later.is_expired(d(told)));
    }
    for endless in [Weekdays, AlwaysOpen] {
        let calendar = Calendar::from(endless);
        assert!(!calendar.is_expired(Date::MAX) && calendar.known_through() == Date::MAX);
    }
    // The end is a Friday. A week without a gap moves it, weekends included, and a day behind a gap does not.
    assert_eq!(plain.known_through(), d("2028-01-02"));
    assert_eq!(later.known_through(), d("2028-01-03"));
    let week = (3..=7).map(|day| format!(r#"{{"date": "2028-01-{day:02}", "open": true}}"#));
    let week = week.collect::<Vec<_>>().join(",");
    let later = format!(r#"[{week}, {{"date": "2028-01-11", "closed": true}}]"#);
    assert_eq!(of(&later).known_through(), d("2028-01-09"));
}

#[test]
fn sessions_that_have_ended_are_those_of_the_user() {
    let storms = calendar(Xhkg, STORMS).unwrap();
    let ended = |from, to| storms.sessions_ended(at(from), at(to));
    // The 2nd, 4th, 5th to 7th, 9th.
    assert_eq!(ended("2023-09-01T00:00:00Z", "2023-09-11T00:00:00Z"), 6);
    assert_eq!(ended("2023-09-05T06:59:59Z", "2023-09-05T07:00:00Z"), 1);
    assert_eq!(ended("2023-09-05T07:00:00Z", "2023-09-06T03:59:59Z"), 0);
    assert_eq!(ended("2023-09-05T07:00:00Z", "2023-09-06T04:00:00Z"), 1);
}

#[test]
fn without_overrides_it_is_the_exchange() {
    for exchange in TradingCalendar::ALL {
        let calendar = Calendar::from(exchange);
        assert_eq!(Calendar::new(exchange, &[]).unwrap(), calendar);
        assert_eq!(
            (calendar.exchange(), calendar.name()),
            (exchange, exchange.name())
        );
        assert!(calendar.sessions_per_year().to_bits() == exchange.sessions_per_year().to_bits());
        let (from, to) = (d("2027-11-01"), d("2028-02-01"));
        assert!(calendar.sessions(from, to).eq(exchange.sessions(from, to)));
        let mut date = from;
        while date < to {
            let end = exchange.session_end(date);
            assert_eq!(calendar.session_end(date), end);
            assert_eq!(calendar.session_open(date), exchange.session_open(date));
            assert_eq!(calendar.session_break(date), exchange.session_break(date));
            assert_eq!(calendar.session_date(end), exchange.session_date(end));
            assert_eq!(calendar.covers(date), exchange.covers(date));
            assert_eq!(calendar.next_session(date), exchange.next_session(date));
            let written = Offset::constant(9);
            let instant = Timestamp::from_millisecond(end).unwrap();
            assert_eq!(
                calendar.date_at(instant, written),
                exchange.date_at(instant, written)
            );
            date = date.tomorrow().unwrap();
        }
    }
}

#[test]
fn a_time_is_on_the_clock_of_the_exchange() {
    for (exchange, end) in [
        (Xnys, "2024-07-05T16:15:00Z"),
        (Xetr, "2024-07-05T10:15:00Z"),
        (Xtks, "2024-07-05T03:15:00Z"),
        (Weekdays, "2024-07-05T12:15:00Z"),
        (AlwaysOpen, "2024-07-05T12:15:00Z"),
    ] {
        let found = calendar(exchange, r#"[{"date": "2024-07-05", "closesAt": "12:15"}]"#).unwrap();
        assert_eq!(found.session_end(d("2024-07-05")), at(end), "{exchange:?}");
        assert!(found.is_session(d("2024-07-05")));
    }
}

#[test]
fn an_override_that_says_nothing_or_too_much_is_refused() {
    for (json, word) in [
        (r#"{"date": "2024-07-05"}"#, "exactly one"),
        (r#"{"date": "2024-07-05", "closed": false}"#, "exactly one"),
        (r#"{"date": "2024-07-05", "open": false}"#, "exactly one"),
        (
            r#"{"date": "2024-07-05", "closed": true, "open": true}"#,
            "exactly one",
        ),
        (
            r#"{"date": "2024-07-05", "open": true, "closesAt": "13:00"}"#,
            "exactly one",
        ),
        (
            r#"{"date": "2024-07-05", "closed": true, "closesAt": "13:00"}"#,
            "exactly one",
        ),
        (
            r#"{"date": "2024-02-30", "closed": true}"#,
            "`2024-02-30` needs a date",
        ),
        (
            r#"{"date": "2024-07-05", "closesAt": "1 pm"}"#,
            "needs a time",
        ),
        (
            r#"{"date": "2024-07-05", "closesAt": "9:45"}"#,
            "needs a time",
        ),
        (
            r#"{"date": "2024-07-05", "closesAt": "24:00"}"#,
            "needs a time",
        ),
        (
            r#"{"date": "2024-07-05", "closesAt": "09:30"}"#,
            "before the session opens",
        ),
        (
            r#"{"date": "2024-07-05", "closesAt": "20:00"}"#,
            "another day in UTC",
        ),
        (
            r#"{"date": "2024-07-05", "until": "13:00"}"#,
            "unknown field",
        ),
        (
            r#"{"date": "2024-07-05", "closed": true}, {"date": "2024-07-05", "open": true}"#,
            "is there twice",
        ),
    ] {
        let error = calendar(Xnys, &format!("[{json}]")).unwrap_err();
        assert!(error.contains(word), "{json}: {error}");
    }
    assert!(calendar(Xnys, r#"[{"date": "2024-07-05", "closesAt": "19:59"}]"#).is_ok());
}

#[test]
fn an_override_is_written_as_it_is_read() {
    for json in [
        r#"{"date":"2023-09-01","closed":true}"#,
        r#"{"date":"2023-09-01","open":true}"#,
        r#"{"date":"2023-09-01","closesAt":"12:30"}"#,
    ] {
        let read: CalendarOverride = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_has_the_form_of_dates_and_times() {
    let schema = serde_json::to_value(schemars::schema_for!(CalendarOverride)).unwrap();
    let pattern = |field: &str| {
        schema["properties"][field]["pattern"]
            .as_str()
            .map(str::len)
    };
    assert!(pattern("date").is_some() && pattern("closesAt").is_some());
    assert_eq!(schema["required"], serde_json::json!(["date"]));
}
