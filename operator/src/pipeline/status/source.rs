//! What is said of a source that is read: whether its rows are what the spec describes, and how much of it there is. Pure.

use foresail_crds::pipeline::conditions::{self as names, REFETCH_ANNOTATION};
use foresail_crds::pipeline::status::{AccountState, IngestStatus, MissingSymbol, SymbolBars};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use super::part::{PartState, thousands};
use crate::pipeline::validate::ValidatedPipeline;

/// Reason of a source that is read to its end and looked at again.
const UP_TO_DATE: &str = "UpToDate";
/// Reason of a source that is read to its end and has one.
const COMPLETE: &str = "SourceComplete";
/// Reasons of a source that is not what the spec describes.
const MISFITS: [&str; 3] = ["CalendarDoesNotFit", "RowsRefused", "NoBars"];
/// Symbols without a bar that are named.
const NAMED: usize = 5;
/// Suspicious moves that are named.
const MOVES: usize = 3;

/// A source that is another one than the spec describes. A person must say which, so it is not waited for.
pub(super) fn misfit(pipeline: &ValidatedPipeline, ingest: &IngestStatus) -> Option<PartState> {
    let (reason, message) = other_calendar(pipeline, ingest)
        .or_else(|| rows_refused(pipeline, ingest))
        .or_else(|| no_bars(pipeline, ingest))?;
    let mut part = PartState::waiting(names::SOURCES_READY, reason, message);
    part.stalled = true;
    Some(part)
}

/// A source that is being read, or has been.
pub(super) fn read(pipeline: &ValidatedPipeline, ingest: &IngestStatus) -> PartState {
    let type_ = names::SOURCES_READY;
    let mut moves = suspicious_moves(ingest);
    moves.push_str(&not_followed(pipeline));
    if !ingest.source_complete {
        let accounts = ingest.provider.iter();
        let stood_in: String = accounts.map(|p| stood_in(&p.accounts)).collect();
        return PartState::good(type_, "Reading", format!("bars arrive{stood_in}{moves}"));
    }
    let mut message = format!(
        "{} rows read: {} sent, {} unchanged, {} in quarantine{}",
        thousands(ingest.rows_read),
        thousands(ingest.rows_sent),
        thousands(ingest.rows_unchanged),
        thousands(ingest.rows_quarantined),
        most_frequent(ingest, " (", ")"),
    );
    if let Some(missing) = without_bars(&ingest.symbols) {
        message.push_str(&format!("; {missing}"));
    }
    if let Some(files) = ingest.files.as_ref().filter(|files| files.refused > 0) {
        let (refused, found) = (files.refused, files.found);
        message.push_str(&format!("; {refused} of {found} files are left out"));
        if let Some(file) = files.examples.first() {
            let (name, reason, why) = (&file.name, &file.reason, &file.message);
            message.push_str(&format!(", the first is {name}: {reason}: {why}"));
        }
    }
    if let Some(provider) = &ingest.provider {
        message.push_str(&stood_in(&provider.accounts));
        message.push_str(&not_come(&provider.missing));
    }
    message.push_str(&moves);
    if pipeline.live_source.is_none() {
        return PartState::good(type_, COMPLETE, message);
    }
    if let Some(news) = &ingest.last_news_time {
        message.push_str(&format!("; nothing new since {:.0}", news.0));
    }
    PartState::good(type_, UP_TO_DATE, message)
}

/// Why the annotation that asks for bars is not followed; nothing when it is, or is not there.
pub(super) fn not_followed(pipeline: &ValidatedPipeline) -> String {
    match &pipeline.refetch {
        Some(Err(why)) => {
            format!("; the annotation {REFETCH_ANNOTATION} is not followed: {why}")
        }
        Some(Ok(_)) | None => String::new(),
    }
}

