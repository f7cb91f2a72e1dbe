//! Files that change, and processes that die, against the records that were committed.

use foresail_crds::records::header;
use serde_json::json;

use super::*;
use crate::testing::{ALL, NOW, World, config, file, rows};

#[test]
fn a_file_that_has_grown_is_read_on() {
    let (config, mut world) = (config(json!({})), World::new());
    let before = world.run(&config, &file(&rows(0, 700)), ALL);
    let (bars, quarantined) = (world.bars(), world.quarantined());
    assert_eq!(before.rows_read, 1_400);
    let status = world.run(&config, &file(&rows(0, 705)), ALL);
    assert_eq!((status.rows_read, status.rows_unchanged), (1_410, 0));
    let new = world.bars().len() - bars.len() + world.quarantined() - quarantined;
    assert_eq!(new, 10);
    assert!(world.bars().values().all(|times| *times == 1));
    let again = world.run(&config, &file(&rows(0, 705)), ALL);
    assert_eq!(again, status, "a restart counts what was counted");
}

#[test]
fn a_window_that_slid_sends_what_is_new_and_nothing_twice() {
    let (config, mut world) = (config(json!({})), World::new());
    world.run(&config, &file(&rows(0, 700)), ALL);
    let before = world.bars();
    let status = world.run(&config, &file(&rows(200, 505)), ALL);
    let bars = world.bars();
    assert!(bars.values().all(|times| *times == 1));
    assert_eq!(bars.len() as u64, before.len() as u64 + status.rows_sent);
    let mut whole = World::new();
    whole.run(&config, &file(&rows(0, 705)), ALL);
    assert_eq!(
        bars,
        whole.bars(),
        "what was there before and the five new sessions"
    );
    assert_eq!(status.rows_read, 1_010);
    // Only refused rows that name no session go to quarantine again.
    let nameless = rows(200, 500)
        .iter()
        .filter(|r| r.contains("no date"))
        .count();
    let last = rows(700, 5).iter().filter(|r| r.contains("no")).count();
    assert_eq!(status.rows_quarantined, (nameless + last) as u64);
    // And on: the next evening, and a restart in between.
    assert_eq!(world.run(&config, &file(&rows(200, 505)), ALL), status);
    let next = world.run(&config, &file(&rows(205, 505)), ALL);
    assert!(next.rows_sent > 0);
    assert!(world.bars().values().all(|times| *times == 1));
}

#[test]
fn a_process_that_dies_anywhere_loses_and_doubles_nothing() {
    let config = config(json!({}));
    let files = [
        rows(0, 1_000),
        rows(0, 1_400),
        rows(300, 1_900),
        rows(900, 2_000),
    ];
    let mut steady = World::new();
    let mut expected = IngestStatus::default();
    for rows in &files {
        expected = steady.run(&config, &file(rows), ALL);
    }
    for transactions in 1..4 {
        let mut world = World::new();
        let mut status = IngestStatus::default();
        for rows in &files {
            // Dies again and again, and comes to the end at last.
            for _ in 0..12 {
                world.run(&config, &file(rows), transactions);
            }
            status = world.run(&config, &file(rows), ALL);
        }
        assert_eq!(world.bars(), steady.bars(), "{transactions}");
        assert!(world.bars().values().all(|times| *times == 1));
        assert_eq!(world.quarantined(), steady.quarantined());
        assert_eq!(status, expected, "{transactions}");
    }
}

#[test]
fn rows_that_were_refused_arrive_once_the_spec_is_corrected() {
    let mut world = World::new();
    let text = file(&rows(0, 100)).replace("symbol,date,close", "symbol,day,date,close");
    let text = text.replace(",20", ",2010-01-01,20");
    let wrong = config(json!({"date": "close", "close": "day"}));
    let status = world.run(&wrong, &text, ALL);
    assert_eq!(status.rows_sent, 0);
    assert_eq!(status.rows_read, status.rows_quarantined);
    assert_eq!(status.refusals[0].reason, "BadDate");
    assert!(
        status.refusals[0].example.starts_with("line "),
        "{status:?}"
    );
    let status = world.run(&config(json!({})), &text, ALL);
    assert_eq!(status.rows_sent, 192, "{:?}", status.refusals);
    assert_eq!(world.bars().len(), 192);
}

#[test]
fn a_symbol_that_is_declared_later_gets_its_history() {
    let (both, mut world) = (config(json!({})), World::new());
    let mut one = both.clone();
    one.instruments.truncate(1);
    world.run(&one, &file(&rows(0, 100)), ALL);
    assert_eq!(world.bars().len(), 100);
    let status = world.run(&both, &file(&rows(0, 100)), ALL);
    let symbols = world.bars();
    assert_eq!(symbols.len(), 192, "eight rows of Y are damaged");
    assert!(symbols.values().all(|times| *times == 1));
    assert!(status.rows_unchanged > 0);
}

