//! Objects of the node's S3 server through object_store, another client than the product's.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, RetryConfig};

use crate::Cluster;

/// The bytes below `bucket/key`; `None` when there is no such object.
///
/// # Errors
/// Any other answer.
pub async fn get(cluster: &Cluster, key: &str) -> Result<Option<Bytes>> {
    let found = store(cluster)?.get(&path(key)?).await;
    match found {
        Ok(object) => Ok(Some(object.bytes().await?)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("GET {key}")),
    }
}

/// Replaces an object.
///
/// # Errors
/// When it is refused.
pub async fn put(cluster: &Cluster, key: &str, text: &str) -> Result<()> {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let stored = store(cluster)?.put(&path(key)?, body.into()).await;
    stored.map(drop).with_context(|| format!("PUT {key}"))
}

/// Keys below a folder (of the bucket), in order.
///
/// # Errors
/// When the bucket cannot be listed.
pub async fn list(cluster: &Cluster, folder: &str) -> Result<Vec<String>> {
    let objects = store(cluster)?.list(Some(&path(folder)?));
    let keys = objects.map_ok(|object| object.location.to_string());
    let mut keys: Vec<String> = keys
        .try_collect()
        .await
        .with_context(|| format!("listing {folder}"))?;
    keys.sort();
    Ok(keys)
}

/// Deletes every object below a folder.
///
/// # Errors
/// When one is refused, or nothing lies there.
pub async fn delete_below(cluster: &Cluster, folder: &str) -> Result<()> {
    let store = store(cluster)?;
    let keys = list(cluster, folder).await?;
    ensure!(!keys.is_empty(), "nothing lies below {folder}");
    for key in keys {
        let deleted = store.delete(&path(&key)?).await;
        deleted.with_context(|| format!("DELETE {key}"))?;
    }
    Ok(())
}

fn path(key: &str) -> Result<Path> {
    Path::parse(key).with_context(|| format!("{key} is no key"))
}

fn store(cluster: &Cluster) -> Result<AmazonS3> {
    let settings = &cluster.settings;
    // A test that meets a store that is away should say so, not wait it out.
    let retry = RetryConfig {
        max_retries: 2,
        ..RetryConfig::default()
    };
    AmazonS3Builder::new()
        .with_endpoint(&settings.s3_endpoint)
        .with_bucket_name(&settings.s3_bucket)
        .with_access_key_id(&settings.access_key)
        .with_secret_access_key(&settings.secret_key)
        .with_region("us-east-1")
        .with_allow_http(true)
        .with_retry(retry)
        .build()
        .context("the S3 client cannot be made")
}
