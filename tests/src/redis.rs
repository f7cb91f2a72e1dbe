//! Asks Redis, past the client of the product.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::{Client, Cmd, FromRedisValue, cmd};
use tokio::time::timeout;

use crate::Cluster;

const LIMIT: Duration = Duration::from_secs(5);

/// Keys that match a pattern.
///
/// # Errors
/// When Redis does not answer.
pub async fn keys(cluster: &Cluster, pattern: &str) -> Result<Vec<String>> {
    ask(cluster, cmd("KEYS").arg(pattern)).await
}

/// Removes everything.
///
/// # Errors
/// When Redis does not answer.
pub async fn flush(cluster: &Cluster) -> Result<()> {
    ask(cluster, &cmd("FLUSHALL")).await
}

async fn ask<T: FromRedisValue>(cluster: &Cluster, command: &Cmd) -> Result<T> {
    let url = cluster.settings.redis.as_str();
    let answer = async {
        let client = Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        command.query_async(&mut connection).await
    };
    timeout(LIMIT, answer)
        .await
        .with_context(|| format!("Redis at {url} does not answer"))?
        .with_context(|| format!("Redis at {url}"))
}