/// What is told once of a source, beside its condition: when it was read to its end with something to tell, and when it is
/// not what the spec describes.
pub(super) fn event(
    ingest: &IngestStatus,
    (old, new): (&[Condition], &[Condition]),
) -> Option<Event> {
    let find = |list: &[Condition]| {
        let condition = list.iter().find(|c| c.type_ == names::SOURCES_READY);
        condition.cloned()
    };
    let new = find(new)?;
    if find(old).is_some_and(|old| old.reason == new.reason) {
        return None;
    }
    let is_misfit = MISFITS.contains(&new.reason.as_str());
    let is_read = [UP_TO_DATE, COMPLETE].contains(&new.reason.as_str());
    let is_told = is_misfit || (is_read && is_worth_telling(ingest));
    if !is_told {
        return None;
    }
    let (type_, reason) = if is_misfit {
        (EventType::Warning, new.reason)
    } else {
        (EventType::Normal, "SourceRead".to_string())
    };
    Some(Event {
        type_,
        reason,
        note: Some(new.message),
        action: "Reconcile".into(),
        secondary: None,
    })
}

fn is_worth_telling(ingest: &IngestStatus) -> bool {
    let left_out = ingest.files.as_ref().is_some_and(|files| files.refused > 0);
    let without_bars = ingest.symbols.iter().any(|s| s.bars == 0);
    ingest.rows_quarantined > 0 || ingest.suspicious_moves > 0 || left_out || without_bars
}

/// The calendar has not the days of the source.
fn other_calendar(
    pipeline: &ValidatedPipeline,
    ingest: &IngestStatus,
) -> Option<(&'static str, String)> {
    let fits = ingest.fitting_calendar?;
    let declared = pipeline.calendar();
    if fits == declared.exchange() {
        return None;
    }
    let (declared, fits) = (declared.name(), fits.name());
    let example = ingest.refusals.iter().find(|r| r.reason == "OffSession");
    let example = example.map_or_else(String::new, |r| format!(", for example {}", r.example));
    let or_correct = match pipeline.account {
        Some(_) => "",
        None => ", or correct the file",
    };
    let message = format!(
        "more than one row in 50 is of a day that is no session of the calendar {declared}{example}; {fits} has these \
         days: set spec.calendar{or_correct}"
    );
    Some(("CalendarDoesNotFit", message))
}

/// A source of which more than half of the rows are refused. Refused rows are ordinary (days without a trade, typing errors),
/// and every source has some; most of them are not what a source has, but what its columns, its dates or its numbers are not:
/// the spec describes another file.
fn rows_refused(
    pipeline: &ValidatedPipeline,
    ingest: &IngestStatus,
) -> Option<(&'static str, String)> {
    if ingest.rows_quarantined <= ingest.rows_read / 2 {
        return None;
    }
    let next = match pipeline.account {
        Some(_) => "compare instruments with what the provider has under these symbols",
        None => "correct source.csv or the file, they are read again",
    };
    let message = format!(
        "{} of {} rows are refused{}; {next}",
        thousands(ingest.rows_quarantined),
        thousands(ingest.rows_read),
        most_frequent(ingest, "; the most frequent reason is ", ""),
    );
    Some(("RowsRefused", message))
}

/// A source that speaks of other instruments, or of no day of the backfill.
fn no_bars(pipeline: &ValidatedPipeline, ingest: &IngestStatus) -> Option<(&'static str, String)> {
    let symbols = &ingest.symbols;
    if !ingest.source_complete || symbols.is_empty() || symbols.iter().any(|s| s.bars > 0) {
        return None;
    }
    let missing = without_bars(symbols)?;
    let source = match pipeline.account {
        Some(_) => "source.provider",
        None => "source.csv",
    };
    let message = format!(
        "the source is read to its end, and there is {missing}; correct instruments, {source} or source.backfill"
    );
    Some(("NoBars", message))
}

fn most_frequent(ingest: &IngestStatus, before: &str, after: &str) -> String {
    let most = ingest.refusals.first();
    most.map_or_else(String::new, |most| {
        let (reason, example) = (&most.reason, &most.example);
        format!("{before}{reason}: {example}{after}")
    })
}

/// How many moves may be mistakes, and the newest of them; nothing when there are none.
fn suspicious_moves(ingest: &IngestStatus) -> String {
    if ingest.suspicious_moves == 0 {
        return String::new();
    }
    let moves = thousands(ingest.suspicious_moves);
    format!(
        "; {moves} moves may be mistakes: {}",
        newest_suspicions(ingest)
    )
}

