//! `DataFresh` of a live source, minute by minute through sessions that are unlike others. What is expected comes from tables of
//! sessions as the exchanges print them, and not from the calendar that is judged by.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::pipeline::validate::tests::{from_provider, pipeline};

/// Sessions in a row, on the clock of the exchange.
#[derive(Clone, Copy)]
struct Stretch {
    what: &'static str,
    calendar: &'static str,
    overrides: &'static str,
    zone: &'static str,
    /// Usual end of a session.
    close: &'static str,
    /// `11-27 13:00` ends early.
    sessions: &'static [&'static str],
    year: i16,
}

fn stretches() -> Vec<Stretch> {
    let new_york = Stretch {
        what: "Thanksgiving, and the half day behind it",
        calendar: "XNYS",
        overrides: "[]",
        zone: "America/New_York",
        close: "16:00",
        sessions: &[
            "11-18",
            "11-19",
            "11-20",
            "11-23",
            "11-24",
            "11-25",
            "11-27 13:00",
            "11-30",
            "12-01",
            "12-02",
            "12-03",
        ],
        year: 2026,
    };
    let london = Stretch {
        what: "Christmas and New Year",
        calendar: "XLON",
        overrides: "[]",
        zone: "Europe/London",
        close: "16:30",
        sessions: &[
            "12-21",
            "12-22",
            "12-23",
            "12-24 12:30",
            "12-29",
            "12-30",
            "12-31 12:30",
            "01-04",
            "01-05",
            "01-06",
            "01-07",
        ],
        year: 2026,
    };
    vec![
        Stretch {
            what: "clocks go back in November",
            sessions: &[
                "10-26", "10-27", "10-28", "10-29", "10-30", "11-02", "11-03", "11-04", "11-05",
                "11-06", "11-09",
            ],
            ..new_york
        },
        // All three in ten sessions: half a day and a holiday that the exchange has announced since.
        Stretch {
            what: "clocks go forward in March, with a closure and half a day",
            overrides: r#"[{"date": "2026-03-05", "closed": true}, {"date": "2026-03-10", "closesAt": "13:00"}]"#,
            sessions: &[
                "03-02",
                "03-03",
                "03-04",
                "03-06",
                "03-09",
                "03-10 13:00",
                "03-11",
                "03-12",
                "03-13",
                "03-16",
                "03-17",
            ],
            ..new_york
        },
        Stretch {
            what: "clocks go forward before Easter",
            sessions: &[
                "03-23", "03-24", "03-25", "03-26", "03-27", "03-30", "03-31", "04-01", "04-02",
                "04-07", "04-08", "04-09",
            ],
            ..london
        },
        Stretch {
            what: "the new year of the moon",
            calendar: "XHKG",
            overrides: "[]",
            zone: "Asia/Hong_Kong",
            close: "16:00",
            sessions: &[
                "02-09",
                "02-10",
                "02-11",
                "02-12",
                "02-13",
                "02-16 12:00",
                "02-20",
                "02-23",
                "02-24",
                "02-25",
                "02-26",
            ],
            year: 2026,
        },
        Stretch {
            what: "New Year in Tokyo",
            calendar: "XTKS",
            overrides: "[]",
            zone: "Asia/Tokyo",
            close: "15:30",
            sessions: &[
                "12-21", "12-22", "12-23", "12-24", "12-25", "12-28", "12-29", "12-30", "01-04",
                "01-05", "01-06",
            ],
            year: 2026,
        },
        new_york,
        london,
    ]
}

impl Stretch {
    /// When each session ends.
    fn ends(&self) -> Vec<Timestamp> {
        let zone = TimeZone::get(self.zone).unwrap();
        let end = |text: &&str| {
            let (day, close) = text.split_once(' ').unwrap_or((text, self.close));
            // In winter a stretch goes on in another year.
            let year = self.year + i16::from(day.starts_with("01-"));
            let date: Date = format!("{year}-{day}").parse().unwrap();
            let close: Time = close.parse().unwrap();
            date.to_datetime(close)
                .to_zoned(zone.clone())
                .unwrap()
                .timestamp()
        };
        self.sessions.iter().map(end).collect()
    }

