//! The order of a file is found without reading whole rows: what is seen of each row there is what the row has when it is
//! read, in any dialect and however damaged, and the rows come as they would if whole rows had been looked at.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::io::Read;

use common::{SYMBOLS, Written, market, spec};
use foresail_bars::{CsvRows, Described, LONGEST_ROW, RawRow, in_order_seen, unpacked};
use foresail_crds::RoleError;
use foresail_domain::Interval;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FILES: u64 = 2_000;

/// Symbol and date.
type Key = (Option<String>, Option<String>);

fn key(row: &RawRow) -> Key {
    let text = |text: &Option<_>| text.as_ref().map(ToString::to_string);
    (text(&row.fields.symbol), text(&row.fields.date))
}

fn text(file: &[u8]) -> Box<dyn Read + Send + '_> {
    unpacked(file).unwrap()
}

/// What is seen of the rows, and the rows.
fn ordered(file: &[u8], of: &Described) -> Result<(Vec<Key>, Vec<RawRow>), RoleError> {
    let mut seen = Vec::new();
    let rows = in_order_seen(
        || Ok(text(file)),
        of,
        tempfile::tempfile,
        |row| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            seen.push((text(row.symbol), text(row.date)));
        },
    )?;
    let rows = rows.collect::<Result<_, _>>()?;
    Ok((seen, rows))
}

/// Whole rows, as they stand in the file.
fn whole(file: &[u8], of: &Described) -> Result<Vec<RawRow>, RoleError> {
    CsvRows::new(text(file), of)?.collect()
}

/// Whether whole rows rise, symbol by symbol: no row in twenty falls.
fn is_rising(rows: &[RawRow]) -> bool {
    let mut last = HashMap::new();
    let (mut rises, mut falls) = (0, 0);
    for (symbol, date) in rows.iter().map(key) {
        let Some(date) = date else { continue };
        let before = last.insert(symbol, date.clone());
        rises += u64::from(before.as_ref().is_some_and(|before| date > *before));
        falls += u64::from(before.as_ref().is_some_and(|before| date < *before));
    }
    falls * 20 <= rises
}

/// Marks the rows behind which another one of the symbol stands, with a price, among rows of the same day on end.
fn mark(rows: &mut [RawRow]) {
    for i in 0..rows.len() {
        let (symbol, date) = key(&rows[i]);
        let same_day = rows[i + 1..].iter().take_while(|row| key(row).1 == date);
        let is_later = |row: &RawRow| {
            let close: Option<f64> = row.fields.close.as_ref().and_then(|text| text.parse().ok());
            key(row).0 == symbol && close.is_some_and(f64::is_finite)
        };
        rows[i].superseded = date.is_some() && same_day.clone().any(is_later);
    }
}

/// Whether there was a file whose rows could be read.
fn compare(file: &[u8], of: &Described, what: &str) -> bool {
    let (mut rows, found) = match (whole(file, of), ordered(file, of)) {
        (Ok(rows), Ok(found)) => (rows, found),
        // Rows that are no bars of the interval.
        (Ok(_), Err(error)) => {
            assert_eq!(error.reason, "IntervalDoesNotFit", "{what}");
            return false;
        }
        (Err(one), Err(other)) => {
            assert_eq!(one.reason, other.reason, "{what}");
            return false;
        }
        (Err(error), Ok(_)) => panic!("{what}: {error}"),
    };
    let (seen, found) = found;
    assert_eq!(seen, rows.iter().map(key).collect::<Vec<_>>(), "{what}");
    if is_rising(&rows) {
        // Files with adjusted closes know more of the next row.
        mark(&mut rows);
        assert_eq!(found, rows, "{what}");
        return true;
    }
    assert_eq!(found.len(), rows.len(), "{what}");
    let mut lines: Vec<_> = found.iter().map(|row| (row.line, row.part)).collect();
    lines.sort_unstable();
    let all: Vec<_> = rows.iter().map(|row| (row.line, row.part)).collect();
    assert_eq!(lines, all, "{what}");
    false
}

