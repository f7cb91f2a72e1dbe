//! How a worker reaches Kafka.

use serde::{Deserialize, Serialize};

use crate::pipeline::spec::KafkaSpec;

/// `spec.kafka` without what its topics look like: only those that make or divide them need that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaAddress {
    /// Comma-separated `host:port` list.
    pub bootstrap_servers: String,
    /// Secret that is mounted.
    pub secret_name: Option<String>,
    /// Put before every topic name.
    pub topic_prefix: String,
}

impl From<&KafkaSpec> for KafkaAddress {
    fn from(spec: &KafkaSpec) -> Self {
        Self {
            bootstrap_servers: spec.bootstrap_servers.clone(),
            secret_name: spec.secret_name.clone(),
            topic_prefix: spec.topic_prefix.clone(),
        }
    }
}
