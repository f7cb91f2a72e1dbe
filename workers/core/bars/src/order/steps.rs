//! Whether the rows of a file are as far apart as the bars that a Pipeline declares.

use std::collections::HashMap;

use foresail_crds::RoleError;
use foresail_crds::role_error::shown_address;
use foresail_domain::Interval;

use super::FEW;
use crate::described::Described;

/// One step in so many is that of the declared interval, at least: symbols that are seldom traded lack most bars.
const FITTING_IN: u64 = 20;
/// Most steps that are told from each other.
const STEPS: usize = 64;
/// Longest step that is looked at: nights tell nothing.
const LONGEST_MS: i64 = 3 * 3_600_000;

/// How far rows of one symbol that follow each other are apart, where they are parts of sessions.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// By milliseconds.
    counts: HashMap<i64, u64>,
    /// Rows of another day than the one before, or too far behind it.
    far: u64,
    /// Rows without a time of day.
    dates: u64,
}

impl Steps {
    /// Takes note of the moments of two rows that follow each other, in milliseconds; `None` for a row without a time of day.
    pub(super) fn add(&mut self, before: Option<i64>, after: Option<i64>) {
        let Some((before, after)) = before.zip(after) else {
            self.dates += 1;
            return;
        };
        let step = (after - before).abs();
        let known = self.counts.len() < STEPS || self.counts.contains_key(&step);
        if step > LONGEST_MS || !known {
            self.far += 1;
        } else if step > 0 {
            *self.counts.entry(step).or_default() += 1;
        }
    }

    /// Whether these can be the bars that are declared. Files of few rows are not judged.
    ///
    /// # Errors
    /// User error `IntervalDoesNotFit` that says what the rows are.
    pub(super) fn check(&self, of: &Described) -> Result<(), RoleError> {
        let Some(length) = of.interval.length_ms() else {
            return Ok(());
        };
        let near: u64 = self.counts.values().sum();
        if self.dates >= FEW && self.dates > near {
            return Err(no_times(of));
        }
        let fitting = self.counts.get(&length).copied().unwrap_or(0);
        if near < FEW || fitting * FITTING_IN >= near {
            return Ok(());
        }
        let most = self
            .counts
            .iter()
            .max_by_key(|(step, count)| (**count, -**step));
        let step = most.map_or(0, |(step, _)| *step);
        Err(other_interval(step, of))
    }
}

/// The file holds parts of what is declared: taking the last of them for the whole would be a day without its morning.
pub(super) fn several_rows(stays: u64, moves: u64, of: &Described) -> RoleError {
    let uri = shown_address(&of.csv.uri);
    let each = 1 + stays / moves.max(1);
    let message = match of.interval {
        Interval::Session => format!(
            "{uri} has about {each} rows of each symbol and session, and daily bars are read: set source.interval to the \
             length of its bars, make one row of each session, or use the daily file"
        ),
        interval => format!(
            "{uri} has about {each} rows of each symbol and time, and bars of {interval} are read: make one row of each bar"
        ),
    };
    RoleError::user("IntervalDoesNotFit", message)
}

fn no_times(of: &Described) -> RoleError {
    let (uri, interval) = (shown_address(&of.csv.uri), of.interval);
    let message = format!(
        "{uri} has dates without a time of day, and bars of {interval} are read: set source.interval to 1d, or name the \
         column of times in source.csv.columns.time"
    );
    RoleError::user("IntervalDoesNotFit", message)
}

fn other_interval(step: i64, of: &Described) -> RoleError {
    let (uri, interval) = (shown_address(&of.csv.uri), of.interval);
    let is = |one: &Interval| one.length_ms() == Some(step);
    let what = match Interval::ALL.iter().find(|one| is(one)) {
        Some(found) => format!("set source.interval to {found}, or use a file of {interval}"),
        None => format!("use a file of {interval}"),
    };
    let message = format!(
        "most rows of {uri} are {} seconds apart, and bars of {interval} are read: {what}",
        step / 1_000
    );
    RoleError::user("IntervalDoesNotFit", message)
}
