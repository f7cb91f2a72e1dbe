//! Turns the package's table into the demo's CSV: three symbols, ten years, with bad rows at fixed places. Called by
//! `cargo xtask data`; pure.
//!
//! The file has the form in which market sites export: newest first, US dates, `$` before prices, `Close/Last`. It is read
//! from its end, by date then symbol; positions count so. Every bad row is an extra line next to the good bar it was made
//! from, so all real bars stay good: a reader that lets a bad row shadow the good bar of that symbol and day loses one and is
//! found out.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Serialize;

const SYMBOLS: [&str; 3] = ["AAPL", "IBM", "MSFT"];
const FIRST: &str = "2000-03-01";
const LAST: &str = "2009-12-31";
const SOURCE_HEADER: &str = "Ticker,Date,Open,High,Low,Close,Volume,Adj Close";
const HEADER: &str = "Symbol,Date,Close/Last,Volume,Open,High,Low,Adj Close";

/// Each bad row is read before the good bar with this index; the last two arrive in live replay, and so does
/// [`Bad::FutureDate`], which is read last of all.
const BAD_ROWS: [(usize, Bad); 11] = [
    (100, Bad::NegativePrice),
    (501, Bad::HighBelowLow),
    (902, Bad::CloseAboveHigh),
    (1403, Bad::MissingClose),
    (1904, Bad::MissingDate),
    (2405, Bad::Duplicate),
    (3006, Bad::UnparsableNumber),
    (4007, Bad::EmptyFields),
    (5808, Bad::NegativeVolume),
    (6810, Bad::Garbage),
    (7211, Bad::Duplicate),
];

#[derive(Clone, Copy, Debug)]
enum Bad {
    /// Low and close are negative.
    NegativePrice,
    /// High and low are exchanged.
    HighBelowLow,
    /// Close is one above high.
    CloseAboveHigh,
    /// No close.
    MissingClose,
    /// No date.
    MissingDate,
    /// The same line twice: the last one counts.
    Duplicate,
    /// A close that is no number.
    UnparsableNumber,
    /// Commas and nothing else.
    EmptyFields,
    /// A volume below zero.
    NegativeVolume,
    /// The year 2999: the newest row.
    FutureDate,
    /// Text that is no row at all.
    Garbage,
}

/// What the tests compare the pipeline's counts with.
#[derive(Debug, Serialize)]
pub struct Expected {
    /// Lines after the header.
    pub rows_total: usize,
    /// Bars to be stored.
    pub good: usize,
    /// Rows to be quarantined.
    pub bad: usize,
    /// Date of the first good bar.
    pub first_date: String,
    /// Date of the last good bar.
    pub last_date: String,
    /// Good bars of each symbol.
    pub per_symbol_good: BTreeMap<String, usize>,
    /// Every bad row.
    pub bad_rows: Vec<BadRow>,
}

/// One bad row.
#[derive(Debug, Serialize)]
pub struct BadRow {
    /// Line in the file; the header is line 1.
    pub line: usize,
    /// Index among the rows in the order in which they are read, oldest first, from 0.
    pub position: usize,
    /// What is wrong with it.
    pub reason_hint: String,
    /// The line itself.
    pub text: String,
}

/// The file and what is in it.
pub struct Made {
    /// The CSV.
    pub csv: String,
    /// Its contents, counted.
    pub expected: Expected,
}

/// Makes both from the package's table.
pub fn make(source: &str) -> Result<Made> {
    let bars = select(source)?;
    let (first, last) = bars
        .first()
        .zip(bars.last())
        .context("the table holds no bar of the demo's symbols and years")?;
    let mut expected = Expected {
        rows_total: 0,
        good: bars.len(),
        bad: 0,
        first_date: first[1].to_owned(),
        last_date: last[1].to_owned(),
        per_symbol_good: BTreeMap::new(),
        bad_rows: Vec::new(),
    };
    let mut read: Vec<String> = Vec::new();
    for (index, bar) in bars.iter().enumerate() {
        let bad = BAD_ROWS.iter().find(|(place, _)| *place == index);
        if let Some((_, bad)) = bad {
            bad.push(bar, &mut read, &mut expected);
        }
        read.push(exported(bar).join(","));
        *expected
            .per_symbol_good
            .entry(bar[0].to_owned())
            .or_default() += 1;
    }
    Bad::FutureDate.push(last, &mut read, &mut expected);
    expected.rows_total = read.len();
    expected.bad = expected.bad_rows.len();
    for bad in &mut expected.bad_rows {
        bad.line = read.len() + 1 - bad.position;
    }
    let header = std::iter::once(HEADER.to_owned());
    let lines: Vec<String> = header.chain(read.into_iter().rev()).collect();
    Ok(Made {
        csv: lines.join("\n") + "\n",
        expected,
    })
}

type Row<'a> = [&'a str; 8];

