//! Training: a pinned Delta version becomes feature rows by the one feature implementation, labels,
//! purged walk-forward folds with a leak guard, a model beside the naive forecast, calibrated drift
//! levels, a gate against the champion, and an artifact with report and model card whose manifest is
//! written last. Run by `foresail-trainer train`.

mod card;
mod dataset;
mod dump;
mod evaluate;
mod fit;
mod folds;
mod gate;
mod guards;
mod importance;
mod labels;
mod lake;
mod learn;
mod network;
pub mod offline;
mod recurrent;
mod reference;
mod report;
mod reproduce;
mod run;
mod split;
mod sql;
mod validate;

pub use dump::dump;
pub use reproduce::{Reproduction, reproduce};
pub use run::run;
pub use sql::{Query, sql};