    fn pipeline(&self, stale_after: u32, delay: &str) -> ValidatedPipeline {
        pipeline(|v| {
            from_provider(v);
            v["metadata"]["creationTimestamp"] = json!("2026-01-02T12:00:00Z");
            v["spec"]["calendar"] = json!(self.calendar);
            v["spec"]["calendarOverrides"] = serde_json::from_str(self.overrides).unwrap();
            v["spec"]["source"]["provider"]["delay"] = json!(delay);
            v["spec"]["source"]["staleAfterSessions"] = json!(stale_after);
        })
    }
}

/// All stages at this bar.
fn at_bar(end: Timestamp) -> PipelineStatus {
    let time = end.to_string();
    serde_json::from_value(json!({
        "ingest": {"rowsRead": 9, "rowsSent": 9, "rowsQuarantined": 0, "missingFields": 0,
            "backfillComplete": true, "sourceComplete": true, "lastEventTime": time},
        "lake": {"version": 3, "rows": 9, "lastEventTime": time},
        "stream": {"rows": 9, "fingerprint": "f", "lastEventTime": time},
    }))
    .unwrap()
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Every minute of a time, its first one included.
fn minutes(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    std::iter::successors(Some(from), |at| Some(*at + MINUTE)).take_while(move |at| *at < to)
}

const DELAYS: [(&str, i64); 3] = [("30m", 30), ("5h", 300), ("26h", 26 * 60)];

#[test]
fn a_source_that_goes_on_is_never_stale() {
    let mut judged = 0;
    for stretch in stretches() {
        let ends = stretch.ends();
        assert!(ends.len() > 10, "{}", stretch.what);
        for (delay, wait) in DELAYS {
            let wait = SignedDuration::from_mins(wait);
            let pipeline = stretch.pipeline(1, delay);
            // At once, and as late as it may be: a minute before the next one is due.
            for is_late in [false, true] {
                let arrivals: Vec<(Timestamp, Timestamp)> = ends
                    .windows(2)
                    .map(|pair| {
                        let at = if is_late { pair[1] - MINUTE } else { pair[0] };
                        (at + wait, pair[0])
                    })
                    .collect();
                for pair in arrivals.windows(2) {
                    let status = at_bar(pair[0].1);
                    for now in minutes(pair[0].0, pair[1].0) {
                        let part = fresh(&pipeline, &status, now);
                        let found = (part.truth, part.reason.as_str());
                        assert_eq!(found, (true, "KeepingUp"), "{} {delay} {now}", stretch.what);
                        judged += 1;
                    }
                }
            }
        }
    }
    assert!(judged > 500_000, "{judged}");
}

#[test]
fn a_source_that_ends_is_named_once_its_tolerance_is_over_and_not_before() {
    for stretch in stretches() {
        let ends = stretch.ends();
        for (delay, wait) in DELAYS {
            let wait = SignedDuration::from_mins(wait);
            for allowed in [1, 3, 6] {
                let pipeline = stretch.pipeline(u32::try_from(allowed).unwrap(), delay);
                for (last, bar) in ends.iter().enumerate() {
                    let Some(missed) = ends.get(last + allowed + 1) else {
                        break;
                    };
                    let (status, named) = (at_bar(*bar), *missed + wait);
                    let reason = |now| {
                        let part = fresh(&pipeline, &status, now);
                        (part.truth, part.reason)
                    };
                    let told = format!("{} {delay} {allowed} since {bar}", stretch.what);
                    for now in minutes(*bar, named) {
                        assert_eq!(reason(now), (true, "KeepingUp".into()), "{told}: {now}");
                    }
                    let before = named - SignedDuration::from_millis(1);
                    assert!(reason(before).0, "{told}: {before}");
                    for later in [0, 1, 60 * 24, 60 * 24 * 9] {
                        let now = named + SignedDuration::from_mins(later);
                        assert_eq!(reason(now), (false, "SourceStale".into()), "{told}: {now}");
                    }
                    let message = fresh(&pipeline, &status, named).message;
                    let words = format!("and {} sessions have ended since", allowed + 1);
                    assert!(message.contains(&words), "{told}: {message}");
                }
            }
        }
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A provider of New York, with these days declared.
fn declared(overrides: Value) -> ValidatedPipeline {
    pipeline(|v| {
        from_provider(v);
        v["spec"]["calendarOverrides"] = overrides;
        v["spec"]["source"]["provider"]["delay"] = json!("30m");
    })
}

#[test]
fn behind_the_end_of_the_calendar_nothing_is_fresh_and_nobody_is_blamed() {
    let pipeline = declared(json!([]));
    let newest = at_bar(at("2027-12-31T21:00:00Z"));
    let judged = |now: &str| fresh(&pipeline, &newest, at(now));
    // It is said long before, and every condition stays as it is.
    let early = fresh(
        &pipeline,
        &at_bar(at("2027-09-28T20:00:00Z")),
        at("2027-09-29T12:00:00Z"),
    );
    assert_eq!((early.truth, early.message.as_str()), (true, KEEPS_UP));
    for now in ["2027-12-31T22:00:00Z", "2028-01-02T23:00:00Z"] {
        let part = judged(now);
        assert_eq!(
            (part.truth, part.reason.as_str()),
            (true, "KeepingUp"),
            "{now}"
        );
        assert!(
            part.message.contains("XNYS is known through 2028-01-02"),
            "{}",
            part.message
        );
    }
    // The Monday behind it may be a session or not.
    for now in [
        "2028-01-03T12:00:00Z",
        "2028-01-17T23:00:00Z",
        "2030-01-01T00:00:00Z",
    ] {
        let part = judged(now);
        assert_eq!(
            (part.truth, part.reason.as_str()),
            (false, "CalendarExpired"),
            "{now}"
        );
        assert!(!part.stalled, "ingest goes on once it is known");
        for word in ["XNYS", "2028-01-02", "update Foresail", "calendarOverrides"] {
            assert!(part.message.contains(word), "{}", part.message);
        }
    }
    // What had stopped before is named for that.
    let stopped = at_bar(at("2027-12-20T21:00:00Z"));
    let part = fresh(&pipeline, &stopped, at("2028-02-01T12:00:00Z"));
    assert_eq!(part.reason, "SourceStale");
    assert!(
        part.message.contains("and 8 sessions have ended"),
        "{}",
        part.message
    );
}

#[test]
fn days_behind_the_end_that_are_declared_are_judged_as_others() {
    let open = |day: i8| json!({"date": format!("2028-01-{day:02}"), "open": true});
    let week: Vec<Value> = (3..=7).map(open).collect();
    let pipeline = declared(Value::Array(week));
    let reason = |bar: &str, now: &str| {
        let part = fresh(&pipeline, &at_bar(at(bar)), at(now));
        (part.truth, part.reason)
    };
    let friday = "2028-01-07T21:00:00Z";
    assert_eq!(
        reason(friday, "2028-01-09T23:00:00Z"),
        (true, "KeepingUp".into())
    );
    assert_eq!(
        reason(friday, "2028-01-10T12:00:00Z"),
        (false, "CalendarExpired".into())
    );
    let before = "2027-12-31T21:00:00Z";
    assert_eq!(
        reason(before, "2028-01-06T21:29:59Z"),
        (true, "KeepingUp".into())
    );
    assert_eq!(
        reason(before, "2028-01-06T21:30:00Z"),
        (false, "SourceStale".into())
    );
}

#[test]
fn a_file_is_one_of_the_past_by_what_is_known() {
    let made = |at: &str| {
        pipeline(|v| {
            v["metadata"]["creationTimestamp"] = json!(at);
            let source = v["spec"]["source"].as_object_mut().unwrap();
            source.remove("replay");
            source.remove("backfill");
        })
    };
    let now = at("2028-03-01T12:00:00Z");
    let reason = |pipeline: &ValidatedPipeline, bar| fresh(pipeline, &at_bar(at(bar)), now).reason;
    let late = made("2028-02-15T12:00:00Z");
    assert_eq!(reason(&late, "2009-12-31T21:00:00Z"), "SourceOfThePast");
    // All of it that could be read: that it ends there is the fault of the calendar.
    assert_eq!(reason(&late, "2027-12-31T21:00:00Z"), "CalendarExpired");
    let endless = pipeline(|v| {
        v["metadata"]["creationTimestamp"] = json!("2028-02-15T12:00:00Z");
        v["spec"]["calendar"] = json!("Weekdays");
        let source = v["spec"]["source"].as_object_mut().unwrap();
        source.remove("replay");
        source.remove("backfill");
    });
    assert_eq!(reason(&endless, "2028-02-29T21:00:00Z"), "KeepingUp");
}
