//! Statistics of forecasts: folds without leaks, metrics, intervals and tests that account for
//! overlapping labels, and guards that prove that nothing looks ahead.
//!
//! Pure: called by the trainer (folds, report, gate) and by the drift monitor (variance of a mean).
//! `docs/evaluation.md` has the formulas and their sources.

mod against_naive;
pub mod bootstrap;
pub mod conformal;
pub mod distribution;
mod error;
pub mod leak_guard;
pub mod metrics;
pub mod quantile;
mod rank;
pub mod record;
pub mod significance;
pub mod strategy;
pub mod walk_forward;

pub use against_naive::{AgainstNaive, against_naive};
pub use error::InputError;
pub use rank::spearman;
pub use record::{Record, Unit};
pub use significance::{
    Comparison, clark_west, clark_west_term, diebold_mariano, hac_variance_of_mean,
};