/// Changes lines in every way that a reader of some columns may see otherwise than one of all columns.
fn damage(file: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = file.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(1..lines.len());
        let to = random.random_range(1..lines.len());
        let line = lines[at].clone();
        let cut = random.random_range(0..=line.len());
        match random.random_range(0..11) {
            0 => lines.insert(at, line),
            1 => lines.insert(to, line),
            2 => lines.swap(at, to),
            3 => lines[at].truncate(cut),
            4 => lines.insert(at, b"\r".to_vec()),
            5 => lines[at].insert(cut, b'"'),
            6 => lines[at].insert(cut, *b"\xff\xe9 \t\r,;".choose(random).unwrap()),
            7 => lines[at].extend_from_slice(b",;,\t||,"),
            8 => lines[at].extend(vec![b'x'; LONGEST_ROW]),
            9 => lines[at].insert(0, b' '),
            _ => {
                let quoted = |column: &[u8]| [b"\"", column, b"\""].concat();
                let columns = line.split(|b| *b == b',').map(quoted);
                lines[at] = columns.collect::<Vec<_>>().join(&b',');
            }
        }
    }
    lines.join(&b'\n')
}

#[test]
fn what_is_seen_of_a_row_is_what_it_has_in_any_dialect() {
    let mut risen = 0;
    for seed in 0..FILES {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows = market(&mut random, 40);
        let written = match seed % 2 {
            0 => Written::new(&mut random),
            _ => Written::lines_of_bytes(&mut random),
        };
        let mut file = written.file(&rows);
        if seed % 2 > 0 {
            file = damage(&file, &mut random);
        }
        let of = Described {
            symbols: SYMBOLS.map(str::to_owned).to_vec(),
            ..Described::alone(spec())
        };
        risen += u32::from(compare(&file, &of, &format!("{seed} {written:?}")));
    }
    assert!(risen > 500, "{risen}");
}

/// Rows with a column of times, of one symbol after the other or all symbols in turn, some doubled, some astray.
#[test]
fn what_is_seen_of_parts_of_sessions_is_what_they_have() {
    let mut risen = 0;
    for seed in 0..200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let symbols = ["A", "B", "C.D", "\"E,F\""];
        let in_turn = random.random::<bool>();
        let mut lines = Vec::new();
        for i in 0..4 * 78 {
            let (bar, symbol) = if in_turn {
                (i / 4, i % 4)
            } else {
                (i % 78, i / 78)
            };
            let (symbol, minute) = (symbols[symbol], 570 + 5 * bar);
            let (hour, minute) = (minute / 60, minute % 60);
            lines.push(format!(
                "{symbol},2024-01-02,{hour:02}:{minute:02}:00,1.{i}"
            ));
        }
        for _ in 0..random.random_range(0..4) {
            let (at, to) = (
                random.random_range(0..lines.len()),
                random.random_range(0..lines.len()),
            );
            let line = lines[at].clone();
            lines.insert([at, to][random.random_range(0..2)], line);
        }
        let file = format!("\u{feff}Ticker,Date,Time,Close\n{}\n", lines.join("\n"));
        let of = Described {
            interval: serde_json::from_str::<Interval>("\"5m\"").unwrap(),
            ..Described::alone(spec())
        };
        risen += u32::from(compare(file.as_bytes(), &of, &format!("{seed}\n{file}")));
    }
    assert!(risen > 100, "{risen}");
}

/// Of a symbol that was not looked at, nobody knows whether it has two rows of a session.
#[test]
fn more_symbols_than_are_looked_at_are_still_marked() {
    let mut file = String::from("symbol,date,close\n");
    for day in 2..4 {
        for symbol in 0..65_540 {
            file += &format!("S{symbol},2024-01-{day:02},{day}\n");
        }
        // Twice, and nobody remembers the symbol.
        file += &format!("S65538,2024-01-{day:02},1\n");
    }
    let (_, rows) = ordered(file.as_bytes(), &Described::alone(spec())).unwrap();
    let marked: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].superseded).collect();
    assert_eq!(marked, [65_538, 65_541 + 65_538]);
}