/// The newest moves that may be mistakes, each in a sentence.
pub(super) fn newest_suspicions(ingest: &IngestStatus) -> String {
    let newest = ingest.suspicions.iter().rev().take(MOVES);
    let sentences = newest.map(|found| format!("{}: {}", found.reason, found.message));
    sentences.collect::<Vec<_>>().join("; ")
}

/// Accounts that stand in for one before them, and why they have to; nothing when none does.
fn stood_in(accounts: &[AccountState]) -> String {
    let mut told = String::new();
    for account in accounts.iter().filter(|account| account.standing_in > 0) {
        let (symbols, name) = (account.standing_in, &account.account);
        told.push_str(&format!(
            "; newest bars of {symbols} symbols are from {name}"
        ));
    }
    if told.is_empty() {
        return told;
    }
    for account in accounts {
        if let Some((reason, message)) = account.reason.as_ref().zip(account.message.as_ref()) {
            told.push_str(&format!("; {reason}: {message}"));
        }
    }
    told
}

/// Symbols whose newest bar a provider has not given, with its last answer; nothing when all have come.
fn not_come(missing: &[MissingSymbol]) -> String {
    let one = |it: &MissingSymbol| {
        format!(
            "; newest bar of {}: {}: {}",
            it.symbol, it.reason, it.message
        )
    };
    let named: String = missing.iter().take(NAMED).map(one).collect();
    match missing.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and of {more} more"),
    }
}

