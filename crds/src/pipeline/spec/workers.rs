//! `spec.workers`: pods of the roles that have no part of their own in the spec.

use k8s_openapi::api::core::v1::ResourceRequirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resources;

/// Pods of the roles that have no part of their own: those of training and serving are declared there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkersSpec {
    /// Makes topics and probes Kafka, S3, Redis and the source. By default it requests cpu 20m and memory 32Mi, with a
    /// memory limit of 256Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare: Option<WorkerSpec>,
    /// Source to Kafka. By default it requests cpu 20m and memory 32Mi, with a memory limit of 512Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest: Option<WorkerSpec>,
    /// Kafka to the bar table. By default it requests cpu 20m and memory 32Mi, with a memory limit of 512Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lake: Option<WorkerSpec>,
    /// Bars to feature rows. By default it requests cpu 20m and memory 32Mi, with a memory limit of 512Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<WorkerSpec>,
    /// Watches drift and realised error. By default it requests cpu 20m and memory 32Mi, with a memory limit of 512Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<WorkerSpec>,
    /// Removes what `deletionPolicy` does not retain. By default it requests cpu 20m and memory 32Mi, with a memory limit
    /// of 256Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<WorkerSpec>,
}

impl WorkersSpec {
    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The pod of one role.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkerSpec {
    /// CPU and memory of the pod, as in any container; it takes the place of all defaults. An edit restarts this role
    /// and no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "resources::schema")]
    pub resources: Option<ResourceRequirements>,
}