#[test]
fn records_of_an_older_release_are_gone_on_behind() {
    let (config, mut world) = (config(json!({})), World::new());
    let status = world.run(&config, &file(&rows(0, 300)), ALL);
    for record in &mut world.records {
        record
            .headers
            .retain(|(name, _)| name != header::SOURCE_STATE);
    }
    let count = world.records.len();
    assert_eq!(world.run(&config, &file(&rows(0, 300)), ALL), status);
    assert_eq!(world.records.len(), count);
}

#[test]
fn a_transaction_is_bounded_in_bytes() {
    let config = config(json!({}));
    let long = "x".repeat(60_000);
    let rows: Vec<String> = (0..100).map(|_| long.clone()).collect();
    let mut world = World::new();
    world.run(&config, &file(&rows), 1);
    let bytes: usize = world.records.iter().map(|r| r.value.len()).sum();
    assert!(world.records.len() < 20 && bytes < 2 * BYTES, "{bytes}");
    world.run(&config, &file(&rows), ALL);
    assert_eq!(world.quarantined(), 100);
}

/// X and Y beside each other: some values are damaged, some lines, and X has no value on some days.
fn beside(days: usize) -> (String, usize, usize) {
    let start: jiff::civil::Date = "2010-01-01".parse().unwrap();
    let mut lines = vec![
        "Price,Close,Close".to_string(),
        "Ticker,X,Y".into(),
        "Date,,".into(),
    ];
    let (mut good, mut bad) = (0, 0);
    for day in 0..days {
        let date = start + jiff::Span::new().days(day as i64);
        let price = 100 + day % 7;
        let (line, bars, refused) = match day % 50 {
            7 => (format!("{date},{price},what"), 1, 1),
            17 => (format!("no date,{price},{price}"), 0, 2),
            27 => (format!("{date},{price}"), 0, 1),
            37 => (format!("{date},,{price}"), 1, 0),
            47 => (format!("{date},,"), 0, 1),
            _ => (format!("{date},{price},{price}"), 2, 0),
        };
        lines.push(line);
        good += bars;
        bad += refused;
    }
    (lines.join("\n") + "\n", good, bad)
}

/// Every bar of a line is a row: the counts add up, and a transaction may end within a line.
#[test]
fn symbols_beside_each_other_are_rows_of_their_own() {
    let config = config(json!({}));
    let (text, good, bad) = beside(2_000);
    let mut steady = World::new();
    let expected = steady.run(&config, &text, ALL);
    assert_eq!(
        (expected.rows_sent, expected.rows_quarantined),
        (good as u64, bad as u64)
    );
    let record = |record: &&Record| record.topic == steady.topics.quarantine;
    let first: serde_json::Value = {
        let first = steady.records.iter().find(record).unwrap();
        serde_json::from_slice(&first.value).unwrap()
    };
    assert_eq!(first["original"], "2010-01-08,100,what");
    assert_eq!(first["sourcePosition"], 15);
    let refusals = expected.refusals.iter();
    let mut examples = refusals.filter(|refusal| refusal.reason == "NotANumber");
    let example = &examples.next().unwrap().example;
    assert!(example.starts_with("line 11, Y: "), "{example}");
    for transactions in 1..3 {
        let mut world = World::new();
        for _ in 0..12 {
            world.run(&config, &text, transactions);
        }
        assert_eq!(world.run(&config, &text, ALL), expected);
        assert_eq!(world.bars(), steady.bars());
        assert!(world.bars().values().all(|times| *times == 1));
        assert_eq!(world.quarantined(), bad);
    }
    // Another symbol in the header is another file, though its lines are the same.
    let renamed = text.replace("Ticker,X,Y", "Ticker,Y,X");
    let mut world = World::new();
    world.run(&config, &text, 1);
    let after_one = world.bars().len();
    world.run(&config, &renamed, ALL);
    assert!(world.bars().len() > after_one);
    assert!(world.bars().values().all(|times| *times == 1));
}

#[test]
fn the_bar_of_a_session_is_taken_once_it_has_ended_though_the_file_stays_as_it_is() {
    let (config, mut world) = (config(json!({})), World::new());
    // The day of NOW, of which two hours are left, and the one after.
    let rows = ["X,2023-11-13,100", "X,2023-11-14,101", "X,2023-11-15,102"].map(str::to_string);
    let first = world.run(&config, &file(&rows), ALL);
    let reasons: Vec<_> = first.refusals.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(reasons, ["InTheFuture", "Unfinished"]);
    assert_eq!(world.run(&config, &file(&rows), ALL), first);
    world.now = NOW + 2 * 3_600_000;
    let second = world.run(&config, &file(&rows), ALL);
    assert_eq!((second.rows_unchanged, second.rows_sent), (1, 1));
    assert!(world.bars().values().all(|times| *times == 1));
    assert_eq!(world.bars().len(), 2);
    // The last day has begun now.
    assert_eq!(second.refusals[0].reason, "Unfinished");
    world.now += 24 * 3_600_000;
    world.run(&config, &file(&rows), ALL);
    assert_eq!((world.bars().len(), world.quarantined()), (3, 3));
}

