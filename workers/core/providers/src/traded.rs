//! Prices as they were paid: restatements for splits are undone, and actions are put to the rows they belong to.

use jiff::civil::Date;

use crate::action::{Dividend, Split};
use crate::currency::Currency;
use crate::drops::Drops;
use crate::row::Row;

/// Undoes the restatement of rows for splits: each price is multiplied by the ratios of all splits after the row's date,
/// and the volume is divided by them. The row of the day of a split trades the new shares already.
///
/// `splits` must be all splits from the first row until the answer was made, within the asked window and behind it, in any
/// order, each once; those that are only declared for a later day must not be among them. They come from a request for
/// `3mo` rows of the whole history.
pub fn undo_splits(rows: &mut [Row], splits: &[Split]) {
    let factors = Factors::new(splits);
    for row in rows {
        let factor = factors.after(row.date);
        // Times one is the same number, but for a volume that is not told.
        if factor != 1.0 {
            row.open *= factor;
            row.high *= factor;
            row.low *= factor;
            row.close *= factor;
            row.volume = row.volume.map(|volume| volume / factor);
        }
    }
}

/// How far two volumes of a day that were undone by [`undo_splits`] may lie apart though they are one, in shares: restated
/// volumes are rounded to whole shares, and after a reverse split one share stands for many. It holds whichever of the splits
/// after the day were known for either of them.
pub fn rounding_of_volume(date: Date, splits: &[Split]) -> f64 {
    let mut later: Vec<&Split> = splits.iter().filter(|split| split.date > date).collect();
    later.sort_by_key(|split| split.date);
    let (mut product, mut least) = (1.0, 1.0_f64);
    for split in later {
        product *= split.ratio;
        least = least.min(product);
    }
    1.0 / least
}

/// Undoes the restatement of dividends, as [`undo_splits`] does for rows: an amount is multiplied by the ratios of all
/// splits after its day.
pub fn undo_splits_of_dividends(dividends: &mut [Dividend], splits: &[Split]) {
    let factors = Factors::new(splits);
    for dividend in dividends {
        dividend.amount *= factors.after(dividend.ex_date);
    }
}

/// For each day of a split, newest first, the product of its ratio and those of all later ones.
struct Factors(Vec<(Date, f64)>);

impl Factors {
    fn new(splits: &[Split]) -> Self {
        let mut splits = splits.to_vec();
        splits.sort_by_key(|split| std::cmp::Reverse(split.date));
        let mut product = 1.0;
        let running = splits.iter().map(|split| {
            product *= split.ratio;
            (split.date, product)
        });
        Self(running.collect())
    }

    fn after(&self, date: Date) -> f64 {
        let later = self.0.partition_point(|(split, _)| *split > date);
        let last = later.checked_sub(1).and_then(|last| self.0.get(last));
        last.map_or(1.0, |(_, factor)| *factor)
    }
}

/// What did not go into rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Apart {
    /// Splits after the last row: declared, or of rows that are not there yet.
    pub splits: Vec<Split>,
    /// Dividends after the last row.
    pub dividends: Vec<Dividend>,
    /// Dividends in another currency than the prices: a bar has no place for them.
    pub foreign: Vec<Dividend>,
    /// Actions on or before the first row's date that have no row of their own day: what they changed is before all rows.
    pub before: Drops,
    /// Actions of days without a row, put to the next row, whose prices are the first ones with them.
    pub moved: u64,
}

/// Puts splits and dividends to daily rows as traded, oldest row first. What a row said before is replaced, so that the same
/// rows can be joined again when more is known. Several splits of one row multiply, several dividends add up. `currency` is
/// that of the prices, where it is told.
pub fn join(
    rows: &mut [Row],
    splits: &[Split],
    dividends: &[Dividend],
    currency: Option<Currency>,
) -> Apart {
    let mut apart = Apart::default();
    for row in rows.iter_mut() {
        (row.split_factor, row.dividend) = (1.0, 0.0);
    }
    for split in splits {
        match apart.place(rows, split.date) {
            Place::Row(row) => row.split_factor *= split.ratio,
            Place::Later => apart.splits.push(*split),
            Place::Before => {}
        }
    }
    for dividend in dividends {
        let both = dividend.currency.zip(currency);
        if both.is_some_and(|(paid, priced)| paid != priced) {
            apart.foreign.push(*dividend);
            continue;
        }
        match apart.place(rows, dividend.ex_date) {
            Place::Row(row) => row.dividend += dividend.amount,
            Place::Later => apart.dividends.push(*dividend),
            Place::Before => {}
        }
    }
    apart
}

/// Where an action belongs.
enum Place<'a> {
    Row(&'a mut Row),
    Later,
    Before,
}

impl Apart {
    fn place<'a>(&mut self, rows: &'a mut [Row], date: Date) -> Place<'a> {
        let at = rows.partition_point(|row| row.date < date);
        match rows.get_mut(at) {
            None => Place::Later,
            Some(row) if row.date == date => Place::Row(row),
            Some(_) if at == 0 => {
                self.before.add("BeforeFirstRow");
                Place::Before
            }
            Some(row) => {
                self.moved += 1;
                Place::Row(row)
            }
        }
    }
}

#[cfg(test)]
#[path = "traded_tests.rs"]
mod tests;
