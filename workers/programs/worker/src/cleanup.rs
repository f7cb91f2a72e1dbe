//! After a Pipeline is deleted: removes outside the cluster what its deletion policy does not retain.
//! Idempotent; a store that does not answer fails the pod, which the Job retries for some minutes.

use foresail_crds::pipeline::spec::Deletion;
use foresail_crds::worker_config::CleanupConfig;
use foresail_runtime_base::{RoleContext, RoleError};
use foresail_runtime_cache::Cache;
use foresail_runtime_kafka::{Settings, admin};
use foresail_runtime_store::{S3Uri, Store};

/// Removes topics, lake, artifacts and cache, each as declared.
///
/// # Errors
/// The first store that refuses or does not answer.
pub async fn run(context: RoleContext<CleanupConfig, ()>) -> Result<(), RoleError> {
    let RoleContext {
        config,
        outside,
        registry,
        ..
    } = &context;
    let policy = &config.deletion_policy;
    if policy.topics == Deletion::Delete {
        let topics = config.removed_topics();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        admin::delete_topics(&Settings::new(&config.kafka, outside)?, &names).await?;
        tracing::info!(bars_stay = config.bars_are_read, "topics removed");
    }
    let places = config.places();
    let folders = [
        (policy.lake, places.bars),
        (policy.artifacts, places.models),
    ];
    for (_, folder) in folders.into_iter().filter(|(p, _)| *p == Deletion::Delete) {
        let folder = S3Uri::parse(&folder)?;
        let removed = Store::of_lake(&config.lake, outside)?
            .delete_folder(&folder)
            .await?;
        tracing::info!(%folder, removed, "objects removed");
    }
    if let (Deletion::Delete, Some(redis)) = (policy.cache, &config.redis) {
        Cache::open(redis, config.pipeline.redis_prefix(), outside, registry)
            .delete_prefix()
            .await?;
        tracing::info!("cache removed");
    }
    Ok(())
}
