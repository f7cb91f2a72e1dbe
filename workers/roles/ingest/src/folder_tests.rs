//! Files of a folder that come, change, go and cannot be read, and processes that die, against the records that were
//! committed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use foresail_crds::pipeline::status::IngestStatus;
use foresail_crds::worker_config::IngestConfig;
use serde_json::json;

use super::*;
use crate::source::Rows;
use crate::testing::{ALL, World, config, file, rows};

type File = (String, Vec<u8>);

/// As S3 would hand them over.
fn fetched(files: &[File]) -> Vec<Fetched> {
    let mut last: Option<Spooled> = None;
    let mut take = |(name, bytes): &File| {
        let mut spool = match &last {
            Some(last) => Spool::behind(last, name, 1 << 20).unwrap(),
            None => Spool::new(name).unwrap(),
        };
        let file = spool.push(bytes).and_then(|()| spool.finish());
        last = file.as_ref().ok().cloned().or(last.take());
        Fetched {
            name: name.clone(),
            file,
        }
    };
    files.iter().map(&mut take).collect()
}

fn run(
    world: &mut World,
    config: &IngestConfig,
    files: &[File],
    transactions: usize,
) -> IngestStatus {
    let files = fetched(files);
    let of = Described::new(config, config.source.csv.clone().unwrap());
    let open = || Rows::of_folder(FolderRows::new(files.clone(), of.clone())).unwrap();
    world.run_rows(config, &open, transactions)
}

/// The file of one day, with the sessions of `window` days up to it.
fn day(day: usize, window: usize) -> File {
    let from = (day + 1).saturating_sub(window);
    let text = file(&rows(from, day + 1 - from));
    (format!("daily/{day:04}.csv"), text.into_bytes())
}

fn days(count: usize, window: usize) -> Vec<File> {
    (0..count).map(|d| day(d, window)).collect()
}

#[test]
fn one_file_a_day_is_one_file_of_all_days() {
    let config = config(json!({}));
    let mut whole = World::new();
    let expected = whole.run(&config, &file(&rows(0, 60)), ALL);
    let mut world = World::new();
    let mut status = IngestStatus::default();
    for count in [1, 2, 3, 20, 40, 59, 60] {
        status = run(&mut world, &config, &days(count, 1), ALL);
        assert_eq!(status.rows_read, 2 * count as u64);
    }
    assert_eq!(world.bars(), whole.bars());
    assert_eq!(world.quarantined(), whole.quarantined());
    assert_eq!(
        (status.rows_read, status.rows_sent, status.rows_quarantined),
        (
            expected.rows_read,
            expected.rows_sent,
            expected.rows_quarantined
        )
    );
    assert_eq!(status.files.unwrap().found, 60);
    assert_eq!(status.symbols.len(), 2);
    let bars: u64 = status.symbols.iter().map(|s| s.bars).sum();
    assert_eq!(bars, status.rows_sent);
}

#[test]
fn sessions_that_files_have_in_common_are_unchanged() {
    let config = config(json!({}));
    let mut whole = World::new();
    let expected = whole.run(&config, &file(&rows(0, 60)), ALL);
    for stops in [vec![60], vec![1, 2, 30, 59, 60]] {
        let mut world = World::new();
        let mut status = IngestStatus::default();
        for count in stops {
            status = run(&mut world, &config, &days(count, 7), ALL);
        }
        assert_eq!(world.bars(), whole.bars());
        assert!(world.bars().values().all(|times| *times == 1));
        // In one pass, each row of 60 windows is told once; what names no session is refused in each.
        assert_eq!(
            status.rows_read,
            2 * (1..=60).map(|n| n.min(7)).sum::<u64>()
        );
        assert_eq!(
            status.rows_sent + status.rows_unchanged + status.rows_quarantined,
            status.rows_read
        );
        assert_eq!(status.rows_sent, expected.rows_sent);
        let bars: u64 = status.symbols.iter().map(|s| s.bars).sum();
        assert_eq!(bars, expected.rows_sent, "a session counts once");
    }
}

#[test]
fn a_move_that_may_be_a_mistake_is_told_once_however_many_files_have_it() {
    let start = jiff::civil::date(2010, 1, 1);
    let row = |day: i64| {
        let date = start + jiff::Span::new().days(day);
        let close = if day < 10 { 100 } else { 25 };
        format!("X,{date},{close}")
    };
    let window = |day: i64| {
        let rows: Vec<String> = ((day - 6).max(0)..=day).map(row).collect();
        (format!("daily/{day:04}.csv"), file(&rows).into_bytes())
    };
    let files: Vec<File> = (0..20).map(window).collect();
    let status = run(&mut World::new(), &config(json!({})), &files, ALL);
    assert_eq!((status.rows_sent, status.suspicious_moves), (20, 1));
    assert_eq!(status.suspicions[0].reason, "SuspectedSplit");
}

