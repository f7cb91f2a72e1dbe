//! Training: a pinned Delta version becomes feature rows by the one feature implementation, labels,
//! a purged split, a model beside the naive forecast, calibrated drift levels, a gate against the
//! champion, and an artifact whose manifest is written last. Run by `foresail-trainer train`.

mod artifact;
mod dataset;
mod dump;
mod evaluate;
mod fit;
mod gate;
mod labels;
mod lake;
mod network;
pub mod offline;
mod recurrent;
mod reference;
mod run;
mod split;

pub use dump::dump;
pub use run::run;
