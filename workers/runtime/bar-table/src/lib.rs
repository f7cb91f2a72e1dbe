//! The Delta table of bars: one schema, one writer (the lake worker) and one way to read it (the trainer). Which
//! files a version holds comes from here; the trainer scans them with an engine of its own.

mod error;
mod log;
mod read;
mod schema;
mod table;

pub use read::{files, newest_version};
pub use schema::{Placed, READ, bar_batch, bars};
pub use table::{BarTable, Progress};
