//! Training: a pinned Delta version becomes feature rows by the one feature implementation, labels,
//! purged walk-forward folds with a leak guard, a model beside the naive forecast, calibrated drift
//! levels, a gate against the champion, and an artifact with report and model card whose manifest is
//! written last. Run by `foresail-trainer train`.
//!
//! `data` -> `errors` -> `fit` -> `inputs` -> `validation` -> `report` -> `run`, `file` -> `artifact_command`, `evaluate_command`, `inspect_command`, `tools`.

pub mod artifact_command;
mod data;
mod errors;
pub mod evaluate_command;
mod file;
mod fit;
mod gate;
mod inputs;
pub mod inspect_command;
mod lake;
mod report;
mod run;
#[cfg(test)]
mod testing;
mod tools;
mod validation;

pub use lake::Reading;
pub use run::run;
pub use tools::{Query, Reproduction, dump, reproduce, sql};
