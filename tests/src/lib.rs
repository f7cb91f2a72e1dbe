//! The cluster harness: what the suites in `tests/` share. They drive the real programs on a real
//! node with real Kafka, Redis and S3, and link none of the roles. Without a cluster
//! (`FORESAIL_KAFKA` unset) a test says so and counts as skipped.

pub mod audit;
pub mod checks;
pub mod cluster;
pub mod delta;
pub mod diagnostics;
pub mod events;
pub mod faults;
pub mod harness;
pub mod helm;
pub mod metrics;
pub mod operators;
pub mod owners;
pub mod pipelines;
pub mod predictor;
pub mod programs;
pub mod redis;
pub mod repo;
pub mod s3;
pub mod secrets;
pub mod settings;
pub mod topics;
pub mod turns;
pub mod wait;
pub mod web;

pub use checks::Checks;
pub use cluster::{Cluster, Space};
pub use harness::{in_namespace, on_cluster, prepared_then_alone, with_own_operator};
pub use operators::Operator;
pub use wait::until;
