//! rdkafka errors as errors of a role.

use foresail_runtime_base::RoleError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// `what` names the operation and its object, for example "reading topic `a.b.bars`".
pub(crate) fn explain(what: &str, servers: &str, error: &KafkaError) -> RoleError {
    let code = error.rdkafka_error_code();
    let message =
        |cause: &str| format!("{what} on Kafka {servers}: {cause} ({error}); it is retried");
    match code {
        Some(
            Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism,
        ) => RoleError::user("KafkaAuthFailed", message("the credentials are refused")),
        Some(
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed,
        ) => RoleError::user("KafkaAccessDenied", message("access is denied")),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            RoleError::outside("TopicMissing", message("the topic does not exist"))
        }
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => {
            RoleError::outside("KafkaFenced", message("a newer process took over"))
        }
        Some(Code::MessageSizeTooLarge) => RoleError::user(
            "RecordTooLarge",
            message("a record is larger than the broker accepts"),
        ),
        Some(Code::InvalidReplicationFactor | Code::InvalidPartitions | Code::PolicyViolation) => {
            RoleError::user(
                "TopicRefused",
                message("the broker refuses these topic settings"),
            )
        }
        _ => RoleError::outside("KafkaUnreachable", message("no broker answers")),
    }
}

/// A blocking task that was cancelled or panicked.
pub(crate) fn lost(what: &str) -> RoleError {
    RoleError::internal(
        "TaskLost",
        format!("{what}: the task ended without a result"),
    )
}

/// A topic that ends before what was already read from it or written to it: other records under the
/// same name. To go on would mix two histories, or hide that one is lost.
pub fn recreated(topic: &str, detail: impl std::fmt::Display) -> RoleError {
    let message = format!(
        "topic `{topic}` was deleted and created again: {detail}; suspend the Pipeline, delete its topics bars, features, stream-state \
         and quarantine and its folder bars in the lake, then resume: everything is read again from the source"
    );
    RoleError::user("TopicRecreated", message)
}
