//! `DataFresh`: lake and features against ingest, and ingest against the clock, in bars of the calendar. Pure.

use super::part::PartState;
use crate::pipeline::validate::{LiveSource, ValidatedPipeline};
use foresail_crds::Role;
use foresail_crds::pipeline::conditions as names;
use foresail_crds::pipeline::status::PipelineStatus;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const KEEPS_UP: &str = "lake and features keep up with ingest";

/// Bars that lake and features may be behind, so that a bar on its way is no fault.
const STAGE_BARS: f64 = 3.0;
/// Beside them, the bars of so many milliseconds: a lake is written less often than each minute.
const STAGE_MS: i64 = 15 * 60_000;
/// In a replay, the seconds of it that they may be behind as well, so that the condition does not flap.
const REPLAY_SECONDS: f64 = 20.0;
/// Sessions that may end without a bar when `source.staleAfterSessions` is not set: vendors are a day late, and
/// calendars are at times.
const SOURCE_SESSIONS: u32 = 3;
/// How long before its end a calendar is said to end.
const ANNOUNCED: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Whether what is served speaks of the newest bars there are.
pub(super) fn fresh(
    pipeline: &ValidatedPipeline,
    status: &PipelineStatus,
    now: Timestamp,
) -> PartState {
    let type_ = names::DATA_FRESH;
    let ingest = status.ingest.as_ref();
    let sent = ingest.and_then(|s| s.last_event_time.as_ref());
    let stored = status
        .lake
        .as_ref()
        .and_then(|s| s.last_event_time.as_ref());
    let featured = status
        .stream
        .as_ref()
        .and_then(|s| s.last_event_time.as_ref());
    let (Some(sent), Some(stored), Some(featured)) = (sent, stored, featured) else {
        return no_data(pipeline, ingest.is_some());
    };
    if pipeline.suspend {
        let who = match pipeline.bars_of {
            Some(_) => "stream is suspended",
            None => "ingest is suspended",
        };
        return PartState::good(type_, "Suspended", who);
    }
    let grid = pipeline.grid();
    let sessions = (pipeline.replay_speed.unwrap_or(0.0) * REPLAY_SECONDS).ceil();
    let replayed = sessions * f64::from(grid.bars_per_session());
    let short = grid
        .interval()
        .length_ms()
        .map_or(0, |length| STAGE_MS / length);
    let allowed = STAGE_BARS + short as f64 + replayed;
    let behind = pipeline.bars_between(&stored.0.min(featured.0), &sent.0);
    if behind as f64 > allowed {
        let who = if stored.0 < featured.0 {
            Role::Lake
        } else {
            Role::Stream
        };
        let message = format!(
            "{who} is {behind} {} behind ingest, of which {allowed:.0} are allowed",
            unit(pipeline)
        );
        return PartState::waiting(type_, "Behind", message);
    }
    let keeps_up = PartState::good(type_, "KeepingUp", KEEPS_UP);
    match &pipeline.live_source {
        // Until all of the source is read, its newest bar is not known.
        Some(live) if ingest.is_some_and(|s| s.source_complete) => {
            against_the_clock(pipeline, live, (&sent.0, now)).unwrap_or(keeps_up)
        }
        _ => keeps_up,
    }
}

fn no_data(pipeline: &ValidatedPipeline, source_is_known: bool) -> PartState {
    let message = match &pipeline.bars_of {
        Some(name) if !source_is_known => {
            format!("nothing is known of the bars of Pipeline {name}")
        }
        _ => "no bar has passed all stages yet".to_string(),
    };
    PartState::waiting(names::DATA_FRESH, "NoData", message)
}

/// What its bars are called.
fn unit(pipeline: &ValidatedPipeline) -> &'static str {
    match pipeline.grid().interval().is_intraday() {
        true => "bars",
        false => "sessions",
    }
}

