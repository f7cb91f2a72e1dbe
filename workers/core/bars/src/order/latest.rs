//! Of several rows of one symbol and session, the last one.

use std::collections::{HashMap, VecDeque};

use foresail_crds::RoleError;

use crate::row::RawRow;

/// Most rows of one session that are compared with each other.
const GROUP: usize = 16_384;
/// Most bytes of their lines.
const BYTES: usize = 8 << 20;

/// Rows in the order of their sessions.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<RawRow, RoleError>> + Send + 'a>;

/// Marks the rows after which another one of the same symbol and session comes.
pub(super) struct Latest<'a> {
    rows: Rows<'a>,
    /// Rows of one session, as far as they stand together.
    group: VecDeque<RawRow>,
    /// The row or error after them.
    ahead: Option<Result<RawRow, RoleError>>,
}

impl<'a> Latest<'a> {
    pub(super) fn new(mut rows: Rows<'a>) -> Self {
        Self {
            ahead: rows.next(),
            rows,
            group: VecDeque::new(),
        }
    }

    fn fill(&mut self) {
        let mut date: Option<String> = None;
        let mut bytes = 0;
        while self.group.len() < GROUP && bytes < BYTES {
            let of_group = |row: &RawRow| {
                row.fields.date.is_some()
                    && date
                        .as_ref()
                        .is_none_or(|date| row.fields.date.as_ref() == Some(date))
            };
            match self.ahead.take() {
                Some(Ok(row)) if of_group(&row) => {
                    date.clone_from(&row.fields.date);
                    // Bars of one line share its bytes.
                    if row.part.unwrap_or(0) == 0 {
                        bytes += row.original.len();
                    }
                    self.group.push_back(row);
                    self.ahead = self.rows.next();
                }
                other => {
                    self.ahead = other;
                    break;
                }
            }
        }
        let mut newest: HashMap<&Option<String>, usize> = HashMap::new();
        for (i, row) in self.group.iter().enumerate() {
            // A row without a price says nothing that could count.
            let close = row.fields.close.as_ref().map(|text| text.parse::<f64>());
            if close.is_some_and(|close| close.is_ok_and(f64::is_finite)) {
                newest.insert(&row.fields.symbol, i);
            }
        }
        let superseded: Vec<bool> = (self.group.iter().enumerate())
            .map(|(i, row)| newest.get(&row.fields.symbol).is_some_and(|last| *last > i))
            .collect();
        for (row, superseded) in self.group.iter_mut().zip(superseded) {
            row.superseded = superseded;
        }
    }
}

impl Iterator for Latest<'_> {
    type Item = Result<RawRow, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.group.is_empty() {
            self.fill();
        }
        if let Some(row) = self.group.pop_front() {
            return Some(Ok(row));
        }
        let next = self.ahead.take()?;
        if next.is_ok() {
            self.ahead = self.rows.next();
        }
        Some(next)
    }
}
