//! From the text of a source to checked bars: rows of a CSV file or of the market simulator, and the
//! checks that make a row a bar or a refusal with its reason. Pure but for the clock handed in; the
//! ingest worker and `foresail-trainer evaluate` read files through it alike.

mod checks;
mod csv_source;
mod header;
mod jumps;
mod lines;
mod row;
mod simulator;

pub use checks::{Checker, RowOutcome, date_of};
pub use csv_source::CsvRows;
pub use jumps::Rebasing;
pub use lines::LONGEST_ROW;
pub use row::{Fields, RawRow};
pub use simulator::Simulator;
