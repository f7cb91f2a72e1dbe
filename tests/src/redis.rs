//! Asks Redis, past the client of the product.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult, cmd};

use crate::Cluster;

const LIMIT: Duration = Duration::from_secs(30);

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

/// Removes the keys that match a pattern; returns how many there were.
///
/// # Errors
/// When Redis does not answer.
pub async fn remove(cluster: &Cluster, pattern: &str) -> Result<usize> {
    let keys = keys(cluster, pattern).await?;
    for key in &keys {
        ask::<()>(cluster, cmd("DEL").arg(key)).await?;
    }
    Ok(keys.len())
}

/// Entries of the lists that match a pattern, together.
///
/// # Errors
/// When Redis does not answer, or one is no list.
pub async fn entries(cluster: &Cluster, pattern: &str) -> Result<usize> {
    let mut entries = 0;
    for key in keys(cluster, pattern).await? {
        entries += ask::<usize>(cluster, cmd("LLEN").arg(&key)).await?;
    }
    Ok(entries)
}

/// Overwrites the oldest entry of every list that matches a pattern; returns how many there were.
///
/// # Errors
/// When Redis does not answer, or one is no list.
pub async fn damage(cluster: &Cluster, pattern: &str) -> Result<usize> {
    let keys = keys(cluster, pattern).await?;
    for key in &keys {
        ask::<()>(cluster, cmd("LSET").arg(key).arg(0).arg("damaged")).await?;
    }
    Ok(keys.len())
}

async fn ask<T: FromRedisValue>(cluster: &Cluster, command: &Cmd) -> Result<T> {
    let url = cluster.settings.redis.as_str();
    query(url, command)
        .await
        .with_context(|| format!("Redis at {url}"))
}

async fn query<T: FromRedisValue>(url: &str, command: &Cmd) -> RedisResult<T> {
    // The client's own limits are below what a busy node needs.
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(LIMIT))
        .set_response_timeout(Some(LIMIT));
    let client = Client::open(url)?;
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&limits)
        .await?;
    command.query_async(&mut connection).await
}
