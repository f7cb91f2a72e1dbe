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
