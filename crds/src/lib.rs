//! The contract: every document two Foresail programs exchange, and nothing else.
//!
//! Kubernetes objects (`Pipeline`, `ModelVersion`), the worker configuration the operator
//! mounts, the model manifest on S3, and the records on Kafka and in Redis. No client, no IO.

pub mod duration;
pub mod model_manifest;
pub mod model_version;
pub mod names;
pub mod number;
pub mod pipeline;
pub mod records;
pub mod worker_config;

pub use model_version::{ModelVersion, ModelVersionSpec, ModelVersionStatus};
pub use number::Decimal;
pub use pipeline::{Pipeline, PipelineSpec, PipelineStatus};

/// API group of every Foresail kind.
pub const GROUP: &str = "foresail.dev";
/// Served API version.
pub const VERSION: &str = "v1alpha1";