#[test]
fn files_that_are_replaced_or_removed_double_nothing() {
    let (config, mut world) = (config(json!({})), World::new());
    let mut files = days(20, 3);
    run(&mut world, &config, &files, ALL);
    let before = world.bars();
    // A correction of a session that was sent, an older file that goes, and two new days.
    files[10].1 = String::from_utf8(files[10].1.clone())
        .unwrap()
        .replace(",10", ",20")
        .into_bytes();
    files.remove(0);
    files.push(day(20, 3));
    files.push(day(21, 3));
    let status = run(&mut world, &config, &files, ALL);
    let bars = world.bars();
    assert!(bars.values().all(|times| *times == 1));
    assert_eq!(bars.len() as u64, before.len() as u64 + status.rows_sent);
    let mut whole = World::new();
    whole.run(&config, &file(&rows(0, 22)), ALL);
    assert_eq!(
        bars.keys().collect::<Vec<_>>(),
        whole.bars().keys().collect::<Vec<_>>()
    );
}

#[test]
fn a_process_that_dies_anywhere_loses_and_doubles_nothing() {
    let config = config(json!({}));
    // 1,200 rows in files of many days, so that there are several transactions.
    let month = |m: usize| day(30 * (m + 1) - 1, 33);
    let months: Vec<File> = (0..20).map(month).collect();
    let mut steady = World::new();
    let expected = run(&mut steady, &config, &months, ALL);
    for transactions in 1..4 {
        let mut world = World::new();
        for stop in [7, 13, 20] {
            for _ in 0..4 {
                run(&mut world, &config, &months[..stop], transactions);
            }
        }
        let status = run(&mut world, &config, &months, ALL);
        assert_eq!(world.bars(), steady.bars(), "{transactions}");
        assert!(world.bars().values().all(|times| *times == 1));
        assert_eq!(status.rows_read, expected.rows_read);
        assert_eq!(status.symbols, expected.symbols);
    }
}

#[test]
fn a_file_that_is_no_table_is_named_and_the_others_are_read() {
    let (config, mut world) = (config(json!({})), World::new());
    let mut files = days(20, 1);
    files[3].1 = b"<html>Please sign in</html>".to_vec();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&files[5].1).unwrap();
    let packed = packed.finish().unwrap();
    files[6].1 = packed[..packed.len() - 4].to_vec();
    files[5].1 = packed;
    let status = run(&mut world, &config, &files, ALL);
    let told = status.files.unwrap();
    let names: Vec<_> = told
        .examples
        .iter()
        .map(|f| (f.name.as_str(), f.reason.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("daily/0003.csv", "NoTable"),
            ("daily/0006.csv", "SourceUnreadable")
        ]
    );
    assert_eq!((told.found, told.refused), (20, 2));
    assert_eq!(status.rows_read, 36);
    for file in &mut files {
        file.1 = b"nothing".to_vec();
    }
    let of = Described::new(&config, config.source.csv.clone().unwrap());
    let none = Rows::of_folder(FolderRows::new(fetched(&files), of));
    let none = none.err().unwrap();
    assert_eq!(none.reason, "CsvHeader", "{none}");
    assert!(none.message.contains("none of the 20 files"), "{none}");
    assert!(none.message.contains("daily/0000.csv"), "{none}");
}

#[test]
fn refused_rows_are_shown_with_the_name_of_their_file() {
    let (config, mut world) = (config(json!({})), World::new());
    let status = run(&mut world, &config, &days(20, 1), ALL);
    let example = &status.refusals[0].example;
    assert!(example.contains(".csv line "), "{example}");
}

/// A vendor adjusts all prices of before once more when a share splits.
#[test]
fn each_file_is_read_on_its_own_basis() {
    let mut config = config(json!({}));
    config.instruments.truncate(1);
    let mut world = World::new();
    let table = |name: &str, rows: &str| -> File {
        let text = format!("symbol,date,close,adj_close\n{rows}");
        (name.to_string(), text.into_bytes())
    };
    let files = [
        table("a.csv", "X,2010-01-04,100,100\nX,2010-01-05,100,100\n"),
        // Two for one on the sixth: the file repeats the fifth on the new basis.
        table("b.csv", "X,2010-01-05,100,50\nX,2010-01-06,50,50\n"),
        // What ends before is no step back for what follows.
        table("c.csv", "X,2010-01-04,100,50\n"),
        table("d.csv", "X,2010-01-07,50,50\n"),
    ];
    let status = run(&mut world, &config, &files, ALL);
    assert_eq!((status.rows_sent, status.rows_unchanged), (4, 2));
    let splits: Vec<f64> = world
        .records
        .iter()
        .map(|record| serde_json::from_slice::<foresail_domain::Bar>(&record.value).unwrap())
        .map(|bar| bar.split_factor)
        .collect();
    assert_eq!(splits, [1.0, 1.0, 2.0, 1.0]);
}
