//! Rows of a file in the order of their sessions. A file that is not written so (newest first, or in no order) is sorted on
//! disk, in memory that does not grow with it. Of several rows of one symbol and session the last one counts: the others
//! are marked as superseded.

mod holes;
mod latest;
mod sorted;
mod steps;
mod tally;

use std::io::{self, Read};

use foresail_crds::RoleError;

use crate::csv_source::CsvRows;
use crate::described::Described;
use crate::dialect::Dialect;
use crate::row::RowKey;
use holes::Holes;
use latest::Latest;
use sorted::sorted;
use tally::Tally;

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
    in_order_seen(open, of, scratch, |_| {})
}

/// The same, and what tells every row from others is shown to `seen` as it stands in the file, before this returns: whoever has
/// to know the symbols and the days of the whole file before its first row needs no reading of its own.
///
/// # Errors
/// Those of [`in_order`].
pub fn in_order_seen<'a, R: Read + Send + 'a, S: Scratch>(
    open: impl Fn() -> Result<R, RoleError>,
    of: &Described,
    scratch: fn() -> io::Result<S>,
    seen: impl FnMut(RowKey<'_>),
) -> Result<Rows<'a>, RoleError> {
    let (order, dialect) = order_of(CsvRows::new(open()?, of)?, of, seen)?;
    let derives_actions = dialect.derives_actions();
    let rows = CsvRows::of_dialect(open()?, of, dialect)?;
    let rows: Rows<'a> = match order {
        Order::Rising { is_each_once: true } => Box::new(rows),
        Order::Rising { .. } => Box::new(Latest::new(rows)),
        Order::Falling => Box::new(Latest::new(sorted(rows, true, scratch)?)),
        Order::None => Box::new(Latest::new(sorted(rows, false, scratch)?)),
    };
    Ok(if derives_actions {
        Box::new(Holes::new(rows))
    } else {
        rows
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
    Rising {
        /// No symbol has two rows of one session on end.
        is_each_once: bool,
    },
    /// They fall more often than they rise: of two rows of a day the first one was written last.
    Falling,
    None,
}

/// Reads a whole file for the order of its rows, and nothing else of them. How it is written comes back with that.
fn order_of(
    rows: CsvRows<'_>,
    of: &Described,
    mut seen: impl FnMut(RowKey<'_>),
) -> Result<(Order, Dialect), RoleError> {
    let (mut lines, mut maker) = rows.into_lines();
    let mut tally = Tally::new(of);
    let mut add = |row: RowKey<'_>| {
        seen(row);
        tally.add(row);
    };
    while let Some(line) = lines.next_here()? {
        maker.keys(line, &mut add);
    }
    Ok((tally.order()?, maker.into_dialect()))
}

#[cfg(test)]
mod tests;
