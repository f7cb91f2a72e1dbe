//! The feature catalogue as window functions of DataFusion: `rsi(close, 14) OVER (PARTITION BY symbol
//! ORDER BY event_time)` runs the kernel that stream, training and serving run, and gives its bits.
//!
//! A function is called as in the catalogue, in snake case. It takes what it reads (`close`; any number
//! for the rolling ones; `event_time` for dates; else `open, high, low, close, volume`), then its
//! parameters as constants. Like every kernel it sees rows in the order of `OVER`, up to the current
//! one; a frame changes nothing. `Expression` is left out: SQL has arithmetic of its own.

mod catalogue;
mod evaluator;
mod function;

use datafusion::prelude::SessionContext;

pub use catalogue::{Entry, entries};

/// Makes every function of the catalogue known to `context`.
pub fn register(context: &SessionContext) {
    for entry in entries() {
        context.register_udwf(function::window_function(entry));
    }
}
