//! A provider of market data as the source. It is not a sequence of rows that reads the same every time, so there is a cursor
//! for each symbol instead of a position: its newest bar that was sent. Every row of an answer still passes the one checker
//! and counts as read, sent, quarantined or unchanged.
//!
//! `timetable` says which bars are expected, `wanted` what must be asked for them (`minutes` within a session), `traded` what
//! the answers are as rows; these are pure. `round` asks for all symbols that are due, `run` sends what came and waits for the next time.
//! `fallback` says when another account is asked, `quorum` whether a second one agrees.

mod account;
mod entry;
mod fallback;
mod gaps;
mod gathered;
mod harvest;
mod memory;
mod minutes;
mod part;
mod quorum;
mod recent;
mod report;
mod review;
mod round;
mod run;
mod survey;
mod timetable;
mod traded;
mod wanted;

pub(crate) use recent::{Recent, Wanted};
pub(crate) use run::Polling;
pub(crate) use survey::Survey;

#[cfg(test)]
mod tests;
