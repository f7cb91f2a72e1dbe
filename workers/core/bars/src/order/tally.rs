//! How the dates of a file follow each other, counted symbol by symbol.

use std::cmp::Ordering;

use foresail_crds::RoleError;
use smol_str::SmolStr;

use super::steps::{self, Steps};
use super::{FEW, Order, STRAYS_IN, SYMBOLS};
use crate::described::Described;
use crate::row::{RowKey, inlined};
use crate::stamp;
use crate::turns::Turns;

/// Counts over the rows of a file.
pub(super) struct Tally<'a> {
    of: &'a Described,
    lasts: Turns<Last>,
    rises: u64,
    falls: u64,
    stays: u64,
    steps: Steps,
    /// Rows of more symbols than are looked at.
    is_full: bool,
}

/// The last row of a symbol.
struct Last {
    date: SmolStr,
    /// In milliseconds, where rows are parts of sessions.
    moment: Option<i64>,
}

impl<'a> Tally<'a> {
    /// Before the first row.
    pub(super) fn new(of: &'a Described) -> Self {
        Self {
            of,
            lasts: Turns::default(),
            rises: 0,
            falls: 0,
            stays: 0,
            steps: Steps::default(),
            is_full: false,
        }
    }

    /// Takes note of the next row.
    pub(super) fn add(&mut self, row: RowKey<'_>) {
        let Some(date) = row.date else { return };
        let Some(place) = self.lasts.find(row.symbol) else {
            return self.start(row.symbol, date);
        };
        let moment = self.moment(date);
        let Some(last) = self.lasts.get_mut(place) else {
            return;
        };
        // Normal dates sort as text.
        match date.cmp(&last.date) {
            Ordering::Less => self.falls += 1,
            Ordering::Greater => self.rises += 1,
            Ordering::Equal => self.stays += 1,
        }
        if self.of.interval.is_intraday() {
            self.steps.add(last.moment, moment);
        }
        last.date = inlined(date);
        last.moment = moment;
    }

    /// The first row of a symbol.
    fn start(&mut self, symbol: Option<&str>, date: &str) {
        if self.lasts.len() >= SYMBOLS {
            self.is_full = true;
            return;
        }
        let moment = self.moment(date);
        let date = date.into();
        self.lasts.insert(symbol, Last { date, moment });
    }

    fn moment(&self, date: &str) -> Option<i64> {
        let is_intraday = self.of.interval.is_intraday();
        is_intraday.then(|| stamp::read(date))?
    }

    /// What they say.
    ///
    /// # Errors
    /// User error `IntervalDoesNotFit` when the rows are no bars of the interval.
    pub(super) fn order(self) -> Result<Order, RoleError> {
        let Self {
            rises,
            falls,
            stays,
            ..
        } = self;
        let moves = rises + falls + stays;
        if moves >= FEW && stays * 3 > moves {
            return Err(steps::several_rows(stays, rises + falls, self.of));
        }
        self.steps.check(self.of)?;
        Ok(match (rises, falls) {
            (rises, falls) if falls * STRAYS_IN <= rises => Order::Rising {
                is_each_once: stays == 0 && !self.is_full,
            },
            (rises, falls) if falls > rises => Order::Falling,
            _ => Order::None,
        })
    }
}