/// A split of X on the 50th day, which no column declares.
fn with_a_split() -> String {
    let start = jiff::civil::date(2010, 1, 1);
    let rows: Vec<String> = (0..100)
        .map(|day| {
            let date = start + jiff::Span::new().days(day);
            let close = if day < 50 { 100 + day % 3 } else { 25 };
            format!("X,{date},{close}")
        })
        .collect();
    file(&rows)
}

#[test]
fn suspicious_moves_are_told_with_both_prices_and_after_a_restart_the_same() {
    let (config, mut world) = (config(json!({})), World::new());
    let status = world.run(&config, &with_a_split(), ALL);
    assert_eq!((status.suspicious_moves, status.rows_sent), (1, 100));
    let told = &status.suspicions[0];
    assert_eq!(told.reason, "SuspectedSplit");
    let words = "X: 2010-02-19 closes at 101 and 2010-02-20 at 25, as after a split of 4:1";
    assert!(told.message.starts_with(words), "{}", told.message);
    assert_eq!(world.run(&config, &with_a_split(), ALL), status);
}

#[test]
fn what_is_held_back_is_in_quarantine_and_another_word_is_another_reading() {
    let (config, mut world) = (config(json!({})), World::new());
    world.run(&config, &with_a_split(), ALL);
    let mut holds = config.clone();
    holds.source.on_suspicion = Some(foresail_crds::pipeline::spec::OnSuspicion::Quarantine);
    let mut held = World::new();
    let status = held.run(&holds, &with_a_split(), ALL);
    assert_eq!((status.rows_sent, status.rows_quarantined), (98, 2));
    assert_eq!(status.refusals[0].reason, "SuspectedSplit");
    assert_eq!((status.suspicious_moves, held.quarantined()), (1, 2));
    // Nothing that was sent is taken back.
    let after = world.run(&holds, &with_a_split(), ALL);
    assert_eq!((after.rows_unchanged, world.bars().len()), (100, 100));
}

/// A release with a newer calendar makes bars of rows that were refused for want of one; until then nothing is read again.
#[test]
fn rows_behind_the_end_of_the_calendar_are_read_again_once_it_is_known() {
    let mut config = config(json!({}));
    config.calendar = foresail_domain::TradingCalendar::Xnys.into();
    let days = ["2027-12-30", "2027-12-31", "2028-01-03", "2028-01-04"];
    let file = file(&days.map(|day| format!("X,{day},100")));
    let mut world = World::new();
    world.now = "2028-01-10T00:00:00Z"
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_millisecond();
    let first = world.run(&config, &file, ALL);
    assert_eq!((first.rows_sent, first.rows_quarantined), (2, 2));
    assert_eq!(first.refusals[0].reason, CALENDAR_EXPIRED);
    assert_eq!(world.run(&config, &file, ALL), first, "nothing has changed");
    assert_eq!(world.quarantined(), 2);

    let (next, state) = crate::position::after(&world.messages());
    let start = |expired: Option<&str>| {
        let end = expired.map(|day| config.calendar.session_end(day.parse().unwrap()));
        let mut state = state.clone().unwrap();
        assert!(state.expired.is_some());
        state.expired = end;
        let position = crate::position::Position {
            next,
            state: Some(state),
            written: 0,
            last_news: None,
        };
        let described = foresail_bars::Described::new(&config, config.source.csv.clone().unwrap());
        let bytes = std::io::Cursor::new(file.as_bytes().to_vec());
        let rows = foresail_bars::CsvRows::new(bytes, &described).unwrap();
        let mut rows = crate::source::Rows::new(rows).unwrap();
        let judged = (world.now, &config.calendar);
        crate::reading::start(&position, Trail::new(&config), &mut rows, judged).unwrap()
    };
    assert_eq!(start(Some("2028-01-03")).reading, 0);
    // As if it had ended earlier when the row was refused.
    assert_eq!(start(Some("2027-12-30")).reading, 1);

    // An override makes one of them a bar, and the one that is still not known is refused again.
    let open = foresail_domain::CalendarOverride {
        date: "2028-01-03".into(),
        open: Some(true),
        ..Default::default()
    };
    let exchange = foresail_domain::TradingCalendar::Xnys;
    config.calendar = foresail_domain::Calendar::new(exchange, &[open]).unwrap();
    let told = world.run(&config, &file, ALL);
    assert_eq!(
        (told.rows_sent, told.rows_unchanged, told.rows_quarantined),
        (1, 2, 1)
    );
    assert_eq!(world.bars().len(), 3);
    assert_eq!(world.run(&config, &file, ALL), told);
}