/// A source whose bars stop coming, told by the calendar: a weekend, a holiday and an early close are no faults.
fn against_the_clock(
    pipeline: &ValidatedPipeline,
    live: &LiveSource,
    (sent, now): (&Timestamp, Timestamp),
) -> Option<PartState> {
    let type_ = names::DATA_FRESH;
    let newest = pipeline.session_date(sent);
    let allowed = live.stale_after_sessions.unwrap_or(SOURCE_SESSIONS);
    let allowed = pipeline.grid().bars(allowed) as usize;
    let missing = |at: Timestamp| pipeline.bars_between(sent, &known_until(pipeline, at));
    // Whoever applies a file of the past wants to learn from it. Only one that was up to date can stop.
    // A provider is asked for what is new, so its past is none of that kind.
    let may_be_past = live.stale_after_sessions.is_none() && live.account.is_none();
    if may_be_past && live.made.is_some_and(|made| missing(made) > allowed) {
        let message =
            format!("{KEEPS_UP}; the source is one of the past, its newest bar is of {newest}");
        return Some(PartState::good(type_, "SourceOfThePast", message));
    }
    // A bar is missed once it was due.
    let due = now.checked_sub(live.delay).unwrap_or(now);
    let missing = missing(due);
    if missing <= allowed {
        return at_the_end_of_the_calendar(pipeline, due);
    }
    let next = match &live.account {
        Some(account) => {
            format!(
                "asking: status.ingest.provider and ProviderAccount {account} say what was answered"
            )
        }
        None => "looking: check who writes the source".to_string(),
    };
    let whose = pipeline.bars_of.as_ref();
    let whose = whose.map_or_else(String::new, |name| format!(" of Pipeline {name}"));
    let message = format!(
        "the newest bar is of {newest}, and {missing} {} have ended since, of which {allowed} are allowed \
         (source.staleAfterSessions); ingest{whose} goes on {next}",
        unit(pipeline)
    );
    Some(PartState::waiting(type_, "SourceStale", message))
}

/// Behind the end of the calendar a day may be a session or not, so that none is counted as missed.
fn known_until(pipeline: &ValidatedPipeline, at: Timestamp) -> Timestamp {
    let calendar = pipeline.calendar();
    let end = calendar.known_through();
    if calendar.date_at(at, Offset::UTC) <= end {
        return at;
    }
    let end = Timestamp::from_millisecond(calendar.session_end(end));
    end.map_or(at, |end| end.min(at))
}

/// Without a calendar nobody can say that a source is up to date, and what comes is refused. It is announced, since only a
/// person can bring a newer one.
fn at_the_end_of_the_calendar(pipeline: &ValidatedPipeline, due: Timestamp) -> Option<PartState> {
    let type_ = names::DATA_FRESH;
    let calendar = pipeline.calendar();
    let through = calendar.known_through();
    let is_known = |at: Timestamp| calendar.date_at(at, Offset::UTC) <= through;
    let soon = due.saturating_add(ANNOUNCED).unwrap_or(due);
    if is_known(soon) {
        return None;
    }
    let end = format!(
        "the calendar {} is known through {through}",
        calendar.name()
    );
    let remedy = "update Foresail, or declare the days behind it in spec.calendarOverrides";
    if is_known(due) {
        let message = format!("{KEEPS_UP}; {end}: {remedy}");
        return Some(PartState::good(type_, "KeepingUp", message));
    }
    let message = format!(
        "{end}: nobody can say which sessions have ended since, and bars of days that are not known are refused; {remedy}"
    );
    Some(PartState::waiting(type_, "CalendarExpired", message))
}

