//! The node of the demo and the tests: Kubernetes, Kafka, Redis and S3 on one machine, made from package registries
//! alone, and what it takes to build them. `cargo xtask` is its command line.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod buildah;
pub mod exec;
pub mod images;
pub mod node;
pub mod paths;
pub mod progress;
pub mod s3;
pub mod setup;
pub mod template;
pub mod versions;

pub use node::{Name, Node};
pub use paths::Paths;
