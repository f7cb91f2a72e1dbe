//! Topics: made when absent, refused when of another width or with settings that lose records, removed when asked for.

use std::sync::Arc;

use foresail_runtime_base::{RoleError, spawn_blocking};
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::Settings;
use crate::answers::answers;
use crate::error::{explain, lost};
use crate::settings::REQUEST_TIMEOUT;

/// One topic to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Full name, with the prefix.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each partition.
    pub replication: i32,
    /// Topic settings, for example `cleanup.policy`.
    pub config: Vec<(&'static str, &'static str)>,
}

/// Makes the topics that are absent. Idempotent. When no broker answers, that is told within some seconds.
///
/// # Errors
/// `KafkaUnreachable`, `KafkaAuthFailed`, `TopicRefused`; user error `TopicWidthDiffers` when a topic
/// has another number of partitions than declared: changing it would move symbols to other
/// partitions, behind what is already computed of them; user error `TopicMisconfigured` when one that was there loses
/// records that are needed.
pub async fn ensure_topics(settings: &Settings, topics: &[Topic]) -> Result<(), RoleError> {
    answers(settings, "making topics").await?;
    let admin = client(settings)?;
    let made = make_topics(&admin, settings, topics).await;
    end(admin);
    made
}

async fn make_topics(
    admin: &Arc<Admin>,
    settings: &Settings,
    topics: &[Topic],
) -> Result<(), RoleError> {
    for topic in topics {
        let what = format!("making topic `{}`", topic.name);
        let to_error = |e: &KafkaError| explain(&what, settings.servers(), e);
        let replication = TopicReplication::Fixed(topic.replication);
        let mut new = NewTopic::new(&topic.name, topic.partitions, replication);
        for (key, value) in &topic.config {
            new = new.set(key, value);
        }
        let made = settings.effects().perform(
            "kafka",
            "create-topic",
            admin.create_topics([&new], &options()),
        );
        match first(made.await) {
            Ok(()) | Err(KafkaError::AdminOp(RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err(error) => return Err(to_error(&error)),
        }
        let have = partition_count(admin, &topic.name)
            .await?
            .map_err(|e| to_error(&e))?;
        if have > 0 && have != topic.partitions {
            let message = format!(
                "topic `{}` has {have} partitions and kafka.partitions is {}; set it to {have}, or choose \
                 another kafka.topicPrefix",
                topic.name, topic.partitions
            );
            return Err(RoleError::user("TopicWidthDiffers", message));
        }
        check_settings(admin, topic).await?;
    }
    Ok(())
}

/// A topic that was made before by somebody else may forget what it is given. Whoever may not ask is believed.
async fn check_settings(admin: &Admin, topic: &Topic) -> Result<(), RoleError> {
    let asked = [ResourceSpecifier::Topic(&topic.name)];
    let described = admin.describe_configs(&asked, &options()).await;
    let mut described = described.into_iter().flatten().flatten();
    let ours = OwnedResourceSpecifier::Topic(topic.name.clone());
    let Some(settings) = described.find(|resource| resource.specifier == ours) else {
        tracing::warn!(
            topic = topic.name,
            "the settings of the topic cannot be read"
        );
        return Ok(());
    };
    for (name, wanted) in &topic.config {
        let have = settings.get(name).and_then(|entry| entry.value.as_deref());
        if let Some(have) = have.filter(|have| !keeps(name, have, wanted)) {
            let message = format!(
                "topic `{}` has {name}={have}, and {wanted} is needed to keep its records; correct it on the broker, or \
                 choose another kafka.topicPrefix",
                topic.name
            );
            return Err(RoleError::user("TopicMisconfigured", message));
        }
    }
    Ok(())
}

/// Whether a setting keeps at least what the wanted one does. -1 is without end.
fn keeps(name: &str, have: &str, wanted: &str) -> bool {
    let number = |text: &str| match text.parse::<i64>() {
        Ok(-1) => Some(i64::MAX),
        Ok(number) => Some(number),
        Err(_) => None,
    };
    match name {
        "retention.ms" | "retention.bytes" => number(have) >= number(wanted),
        // What is too long for one that was made before is told when it comes; how its segments are cut loses nothing.
        "max.message.bytes" | "segment.bytes" | "min.cleanable.dirty.ratio" => true,
        _ => have == wanted,
    }
}

/// Removes topics; absent ones are no error.
///
/// # Errors
/// `KafkaUnreachable`, `KafkaAuthFailed`, `KafkaAccessDenied`.
pub async fn delete_topics(settings: &Settings, names: &[&str]) -> Result<(), RoleError> {
    let admin = client(settings)?;
    let gone = remove_topics(&admin, settings, names).await;
    end(admin);
    gone
}

async fn remove_topics(
    admin: &Admin,
    settings: &Settings,
    names: &[&str],
) -> Result<(), RoleError> {
    for name in names {
        let gone = settings.effects().perform(
            "kafka",
            "delete-topic",
            admin.delete_topics(&[name], &options()),
        );
        match first(gone.await) {
            Ok(()) | Err(KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err(error) => {
                return Err(explain(
                    &format!("deleting topic `{name}`"),
                    settings.servers(),
                    &error,
                ));
            }
        }
    }
    Ok(())
}

type Admin = AdminClient<DefaultClientContext>;

fn client(settings: &Settings) -> Result<Arc<Admin>, RoleError> {
    AdminClient::from_config(&settings.client())
        .map(Arc::new)
        .map_err(|e| explain("connecting", settings.servers(), &e))
}

/// A client waits for its threads when it is dropped, and one of them may be looking up a name: nobody waits for that.
fn end(admin: Arc<Admin>) {
    spawn_blocking(move || drop(admin));
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}

/// One answer per topic: its name, with the error when there is one.
type Answers = Vec<Result<String, (String, RDKafkaErrorCode)>>;

/// The answer about the single topic that was asked for.
fn first(answer: Result<Answers, KafkaError>) -> Result<(), KafkaError> {
    match answer?.pop() {
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
        _ => Ok(()),
    }
}

async fn partition_count(
    admin: &Arc<Admin>,
    topic: &str,
) -> Result<Result<i32, KafkaError>, RoleError> {
    let (admin, name) = (Arc::clone(admin), topic.to_string());
    // A topic just made may not be in the metadata yet: then it has the width asked for.
    let count = move || {
        let metadata = admin.inner().fetch_metadata(Some(&name), REQUEST_TIMEOUT)?;
        let topics = metadata.topics();
        let width = topics.first().map_or(0, |t| t.partitions().len());
        Ok(i32::try_from(width).unwrap_or(i32::MAX))
    };
    spawn_blocking(count).await.map_err(|_| lost(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_keeps_more_is_as_good() {
        assert!(keeps("retention.ms", "-1", "604800000"));
        assert!(keeps("retention.ms", "604800001", "604800000"));
        assert!(!keeps("retention.ms", "3600000", "604800000"));
        assert!(!keeps("retention.ms", "3600000", "-1"));
        assert!(keeps("cleanup.policy", "delete", "delete"));
        assert!(!keeps("cleanup.policy", "compact,delete", "delete"));
    }
}
