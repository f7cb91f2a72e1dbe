//! From the text of a source to checked bars: rows of a CSV file or of the market simulator, and the
//! checks that make a row a bar or a refusal with its reason. Pure but for the clock handed in; the
//! ingest worker and `foresail-trainer evaluate` read files through it alike.

mod checks;
mod coverage;
mod csv_source;
mod described;
mod dialect;
mod expanded;
mod header;
mod lines;
mod nearest;
mod order;
mod packed;
mod row;
mod simulator;
mod split;
mod stamp;
mod suspicions;
mod turns;

pub use checks::{
    CALENDAR_EXPIRED, CALENDARS_FROM, Checker, Kept, Notes, RowOutcome, UNFINISHED, date_of,
    is_off_session,
};
pub use coverage::{Coverage, Days};
pub use csv_source::CsvRows;
pub use described::Described;
pub use dialect::Dialect;
pub use lines::LONGEST_ROW;
pub use nearest::nearest;
pub use order::{Rows, Scratch, in_order, in_order_seen};
pub use packed::{LARGEST_WINDOW, Packed, TELLING, unpacked};
pub use row::{Fields, RawRow, RowKey};
pub use simulator::Simulator;
pub use stamp::text as moment_text;
pub use suspicions::{Quote, Suspicion, SuspicionKind};
