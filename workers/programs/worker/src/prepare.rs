//! Before any worker starts: topics exist, S3 honours conditional writes, Kafka and Redis answer, and the beginning of the
//! source reads as a table. Tries until all is well; the first failed probe is in status at once.

use std::time::Duration;

use foresail_crds::Role;
use foresail_crds::pipeline::status::{PrepareStatus, SourceSummary};
use foresail_crds::worker_config::{ConfigDocument, PrepareConfig};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{RoleContext, RoleError};
use foresail_runtime_cache::Cache;
use foresail_runtime_kafka::admin::{Topic, ensure_topics};
use foresail_runtime_kafka::{LARGEST_RECORD, Settings};
use foresail_runtime_store::{S3Uri, Store};

/// Runs until every probe passes, or shutdown.
///
/// # Errors
/// Outside errors: `NotReported` when the result cannot be written to status, `Interrupted` by a shutdown.
pub async fn run(context: RoleContext<PrepareConfig, PrepareStatus>) -> Result<(), RoleError> {
    let RoleContext {
        reporter, shutdown, ..
    } = &context;
    let config = &context.config;
    let name = ConfigDocument::new(Role::Prepare.name(), &config.pipeline, config).name;
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
    while !shutdown.is_cancelled() {
        let found = probe(&context).await;
        // Another pod may have been made for another configuration meanwhile: its report must not be written over.
        if shutdown.is_cancelled() {
            break;
        }
        let (source, error) = match found {
            Ok(source) => (source, None),
            Err(error) => (None, Some(error)),
        };
        let status = PrepareStatus {
            config: name.clone(),
            complete: error.is_none(),
            source,
            error: error.as_ref().map(RoleError::to_worker_error),
        };
        reporter.set(status);
        let Some(error) = error else {
            return if reporter.flush().await {
                Ok(())
            } else {
                Err(RoleError::outside(
                    "NotReported",
                    "the API server did not take the result; it is retried",
                ))
            };
        };
        tracing::warn!(
            reason = error.reason,
            cause = error.message,
            "probe failed, trying again"
        );
        backoff.wait(shutdown).await;
    }
    // A Job that ends well is not run again.
    Err(RoleError::outside(
        "Interrupted",
        "stopped before every probe passed; the Job starts another pod",
    ))
}

/// What the source looks like, when it is a file.
async fn probe(
    context: &RoleContext<PrepareConfig, PrepareStatus>,
) -> Result<Option<SourceSummary>, RoleError> {
    let RoleContext {
        config,
        outside,
        registry,
        ..
    } = context;
    let folder = S3Uri::parse(&config.places().folder)?;
    let store = Store::of_lake(&config.lake, outside)?;
    store.probe(&folder).await?;
    tracing::info!(%folder, "S3 probed");
    let kafka = Settings::new(&config.kafka, outside)?;
    ensure_topics(&kafka, &topics(config)).await?;
    tracing::info!("topics exist");
    if let Some(redis) = &config.redis {
        let prefix = config.pipeline.redis_prefix();
        Cache::open(redis, prefix, outside, registry).ping().await?;
        tracing::info!("Redis answers");
    }
    let Some(csv) = &config.csv else {
        return Ok(None);
    };
    let summary = foresail_ingest::look(csv, &config.allowed_networks, outside).await?;
    tracing::info!(dialect = summary.dialect, "source answers");
    Ok(Some(summary))
}

fn topics(config: &PrepareConfig) -> Vec<Topic> {
    let topics = config.topics();
    let topic = |name: &str, settings: Vec<(&'static str, &'static str)>| Topic {
        name: name.to_string(),
        partitions: config.partitions,
        replication: config.replication_factor,
        config: settings,
    };
    let forever = || {
        vec![
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
        ]
    };
    let served = vec![("cleanup.policy", "delete"), ("retention.ms", "604800000")];
    // The state of the most features with the longest windows that a spec may declare takes some 2 MB.
    let state = vec![
        ("cleanup.policy", "compact"),
        ("max.message.bytes", LARGEST_RECORD),
        // Read from its beginning at each start, so older states must go soon: a segment that is written to is never
        // compacted, and by default it is one of a gigabyte.
        ("segment.bytes", "33554432"),
        ("min.cleanable.dirty.ratio", "0.2"),
    ];
    let mut made = vec![
        topic(&topics.quarantine, forever()),
        topic(&topics.features, forever()),
        topic(&topics.predictions, forever()),
        topic(&topics.served, served),
        topic(&topics.stream_state, state),
    ];
    if config.bars_of.is_none() {
        made.insert(0, topic(&topics.bars, forever()));
    }
    made
}
