//! Rows that were read and not given, counted by reason.

use std::fmt;

/// How many rows were not given, by reason. Rows read = rows given + [`Drops::total`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drops(Vec<(&'static str, u64)>);

impl Drops {
    /// Counts one more row.
    pub fn add(&mut self, reason: &'static str) {
        self.add_many(reason, 1);
    }

    /// Counts some more rows; none is no reason.
    pub fn add_many(&mut self, reason: &'static str, rows: u64) {
        if rows == 0 {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += rows,
            None => self.0.push((reason, rows)),
        }
    }

    /// Reasons with their counts, in the order they were met.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }

    /// All rows that were not given.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

/// `Null 2, Duplicate 1`; `none` without any.
impl fmt::Display for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, (reason, count)) in self.0.iter().enumerate() {
            let before = if at == 0 { "" } else { ", " };
            write!(f, "{before}{reason} {count}")?;
        }
        Ok(())
    }
}
