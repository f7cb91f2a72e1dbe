//! rdkafka errors as errors of a role.

use foresail_runtime_base::RoleError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// `what` names the operation and its object, for example "reading topic `a.b.bars`".
pub(crate) fn explain(what: &str, servers: &str, error: &KafkaError) -> RoleError {
    explain_refusal(what, servers, error, &error.to_string())
}

/// As [`explain`], with the reason that librdkafka gave for the error. How long a state lasted is left out of it: the same
/// cause gives the same message at each attempt.
pub(crate) fn explain_refusal(
    what: &str,
    servers: &str,
    error: &KafkaError,
    reason: &str,
) -> RoleError {
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    let reason = reason
        .rsplit_once(" (after ")
        .map_or(reason, |(reason, _)| reason);
    let message =
        |cause: &str| format!("{what} on Kafka {servers}: {cause} ({reason}); it is retried");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_admin_request_is_refused_with_has_its_own_reason() {
        let reason =
            |code| explain("making topic `a`", "k:9092", &KafkaError::AdminOp(code)).reason;
        assert_eq!(reason(Code::TopicAuthorizationFailed), "KafkaAccessDenied");
        assert_eq!(reason(Code::InvalidReplicationFactor), "TopicRefused");
        assert_eq!(reason(Code::OperationTimedOut), "KafkaUnreachable");
    }

    #[test]
    fn the_same_cause_gives_the_same_message() {
        let error = KafkaError::Global(Code::BrokerTransportFailure);
        let told = |ms| {
            let reason = format!("k:9: Connection refused (after {ms}ms in state CONNECT)");
            explain_refusal("making topics", "k:9", &error, &reason).message
        };
        assert_eq!(told(0), told(17));
        assert_eq!(
            told(0),
            "making topics on Kafka k:9: no broker answers (k:9: Connection refused); it is retried"
        );
    }
}
