//! The contract: every document two Foresail programs exchange, and nothing else.
//!
//! Kubernetes objects (`Pipeline`, `ModelVersion`, `ProviderAccount`), the worker configuration the operator
//! mounts, the model manifest on S3, and the records on Kafka and in Redis. No client, no IO.

pub mod duration;
pub mod exit_code;
pub mod model_manifest;
pub mod model_version;
pub mod names;
pub mod number;
pub mod pipeline;
pub mod provider_account;
pub mod readiness;
pub mod records;
pub mod role;
pub mod role_error;
pub mod secret;
pub mod training_parameters;
pub mod worker_config;

pub use model_version::{ModelVersion, ModelVersionSpec, ModelVersionStatus};
pub use number::Decimal;
pub use pipeline::{Pipeline, PipelineSpec, PipelineStatus};
pub use provider_account::{
    ProviderAccount, ProviderAccountSpec, ProviderAccountStatus, ProviderName,
};
pub use role::Role;
pub use role_error::RoleError;
pub use training_parameters::TrainingParameters;

/// API group of every Foresail kind.
pub const GROUP: &str = "foresail.dev";
/// `apiVersion` of every Foresail object: group and version.
pub const API_VERSION: &str = "foresail.dev/v1alpha1";
/// Field manager of everything the operator applies, and label of what it manages.
pub const MANAGER: &str = "foresail-operator";

#[cfg(test)]
mod tests {
    use kube::Resource;

    use super::*;

    #[test]
    fn every_kind_has_the_one_group_and_version() {
        assert_eq!(Pipeline::group(&()), GROUP);
        assert_eq!(Pipeline::api_version(&()), API_VERSION);
        assert_eq!(ModelVersion::api_version(&()), API_VERSION);
        assert_eq!(ProviderAccount::api_version(&()), API_VERSION);
    }
}
