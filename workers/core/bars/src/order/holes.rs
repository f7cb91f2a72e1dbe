//! Rows without an adjusted close, in a file that has them: what the next row of the symbol says. A split on such a day is
//! known only there.

use std::collections::{HashMap, VecDeque};

use foresail_crds::RoleError;
use smol_str::SmolStr;

use crate::row::RawRow;

/// Most rows that are read ahead.
const AHEAD: usize = 4096;

/// Gives each row without an adjusted close those of the symbol's next row that has one, when it is near.
pub(super) struct Holes<R> {
    rows: R,
    /// Rows read ahead, with the error or the end behind them.
    ahead: VecDeque<Result<RawRow, RoleError>>,
    /// Number of the first row ahead.
    first: u64,
    /// Numbers of rows ahead that have an adjusted close, with it and their close, by symbol.
    known: HashMap<SmolStr, VecDeque<(u64, [SmolStr; 2])>>,
    ended: bool,
}

impl<R: Iterator<Item = Result<RawRow, RoleError>>> Holes<R> {
    pub(super) fn new(rows: R) -> Self {
        Self {
            rows,
            ahead: VecDeque::new(),
            first: 0,
            known: HashMap::new(),
            ended: false,
        }
    }

    /// Reads one more row; false when there is none.
    fn read(&mut self) -> bool {
        if self.ended || self.ahead.len() >= AHEAD {
            return false;
        }
        let Some(row) = self.rows.next() else {
            self.ended = true;
            return false;
        };
        if let Ok(row) = &row
            && let Some((symbol, both)) = both(row)
        {
            let number = self.first + self.ahead.len() as u64;
            self.known
                .entry(symbol.clone())
                .or_default()
                .push_back((number, both));
        }
        // What comes behind an error is not known.
        self.ended = row.is_err();
        self.ahead.push_back(row);
        true
    }

    /// Close and adjusted close of the next row of a symbol that has both.
    fn next_of(&mut self, symbol: &SmolStr) -> Option<[SmolStr; 2]> {
        loop {
            let known = self.known.get(symbol).and_then(VecDeque::front);
            if let Some((_, both)) = known {
                return Some(both.clone());
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// Takes the first row, which is ahead no more.
    fn take(&mut self) -> Option<Result<RawRow, RoleError>> {
        let row = self.ahead.pop_front()?;
        let number = self.first;
        self.first += 1;
        if let Ok(row) = &row
            && let Some(symbol) = row.fields.symbol.as_ref()
            && let Some(known) = self.known.get_mut(symbol)
        {
            known.pop_front_if(|(of, _)| *of == number);
            if known.is_empty() {
                self.known.remove(symbol);
            }
        }
        Some(row)
    }
}

impl<R: Iterator<Item = Result<RawRow, RoleError>>> Iterator for Holes<R> {
    type Item = Result<RawRow, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = match self.take() {
            None if self.ended => return None,
            None => self.rows.next()?,
            Some(row) => row,
        };
        if let Ok(row) = &mut row
            && let Some(symbol) = hole(row)
        {
            let next = self.next_of(symbol).map(Box::new);
            row.next_adjusted = next;
        }
        Some(row)
    }
}

/// The symbol of a row that has a close and no adjusted close.
fn hole(row: &RawRow) -> Option<&SmolStr> {
    let fields = &row.fields;
    let is_hole = !row.superseded && fields.close.is_some() && fields.adjusted_close.is_none();
    fields.symbol.as_ref().filter(|_| is_hole)
}

/// Symbol, close and adjusted close of a row that has all of them.
fn both(row: &RawRow) -> Option<(&SmolStr, [SmolStr; 2])> {
    let fields = &row.fields;
    let price = |text: &Option<SmolStr>| {
        let text = text.as_ref()?;
        let value: f64 = text.parse().ok()?;
        (value.is_finite() && value > 0.0).then(|| text.clone())
    };
    let prices = [price(&fields.close)?, price(&fields.adjusted_close)?];
    let symbol = fields.symbol.as_ref()?;
    (!row.superseded).then_some((symbol, prices))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(symbol: &str, close: &str, adjusted: &str) -> RawRow {
        let mut row = RawRow::default();
        row.fields.symbol = Some(symbol.into());
        row.fields.close = Some(close.into());
        row.fields.adjusted_close = Some(SmolStr::from(adjusted)).filter(|text| !text.is_empty());
        row
    }

    fn nexts(rows: Vec<RawRow>) -> Vec<Option<String>> {
        let rows = Holes::new(rows.into_iter().map(Ok));
        rows.map(|row| {
            row.unwrap()
                .next_adjusted
                .map(|next| format!("{} {}", next[0], next[1]))
        })
        .collect()
    }

    #[test]
    fn each_hole_learns_of_the_next_row_of_its_symbol() {
        let found = nexts(vec![
            row("X", "1", "1"),
            row("X", "2", ""),
            row("Y", "7", "6"),
            row("X", "3", ""),
            row("X", "x", "9"),
            row("X", "4", "4.5"),
            row("Y", "8", ""),
            row("X", "5", ""),
            row("X", "6", "6.5"),
        ]);
        let next = |text: &str| Some(text.to_owned());
        let expected = [
            None,
            next("4 4.5"),
            None,
            next("4 4.5"),
            None,
            None,
            None,
            next("6 6.5"),
            None,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn rows_keep_their_order_and_none_is_lost_however_far_the_next_one_is() {
        let mut rows = vec![row("X", "1", "")];
        rows.extend((0..3 * AHEAD).map(|i| row("Y", &i.to_string(), "")));
        rows.push(row("X", "2", "2"));
        let closes = |rows: &[RawRow]| -> Vec<SmolStr> {
            rows.iter()
                .filter_map(|row| row.fields.close.clone())
                .collect()
        };
        let found: Result<Vec<RawRow>, _> = Holes::new(rows.iter().cloned().map(Ok)).collect();
        let found = found.unwrap();
        assert_eq!(closes(&found), closes(&rows));
        assert!(found.iter().all(|row| row.next_adjusted.is_none()));
    }

    #[test]
    fn an_error_comes_where_it_was() {
        let error = RoleError::outside("SourceReadFailed", "disk");
        let rows = vec![Ok(row("X", "1", "")), Ok(row("Y", "1", "1")), Err(error)];
        let found: Vec<_> = Holes::new(rows.into_iter()).collect();
        assert_eq!(found.len(), 3);
        assert!(found[2].is_err() && found[..2].iter().all(Result::is_ok));
    }
}
