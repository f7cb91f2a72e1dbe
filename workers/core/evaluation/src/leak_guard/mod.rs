//! Guards that prove that nothing looks ahead: change the future, and see that the past stays, bit for
//! bit. Each gives a [`Verdict`] with the first violation.
//!
//! A guard that had nothing to compare, or whose change of the future reached nothing at all, fails: it
//! would not have seen a leak.

mod disturb;
mod features;
mod fit;
mod overlap;
mod shuffle;
mod verdict;

pub use disturb::{Access, Cuts, MOST_CUTS};
pub use features::{Row, feature_guard};
pub use fit::{FittedFold, Refit, fit_guard};
pub use overlap::{Gap, label_overlap};
pub use shuffle::{Control, ShuffledRun, block_permutation, shuffled_labels};
pub use verdict::{Evidence, Guard, GuardReport, Verdict};
