//! Of several rows of one symbol and session, the last one.

use std::collections::{HashMap, VecDeque};

use foresail_crds::RoleError;
use smol_str::SmolStr;

use crate::row::RawRow;

/// Most rows of one session that are compared with each other.
const GROUP: usize = 16_384;
/// Most bytes of their lines.
const BYTES: usize = 8 << 20;

/// Rows in the order of their sessions.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<RawRow, RoleError>> + Send + 'a>;

/// Marks the rows after which another one of the same symbol and session comes.
pub(super) struct Latest<R> {
    rows: R,
    /// Rows of one session, as far as they stand together.
    group: VecDeque<RawRow>,
    /// The row or error after them.
    ahead: Option<Result<RawRow, RoleError>>,
    /// The last row of each symbol in the group; empty outside of [`Self::mark`], and kept for its memory.
    newest: HashMap<Option<SmolStr>, usize>,
}

impl<R: Iterator<Item = Result<RawRow, RoleError>>> Latest<R> {
    pub(super) fn new(mut rows: R) -> Self {
        Self {
            ahead: rows.next(),
            rows,
            group: VecDeque::new(),
            newest: HashMap::new(),
        }
    }

    fn fill(&mut self) {
        let mut date: Option<SmolStr> = None;
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
        if self.group.len() > 1 {
            self.mark();
        }
    }

    fn mark(&mut self) {
        for (i, row) in self.group.iter().enumerate() {
            // A row without a price says nothing that could count.
            if row.fields.close.as_deref().is_some_and(is_number) {
                self.newest.insert(row.fields.symbol.clone(), i);
            }
        }
        // As many symbols as rows: none comes twice.
        if self.newest.len() < self.group.len() {
            for (i, row) in self.group.iter_mut().enumerate() {
                let newest = self.newest.get(&row.fields.symbol);
                row.superseded = newest.is_some_and(|newest| *newest > i);
            }
        }
        self.newest.clear();
    }
}

fn is_number(text: &str) -> bool {
    // Nearly all closes: digits around a point. The rest is read.
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.len() < 16 && text.bytes().all(|b| b.is_ascii_digit());
    let plain = !whole.is_empty() && digits(whole) && digits(fraction);
    plain || text.parse().is_ok_and(f64::is_finite)
}

impl<R: Iterator<Item = Result<RawRow, RoleError>>> Iterator for Latest<R> {
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
