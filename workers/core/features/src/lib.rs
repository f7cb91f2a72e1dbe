//! The only feature implementation: bars go in one at a time, feature rows come out.
//!
//! The stream worker pushes every record, the trainer folds a table, the predictor runs the bars
//! of a request; all through [`FeatureSet::push`], so they agree bit for bit. Pure.

pub mod adjust;
mod binding;
mod expression;
mod feature;
mod fingerprint;
mod kernels;
mod rolling;
mod set;
mod spec;
mod window;

pub use feature::Feature;
pub use fingerprint::{fingerprint, is_computed};
pub use set::{FeatureRow, FeatureSet, PushError};
pub use spec::{FeatureError, check, columns_read, reads_date};

/// Changes whenever the same specs would give other numbers; part of the fingerprint.
pub const CODE_VERSION: u32 = 2;