/// `no bar of AAPL (the source has AAPL.US) and TSLA`; `None` when every symbol has one.
fn without_bars(symbols: &[SymbolBars]) -> Option<String> {
    let empty: Vec<_> = symbols.iter().filter(|s| s.bars == 0).collect();
    let named = empty.iter().take(NAMED).map(|s| match &s.nearest {
        Some(nearest) => format!("{} (the source has {nearest})", s.symbol),
        None => s.symbol.clone(),
    });
    let named: Vec<_> = named.collect();
    let more = empty.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    (!named.is_empty()).then(|| format!("no bar of {}{more}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::status::{
        ProviderState, RefusalCount, RefusedFile, SourceFiles, SuspiciousMove,
    };
    use foresail_domain::TradingCalendar;
    use serde_json::json;

    use super::*;
    use crate::condition::{Claim, Conditions};
    use crate::pipeline::validate::tests::{from_provider, pipeline};

    fn live() -> ValidatedPipeline {
        pipeline(|v| {
            let source = v["spec"]["source"].as_object_mut().unwrap();
            source.remove("replay");
            source.remove("backfill");
        })
    }

    /// Of 1,204 rows read to their end; one symbol has bars.
    fn ingest() -> IngestStatus {
        serde_json::from_value(json!({
            "rowsRead": 1204, "rowsSent": 1200, "rowsQuarantined": 1, "rowsUnchanged": 3,
            "sourceComplete": true, "backfillComplete": true,
            "lastNewsTime": "2026-11-25T21:05:07.123Z",
            "symbols": [{"symbol": "X", "bars": 1200}],
        }))
        .unwrap()
    }

    fn bars(symbol: &str, bars: u64, nearest: Option<&str>) -> SymbolBars {
        SymbolBars {
            symbol: symbol.into(),
            bars,
            nearest: nearest.map(str::to_string),
        }
    }

    fn reason(ingest: &IngestStatus) -> Option<String> {
        misfit(&live(), ingest).map(|part| {
            assert!(!part.truth && part.stalled);
            part.reason
        })
    }

    #[test]
    fn nothing_new_is_a_state_with_its_age_where_more_may_come() {
        let part = read(&live(), &ingest());
        assert_eq!((part.truth, part.reason.as_str()), (true, "UpToDate"));
        assert_eq!(
            part.message,
            "1,204 rows read: 1,200 sent, 3 unchanged, 1 in quarantine; nothing new since 2026-11-25T21:05:07Z"
        );
        let ends = pipeline(|v| {
            v["spec"]["source"]
                .as_object_mut()
                .unwrap()
                .remove("replay");
        });
        assert_eq!(read(&ends, &ingest()).reason, "SourceComplete");
        let reading = IngestStatus {
            source_complete: false,
            ..ingest()
        };
        assert_eq!(read(&live(), &reading).reason, "Reading");
    }

    #[test]
    fn what_is_missing_is_told_with_an_example() {
        let mut seen = ingest();
        seen.symbols = vec![bars("AAPL", 0, Some("AAPL.US")), bars("X", 1200, None)];
        seen.files = Some(SourceFiles {
            found: 20,
            refused: 2,
            examples: vec![RefusedFile {
                name: "d/2020-01-02.csv".into(),
                reason: "NoTable".into(),
                message: "it is a page".into(),
            }],
        });
        let message = read(&live(), &seen).message;
        for part in [
            "; no bar of AAPL (the source has AAPL.US);",
            "; 2 of 20 files are left out, the first is d/2020-01-02.csv: NoTable: it is a page;",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(reason(&seen), None);
        seen.symbols = (0..9).map(|i| bars(&format!("S{i}"), 0, None)).collect();
        assert_eq!(reason(&seen).as_deref(), Some("NoBars"));
        let message = misfit(&live(), &seen).unwrap().message;
        assert!(
            message.contains("no bar of S0, S1, S2, S3, S4 and 4 more"),
            "{message}"
        );
        seen.source_complete = false;
        assert_eq!(reason(&seen), None, "they may come yet");
    }

    #[test]
    fn what_a_provider_was_asked_for_is_told_in_its_own_words() {
        let p = pipeline(from_provider);
        let mut seen = ingest();
        let missing = (0..7).map(|i| MissingSymbol {
            symbol: format!("S{i}"),
            reason: "BadSymbol".into(),
            message: "correct it".into(),
        });
        seen.provider = Some(ProviderState {
            missing: missing.collect(),
            ..ProviderState::default()
        });
        let part = read(&p, &seen);
        assert_eq!(part.reason, "UpToDate");
        let said = "; newest bar of S0: BadSymbol: correct it; newest bar of S1";
        assert!(part.message.contains(said), "{}", part.message);
        assert!(part.message.contains("; and of 2 more; nothing new since"));
        seen.symbols = vec![bars("S0", 0, None)];
        let none = misfit(&p, &seen).unwrap();
        seen.rows_quarantined = 1_000;
        let refused = misfit(&p, &seen).unwrap();
        for part in [none, refused] {
            assert!(!part.message.contains("csv"), "{}", part.message);
            assert!(!part.message.contains("file"), "{}", part.message);
        }
    }

    #[test]
    fn an_account_that_stands_in_is_told_with_what_the_first_one_lacks() {
        let p = pipeline(from_provider);
        let state = |account: &str, standing_in, reason: Option<&str>| AccountState {
            account: account.into(),
            answers: 9,
            bars: 90,
            standing_in,
            reason: reason.map(str::to_owned),
            message: reason.map(|_| "asked again at noon".to_owned()),
        };
        let mut seen = ingest();
        let read_with = |seen: &mut IngestStatus, second| {
            let first = state("market", 0, Some("QuotaExhausted"));
            seen.provider = Some(ProviderState {
                accounts: vec![first, state("spare", second, None)],
                ..ProviderState::default()
            });
            read(&p, seen)
        };
        let part = read_with(&mut seen, 3);
        assert!(part.truth);
        let said = "; newest bars of 3 symbols are from spare; QuotaExhausted: asked again at noon";
        assert!(part.message.contains(said), "{}", part.message);
        assert!(!read_with(&mut seen, 0).message.contains("spare"));
        seen.source_complete = false;
        let part = read_with(&mut seen, 1);
        assert!(
            part.message.starts_with("bars arrive; newest bars of 1"),
            "{}",
            part.message
        );
    }

    #[test]
    fn an_annotation_that_cannot_be_followed_is_told_with_the_source() {
        type Edit = fn(&mut serde_json::Value);
        let told = |value: &str, edit: Edit| {
            let p = pipeline(|v| {
                edit(v);
                v["metadata"]["annotations"] = json!({REFETCH_ANNOTATION: value});
            });
            let mut seen = ingest();
            let read = [true, false].map(|complete| {
                seen.source_complete = complete;
                read(&p, &seen).message
            });
            assert_eq!(
                read[0].contains("not followed"),
                read[1].contains("not followed")
            );
            read[0].clone()
        };
        let good = "X 2024-01-01..2024-03-31";
        assert!(!told(good, from_provider).contains(REFETCH_ANNOTATION));
        let cases: [(&str, Edit, &str); 3] = [
            (
                "X 2024-01-01",
                from_provider,
                "must be a symbol and two days",
            ),
            (
                "NOPE 2024-01-01..2024-03-31",
                from_provider,
                "NOPE is not among the instruments",
            ),
            (good, |_| {}, "source.provider is not used"),
        ];
        for (value, edit, why) in cases {
            let message = told(value, edit);
            let said = "; the annotation foresail.dev/refetch is not followed: ";
            assert!(message.contains(said) && message.contains(why), "{message}");
        }
    }

    #[test]
    fn moves_that_may_be_mistakes_are_told_while_bars_arrive_and_after() {
        let mut seen = ingest();
        seen.suspicious_moves = 1_200;
        seen.suspicions = (0..8)
            .map(|i| SuspiciousMove {
                reason: "SuspectedSplit".into(),
                message: format!("S{i} moved"),
            })
            .collect();
        let newest = "; 1,200 moves may be mistakes: SuspectedSplit: S7 moved; SuspectedSplit: S6 moved; \
                      SuspectedSplit: S5 moved";
        let part = read(&live(), &seen);
        assert!(
            part.message
                .contains(&format!("{newest}; nothing new since")),
            "{}",
            part.message
        );
        seen.source_complete = false;
        assert_eq!(read(&live(), &seen).message, format!("bars arrive{newest}"));
    }

    #[test]
    fn days_of_another_calendar_name_it() {
        let mut seen = ingest();
        seen.fitting_calendar = Some(TradingCalendar::AlwaysOpen);
        seen.rows_quarantined = 1_000;
        seen.refusals = vec![RefusalCount {
            reason: "OffSession".into(),
            rows: 1_000,
            example: "line 4: 2020-01-04 is no session".into(),
        }];
        let part = misfit(&live(), &seen).unwrap();
        assert_eq!(part.reason, "CalendarDoesNotFit");
        for word in ["XNYS", "line 4: 2020-01-04", "AlwaysOpen has these"] {
            assert!(part.message.contains(word), "{}", part.message);
        }
        // The count is of the spec before it was corrected.
        seen.fitting_calendar = Some(TradingCalendar::Xnys);
        assert_eq!(reason(&seen).as_deref(), Some("RowsRefused"));
    }

    #[test]
    fn it_is_told_once_and_not_when_all_is_well() {
        let with = |reason: &str| {
            let conditions = Conditions {
                old: &[],
                generation: Some(1),
                now: jiff::Timestamp::UNIX_EPOCH,
            };
            vec![conditions.claim(Claim {
                type_: names::SOURCES_READY,
                truth: true,
                reason,
                message: "m".into(),
            })]
        };
        let told = |old: &str, new: &str, seen: &IngestStatus| {
            event(seen, (&with(old), &with(new))).map(|event| event.reason)
        };
        let refused = ingest();
        let well = IngestStatus {
            rows_quarantined: 0,
            ..ingest()
        };
        assert_eq!(
            told("Reading", "UpToDate", &refused).as_deref(),
            Some("SourceRead")
        );
        assert_eq!(told("UpToDate", "UpToDate", &refused), None);
        assert_eq!(told("Reading", "UpToDate", &well), None);
        let suspicious = IngestStatus {
            suspicious_moves: 1,
            ..well.clone()
        };
        assert!(told("Reading", "UpToDate", &suspicious).is_some());
        assert_eq!(told("UpToDate", "NoBars", &well).as_deref(), Some("NoBars"));
        assert_eq!(told("NoBars", "NoBars", &well), None);
        assert_eq!(told("UpToDate", "KafkaUnreachable", &refused), None);
    }
}
