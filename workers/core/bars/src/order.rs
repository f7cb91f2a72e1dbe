//! Rows of a file in the order of their sessions. A file that is not written so (newest first, or in no order) is sorted on
//! disk, in memory that does not grow with it. Of several rows of one symbol and session the last one counts: the others
//! are marked as superseded.

mod holes;
mod latest;
mod sorted;
mod steps;

use std::collections::HashMap;
use std::io::{self, Read};

use foresail_crds::RoleError;
use smol_str::SmolStr;

use crate::csv_source::CsvRows;
use crate::described::Described;
use crate::row::RawRow;
use holes::Holes;
use latest::Latest;
use sorted::sorted;
use steps::Steps;

pub use latest::Rows;
pub use sorted::Scratch;

/// Most symbols whose order is looked at.
const SYMBOLS: usize = 65_536;
/// One row in so many that is older than the one before it is a stray row, which is refused: a file with some of them
/// is in order.
const STRAYS_IN: u64 = 20;
/// Rows of which nothing is concluded.
const FEW: u64 = 20;

/// Opens a file that can be read again and again, and brings its rows in order, on `scratch` where they are not. Positions
/// count in that order.
///
/// # Errors
/// Those of [`CsvRows::new`], and outside error `ScratchFailed` when there is no room to sort.
pub fn in_order<'a, R: Read + Send + 'a, S: Scratch>(
    open: impl Fn() -> Result<R, RoleError>,
    of: &Described,
    scratch: fn() -> io::Result<S>,
) -> Result<Rows<'a>, RoleError> {
    in_order_seen(open, of, scratch, &mut |_| {})
}

/// The same, and every row is shown to `seen` as it stands in the file, before this returns: whoever has to know something
/// of the whole file before its first row needs no reading of its own.
///
/// # Errors
/// Those of [`in_order`].
pub fn in_order_seen<'a, R: Read + Send + 'a, S: Scratch>(
    open: impl Fn() -> Result<R, RoleError>,
    of: &Described,
    scratch: fn() -> io::Result<S>,
    seen: &mut dyn FnMut(&RawRow),
) -> Result<Rows<'a>, RoleError> {
    let order = Order::of(CsvRows::new(open()?, of)?, of, seen)?;
    let rows = CsvRows::new(open()?, of)?;
    let derives_actions = rows.dialect().derives_actions();
    let rows: Rows<'a> = match order {
        Order::Rising => Box::new(rows),
        Order::Falling => Box::new(sorted(rows, true, scratch)?),
        Order::None => Box::new(sorted(rows, false, scratch)?),
    };
    let rows = Latest::new(rows);
    Ok(if derives_actions {
        Box::new(Holes::new(rows))
    } else {
        Box::new(rows)
    })
}

/// Rows as they leave [`in_order`] in a file with adjusted closes.
#[cfg(test)]
pub(crate) fn with_next_adjusted(
    rows: impl Iterator<Item = Result<crate::row::RawRow, RoleError>>,
) -> impl Iterator<Item = Result<crate::row::RawRow, RoleError>> {
    Holes::new(rows)
}

/// How the dates of a file follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Those of every symbol rise, but for stray rows.
    Rising,
    /// They fall more often than they rise: of two rows of a day the first one was written last.
    Falling,
    None,
}

impl Order {
    fn of(
        rows: CsvRows<'_>,
        of: &Described,
        seen: &mut dyn FnMut(&RawRow),
    ) -> Result<Self, RoleError> {
        let mut last: HashMap<Option<SmolStr>, SmolStr> = HashMap::new();
        let (mut rises, mut falls, mut stays) = (0u64, 0u64, 0u64);
        let mut steps = Steps::default();
        for row in rows {
            let row = row?;
            seen(&row);
            let fields = row.fields;
            let full = last.len() >= SYMBOLS;
            // Normal dates sort as text.
            let Some(date) = fields.date else { continue };
            match last.get_mut(&fields.symbol) {
                Some(before) => {
                    rises += u64::from(date > *before);
                    falls += u64::from(date < *before);
                    stays += u64::from(date == *before);
                    if of.interval.is_intraday() {
                        steps.add(before, &date);
                    }
                    *before = date;
                }
                None if full => {}
                None => {
                    last.insert(fields.symbol, date);
                }
            }
        }
        let moves = rises + falls + stays;
        if moves >= FEW && stays * 3 > moves {
            return Err(steps::several_rows(stays, rises + falls, of));
        }
        steps.check(of)?;
        Ok(match (rises, falls) {
            (rises, falls) if falls * STRAYS_IN <= rises => Self::Rising,
            (rises, falls) if falls > rises => Self::Falling,
            _ => Self::None,
        })
    }
}

#[cfg(test)]
mod tests;
