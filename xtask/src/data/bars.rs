//! Turns the package's table into the demo's CSV: three symbols, ten years, sorted by date then symbol,
//! with bad rows at fixed places. Called by `cargo xtask data`; pure.
//!
//! Every bad row is an extra line next to the good bar it was made from, so all real bars stay good:
//! a reader that lets a bad row shadow the good bar of that symbol and day loses one and is found out.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Serialize;

const SYMBOLS: [&str; 3] = ["AAPL", "IBM", "MSFT"];
const FIRST: &str = "2000-03-01";
const LAST: &str = "2009-12-31";
const SOURCE_HEADER: &str = "Ticker,Date,Open,High,Low,Close,Volume,Adj Close";
const HEADER: &str = "symbol,date,open,high,low,close,volume,adj_close";

/// Each bad row stands before the good bar with this index; the last four arrive in live replay.
const BAD_ROWS: [(usize, Bad); 12] = [
    (100, Bad::NegativePrice),
    (501, Bad::HighBelowLow),
    (902, Bad::CloseAboveHigh),
    (1403, Bad::MissingClose),
    (1904, Bad::MissingDate),
    (2405, Bad::Duplicate),
    (3006, Bad::UnparsableNumber),
    (4007, Bad::EmptyFields),
    (5808, Bad::NegativeVolume),
    (6309, Bad::FutureDate),
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
    /// The year 2999.
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
    /// Index among the rows after the header, from 0.
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
    let mut lines = vec![HEADER.to_owned()];
    for (index, bar) in bars.iter().enumerate() {
        let bad = BAD_ROWS
            .iter()
            .find(|(place, _)| *place == index)
            .map(|(_, bad)| *bad);
        if let Some(bad) = bad {
            bad.push(bar, &mut lines, &mut expected);
        }
        lines.push(bar.join(","));
        *expected
            .per_symbol_good
            .entry(bar[0].to_owned())
            .or_default() += 1;
    }
    expected.rows_total = lines.len() - 1;
    expected.bad = expected.bad_rows.len();
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

impl Bad {
    fn push(self, bar: &Row<'_>, lines: &mut Vec<String>, expected: &mut Expected) {
        let text = self.text(bar);
        lines.push(text.clone());
        let line = lines.len();
        expected.bad_rows.push(BadRow {
            line,
            position: line - 2,
            reason_hint: format!("{self:?}"),
            text,
        });
    }

    fn text(self, bar: &Row<'_>) -> String {
        let [symbol, date, open, high, low, close, volume, adjusted] = *bar;
        let above = format!("{:.2}", high.parse::<f64>().unwrap_or_default() + 1.0);
        match self {
            Bad::NegativePrice => {
                format!("{symbol},{date},{open},{high},-{low},-{close},{volume},{adjusted}")
            }
            Bad::HighBelowLow => {
                format!("{symbol},{date},{open},{low},{high},{close},{volume},{adjusted}")
            }
            Bad::CloseAboveHigh => {
                format!("{symbol},{date},{open},{high},{low},{above},{volume},{adjusted}")
            }
            Bad::MissingClose => {
                format!("{symbol},{date},{open},{high},{low},,{volume},{adjusted}")
            }
            Bad::MissingDate => {
                format!("{symbol},,{open},{high},{low},{close},{volume},{adjusted}")
            }
            Bad::Duplicate => bar.join(","),
            Bad::UnparsableNumber => {
                format!("{symbol},{date},{open},{high},{low},12.3.4,{volume},{adjusted}")
            }
            Bad::EmptyFields => ",,,,,,,".to_owned(),
            Bad::NegativeVolume => {
                format!("{symbol},{date},{open},{high},{low},{close},-{volume},{adjusted}")
            }
            Bad::FutureDate => {
                format!("{symbol},2999-01-01,{open},{high},{low},{close},{volume},{adjusted}")
            }
            Bad::Garbage => "### feed interrupted, please stand by ###".to_owned(),
        }
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
        for bad in &made.expected.bad_rows {
            assert_eq!(lines[bad.line - 1], bad.text);
        }
    }

    #[test]
    fn rows_are_sorted_and_chosen() {
        let made = make(&table(3)).unwrap();
        let symbols: Vec<&str> = made.csv.lines().skip(1).map(|line| &line[..15]).collect();
        assert_eq!(
            symbols[..3],
            ["AAPL,2001-01-01", "IBM,2001-01-01,", "MSFT,2001-01-01"]
        );
        assert!(!made.csv.contains("FB"));
    }

    #[test]
    fn a_changed_table_is_refused() {
        assert!(make("a,b\n").is_err());
    }
}