#[cfg(test)]
#[path = "freshness_sessions_tests.rs"]
mod session_tests;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::validate::tests::{from_provider, pipeline, reads};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A file that is read to its end, made on a Wednesday.
    fn live(change: impl FnOnce(&mut Value)) -> ValidatedPipeline {
        pipeline(|v| {
            v["metadata"]["creationTimestamp"] = json!("2026-11-18T12:00:00Z");
            let source = v["spec"]["source"].as_object_mut().unwrap();
            source.remove("replay");
            source.remove("backfill");
            change(v);
        })
    }

    /// The newest bars of ingest, lake and stream.
    fn seen(sent: &str, stored: &str, featured: &str) -> PipelineStatus {
        serde_json::from_value(json!({
            "ingest": {"rowsRead": 9, "rowsSent": 9, "rowsQuarantined": 0, "missingFields": 0,
                "backfillComplete": true, "sourceComplete": true, "lastEventTime": sent},
            "lake": {"version": 3, "rows": 9, "lastEventTime": stored},
            "stream": {"rows": 9, "fingerprint": "f", "lastEventTime": featured},
        }))
        .unwrap()
    }

    /// All three at the same bar.
    fn at_bar(time: &str) -> PipelineStatus {
        seen(time, time, time)
    }

    fn reason(p: &ValidatedPipeline, status: &PipelineStatus, now: &str) -> (bool, String) {
        let part = fresh(p, status, at(now));
        (part.truth, part.reason)
    }

    #[test]
    fn a_source_that_stops_is_told_by_the_calendar_and_not_by_the_hours() {
        let p = live(|_| {});
        // The Wednesday before Thanksgiving.
        let newest = at_bar("2026-11-25T21:00:00Z");
        // Friday closes at 13:00 New York time; Monday, Tuesday and Wednesday at 16:00.
        for now in [
            "2026-11-26T23:00:00Z",
            "2026-11-29T23:00:00Z",
            "2026-12-02T20:59:59Z",
        ] {
            assert_eq!(
                reason(&p, &newest, now),
                (true, "KeepingUp".into()),
                "{now}"
            );
        }
        let part = fresh(&p, &newest, at("2026-12-02T21:00:00Z"));
        assert_eq!((part.truth, part.reason.as_str()), (false, "SourceStale"));
        assert!(
            part.message.contains("2026-11-25, and 4 sessions"),
            "{}",
            part.message
        );
        // The source is somebody else's, and ingest goes on looking.
        assert!(!part.stalled);
        let mut reading = newest.clone();
        reading.ingest.as_mut().unwrap().source_complete = false;
        assert!(
            reason(&p, &reading, "2027-01-01T00:00:00Z").0,
            "read to its end it may be newer"
        );
        let p = live(|v| v["spec"]["source"]["staleAfterSessions"] = json!(1));
        let first = reason(&p, &newest, "2026-11-30T20:59:59Z");
        let second = reason(&p, &newest, "2026-11-30T21:00:00Z");
        assert_eq!((first.0, second.0), (true, false));
    }

    #[test]
    fn minutes_are_counted_against_the_minutes_of_sessions() {
        let p = live(|v| {
            v["spec"]["source"]["interval"] = json!("1m");
            v["spec"]["source"]["staleAfterSessions"] = json!(1);
        });
        // Noon in New York: 390 minutes are allowed, of which 240 are of that day.
        let newest = at_bar("2026-11-23T17:00:00Z");
        assert!(reason(&p, &newest, "2026-11-24T17:00:00Z").0);
        let part = fresh(&p, &newest, at("2026-11-24T17:01:00Z"));
        assert_eq!((part.truth, part.reason.as_str()), (false, "SourceStale"));
        assert!(part.message.contains("391 bars"), "{}", part.message);
        // A lake that is written every some minutes is not behind.
        let now = "2026-11-23T17:00:30Z";
        let behind = |stored: &str| {
            let status = seen("2026-11-23T17:00:00Z", stored, "2026-11-23T17:00:00Z");
            reason(&p, &status, now)
        };
        assert!(behind("2026-11-23T16:42:00Z").0);
        assert_eq!(behind("2026-11-23T16:41:00Z"), (false, "Behind".into()));
    }

    #[test]
    fn a_file_of_the_past_is_not_expected_to_go_on_unless_it_is_declared() {
        let newest = at_bar("2009-12-31T21:00:00Z");
        let now = "2026-11-20T12:00:00Z";
        let past = reason(&live(|_| {}), &newest, now);
        assert_eq!(past, (true, "SourceOfThePast".into()));
        let declared = live(|v| v["spec"]["source"]["staleAfterSessions"] = json!(20));
        assert_eq!(
            reason(&declared, &newest, now),
            (false, "SourceStale".into())
        );
        // One that was up to date when the Pipeline was made is missed however long ago that was.
        let stopped = at_bar("2026-11-13T21:00:00Z");
        assert!(reason(&live(|_| {}), &stopped, "2026-11-19T12:00:00Z").0);
        assert!(!reason(&live(|_| {}), &stopped, "2031-01-01T00:00:00Z").0);
    }

    #[test]
    fn a_bar_of_a_provider_is_missed_once_it_was_due() {
        let from = |delay: &str| {
            pipeline(|v| {
                from_provider(v);
                v["metadata"]["creationTimestamp"] = json!("2026-11-18T12:00:00Z");
                v["spec"]["source"]["provider"]["delay"] = json!(delay);
            })
        };
        let newest = at_bar("2026-11-25T21:00:00Z");
        for (delay, last, first) in [
            ("30m", "2026-12-02T21:29:59Z", "2026-12-02T21:30:00Z"),
            ("12h", "2026-12-03T08:59:59Z", "2026-12-03T09:00:00Z"),
        ] {
            assert_eq!(
                reason(&from(delay), &newest, last),
                (true, "KeepingUp".into())
            );
            let part = fresh(&from(delay), &newest, at(first));
            assert_eq!((part.truth, part.reason.as_str()), (false, "SourceStale"));
            assert!(
                part.message.contains("4 sessions")
                    && part.message.contains("ProviderAccount market"),
                "{}",
                part.message
            );
        }
        // What ended before the Pipeline was made was expected to go on all the same.
        let ended = at_bar("2009-12-31T21:00:00Z");
        assert!(!reason(&from("30m"), &ended, "2026-11-20T12:00:00Z").0);
    }

    #[test]
    fn bars_of_another_pipeline_are_judged_by_its_source() {
        let other = |change: fn(&mut Value)| {
            crate::pipeline::object(|v| {
                v["metadata"]["creationTimestamp"] = json!("2026-11-18T12:00:00Z");
                change(v);
            })
        };
        let reader = || pipeline(reads);
        let newest = at_bar("2026-11-25T21:00:00Z");
        let live = reader().reading(Some(&other(from_provider)));
        let keeps_up = (true, "KeepingUp".to_string());
        assert_eq!(reason(&live, &newest, "2026-12-02T21:29:59Z"), keeps_up);
        let part = fresh(&live, &newest, at("2026-12-02T21:30:00Z"));
        assert_eq!((part.truth, part.reason.as_str()), (false, "SourceStale"));
        let said = "ingest of Pipeline prices goes on asking: ";
        assert!(part.message.contains(said), "{}", part.message);
        // A replay of the past is not judged by the clock, and may be ahead of lake and features by some seconds of it.
        let replayed = reader().reading(Some(&other(|_| {})));
        let month = seen(
            "2009-12-31T21:00:00Z",
            "2009-12-31T21:00:00Z",
            "2009-08-10T20:00:00Z",
        );
        let now = "2026-11-20T12:00:00Z";
        assert_eq!(reason(&replayed, &month, now), keeps_up);
        // It is gone.
        let mut gone = newest.clone();
        gone.ingest = None;
        let part = fresh(&reader(), &gone, at(now));
        assert_eq!((part.truth, part.reason.as_str()), (false, "NoData"));
        assert!(part.message.contains("Pipeline prices"), "{}", part.message);
    }

    #[test]
    fn only_what_goes_on_is_judged_by_the_clock() {
        let newest = at_bar("2007-06-29T20:00:00Z");
        let declare = |v: &mut Value| v["spec"]["source"]["staleAfterSessions"] = json!(1);
        let replayed = pipeline(declare);
        let ended = live(|v| {
            declare(v);
            v["spec"]["source"]["backfill"] = json!({"to": "2007-06-30"});
        });
        let simulated = live(|v| {
            v["spec"]["source"] = json!({"staleAfterSessions": 1,
                "simulator": {"seed": 1, "start": "2000-01-03", "sessions": 99}});
        });
        for p in [replayed, ended, simulated] {
            let found = reason(&p, &newest, "2026-11-20T12:00:00Z");
            assert_eq!(found, (true, "KeepingUp".into()));
        }
    }

    #[test]
    fn stages_may_be_some_sessions_behind_and_in_a_replay_some_seconds() {
        let bar = |day: u32| format!("2026-11-{day:02}T21:00:00Z");
        let now = bar(20);
        let lake = seen(&bar(20), &bar(16), &bar(20));
        let part = fresh(&live(|_| {}), &lake, at(&now));
        assert_eq!((part.truth, part.reason.as_str()), (false, "Behind"));
        assert!(
            part.message.contains("lake is 4 sessions"),
            "{}",
            part.message
        );
        let stream = seen(&bar(20), &bar(20), &bar(17));
        assert!(reason(&live(|_| {}), &stream, &now).0);
        // The replay of `object` plays five sessions per second.
        let month = seen(
            "2009-12-31T21:00:00Z",
            "2009-12-31T21:00:00Z",
            "2009-08-10T20:00:00Z",
        );
        assert!(reason(&pipeline(|_| {}), &month, &now).0);
        let longer = seen(
            "2009-12-31T21:00:00Z",
            "2009-12-31T21:00:00Z",
            "2009-07-10T20:00:00Z",
        );
        assert!(!reason(&pipeline(|_| {}), &longer, &now).0);
        let suspended = live(|v| v["spec"]["suspend"] = json!(true));
        assert_eq!(reason(&suspended, &lake, &now), (true, "Suspended".into()));
    }
}