fn select(source: &str) -> Result<Vec<Row<'_>>> {
    let mut lines = source.lines();
    let header = lines.next().unwrap_or_default();
    if header != SOURCE_HEADER {
        bail!(
            "the table's columns are `{header}`, not `{SOURCE_HEADER}`: adapt xtask/src/data/bars.rs"
        );
    }
    let mut bars = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let row: Row<'_> = fields
            .try_into()
            .ok()
            .with_context(|| format!("`{line}` has not 8 fields"))?;
        if SYMBOLS.contains(&row[0]) && (FIRST..=LAST).contains(&row[1]) {
            bars.push(row);
        }
    }
    bars.sort_by_key(|row| (row[1], row[0]));
    Ok(bars)
}

/// Columns of a bar in the order of [`HEADER`].
fn exported(bar: &Row<'_>) -> [String; 8] {
    let [symbol, date, open, high, low, close, volume, adjusted] = *bar;
    let price = |text: &str| format!("${text}");
    let us = match date.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] => format!("{month}/{day}/{year}"),
        _ => date.to_owned(),
    };
    [
        symbol.to_owned(),
        us,
        price(close),
        volume.to_owned(),
        price(open),
        price(high),
        price(low),
        price(adjusted),
    ]
}

impl Bad {
    fn push(self, bar: &Row<'_>, read: &mut Vec<String>, expected: &mut Expected) {
        let text = self.text(bar);
        expected.bad_rows.push(BadRow {
            // Known when all rows are.
            line: 0,
            position: read.len(),
            reason_hint: format!("{self:?}"),
            text: text.clone(),
        });
        read.push(text);
    }

    fn text(self, bar: &Row<'_>) -> String {
        let mut row = exported(bar);
        let [_, date, close, volume, _, high, low, _] = &mut row;
        match self {
            Bad::NegativePrice => {
                *low = format!("-{low}");
                *close = format!("-{close}");
            }
            Bad::HighBelowLow => std::mem::swap(high, low),
            Bad::CloseAboveHigh => {
                let above = bar[3].parse::<f64>().unwrap_or_default() + 1.0;
                *close = format!("${above:.2}");
            }
            Bad::MissingClose => close.clear(),
            Bad::MissingDate => date.clear(),
            Bad::Duplicate => {}
            Bad::UnparsableNumber => *close = "$12.3.4".to_owned(),
            Bad::EmptyFields => return ",,,,,,,".to_owned(),
            Bad::NegativeVolume => *volume = format!("-{volume}"),
            Bad::FutureDate => *date = "01/01/2999".to_owned(),
            Bad::Garbage => return "### feed interrupted, please stand by ###".to_owned(),
        }
        row.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(days: usize) -> String {
        let mut text =
            format!("{SOURCE_HEADER}\nFB,2005-01-01,1,2,1,2,10,2\nIBM,1999-01-04,1,2,1,2,10,2\n");
        for symbol in ["MSFT", "AAPL", "IBM"] {
            for day in 0..days {
                let (year, month, dom) = (2001 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
                text.push_str(&format!(
                    "{symbol},{year}-{month:02}-{dom:02},10.5,11.0,10.0,10.75,1000,9.5\n"
                ));
            }
        }
        text
    }

    #[test]
    fn every_bad_row_is_an_extra_line() {
        let made = make(&table(2475)).unwrap();
        assert_eq!(made.expected.good, 7425);
        assert_eq!(made.expected.bad, 12);
        assert_eq!(made.expected.rows_total, 7437);
        assert_eq!(made.expected.per_symbol_good["IBM"], 2475);
        let lines: Vec<&str> = made.csv.lines().collect();
        assert_eq!(lines[0], HEADER);
        let read: Vec<&str> = lines[1..].iter().rev().copied().collect();
        for bad in &made.expected.bad_rows {
            assert_eq!(lines[bad.line - 1], bad.text);
            assert_eq!(read[bad.position], bad.text);
        }
    }

    #[test]
    fn rows_are_exported_newest_first_and_chosen() {
        let made = make(&table(3)).unwrap();
        let lines: Vec<&str> = made.csv.lines().collect();
        assert_eq!(
            lines[1],
            "MSFT,01/01/2999,$10.75,1000,$10.5,$11.0,$10.0,$9.5"
        );
        assert_eq!(
            lines[2],
            "MSFT,01/03/2001,$10.75,1000,$10.5,$11.0,$10.0,$9.5"
        );
        let oldest: Vec<&str> = lines.iter().rev().take(3).map(|line| &line[..15]).collect();
        assert_eq!(
            oldest,
            ["AAPL,01/01/2001", "IBM,01/01/2001,", "MSFT,01/01/2001"]
        );
        assert!(!made.csv.contains("FB"));
    }

    #[test]
    fn a_changed_table_is_refused() {
        assert!(make("a,b\n").is_err());
    }
}
