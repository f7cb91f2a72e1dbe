//! The stream worker: bars from Kafka through the feature code to the features topic and Redis,
//! exactly once. Everything it knows is in Kafka: positions in the outputs, state in snapshots,
//! so any restart continues with identical records. Run by `foresail-worker stream`.

mod batch;
pub mod engine;
pub mod engines;
mod history;
mod metrics;
mod mirror;
mod partition;
mod past;
mod records;
mod recovery;
mod step;
mod symbol;
mod worker;

pub use worker::run;
