//! Objects of the node's S3 server, fetched by curl with its own request signing: an opinion
//! independent of the client the product uses.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::process::Command;

use crate::Cluster;

/// The bytes below `bucket/key`; `None` when there is no such object.
///
/// # Errors
/// Any other answer.
pub async fn get(cluster: &Cluster, key: &str) -> Result<Option<Bytes>> {
    let (status, body) = request(cluster, key, &["--request", "GET"]).await?;
    match status.as_str() {
        "200" => Ok(Some(body)),
        "404" => Ok(None),
        other => bail!("GET {key}: {other}: {}", String::from_utf8_lossy(&body)),
    }
}

/// Replaces an object.
///
/// # Errors
/// When it is refused.
pub async fn put(cluster: &Cluster, key: &str, text: &str) -> Result<()> {
    let (status, body) =
        request(cluster, key, &["--request", "PUT", "--data-binary", text]).await?;
    if status != "200" {
        bail!("PUT {key}: {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

/// Keys below a prefix (of the bucket), first thousand.
///
/// # Errors
/// When the bucket cannot be listed.
pub async fn list(cluster: &Cluster, prefix: &str) -> Result<Vec<String>> {
    let query = format!("?list-type=2&prefix={}", prefix.replace('/', "%2F"));
    let (status, body) = request(cluster, &query, &["--request", "GET"]).await?;
    if status != "200" {
        bail!(
            "listing {prefix}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let keys = text.split("<Key>").skip(1);
    Ok(keys
        .filter_map(|part| part.split("</Key>").next().map(str::to_owned))
        .collect())
}

/// Deletes every object below a prefix.
///
/// # Errors
/// When one is refused, or nothing lies there.
pub async fn delete_below(cluster: &Cluster, prefix: &str) -> Result<()> {
    let keys = list(cluster, prefix).await?;
    if keys.is_empty() {
        bail!("nothing lies below {prefix}");
    }
    for key in keys {
        let (status, body) = request(cluster, &key, &["--request", "DELETE"]).await?;
        if status != "204" && status != "200" {
            bail!("DELETE {key}: {status}: {}", String::from_utf8_lossy(&body));
        }
    }
    Ok(())
}

async fn request(cluster: &Cluster, key: &str, options: &[&str]) -> Result<(String, Bytes)> {
    let settings = &cluster.settings;
    let url = format!("{}/{}/{key}", settings.s3_endpoint, settings.s3_bucket);
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "30",
        ])
        .args(["--aws-sigv4", "aws:amz:us-east-1:s3", "--user"])
        .arg(format!("{}:{}", settings.access_key, settings.secret_key))
        .args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .args(["--write-out", "\n%{http_code}"])
        .args(options)
        .arg(&url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run curl")?;
    let split = output.stdout.iter().rposition(|byte| *byte == b'\n');
    let Some(split) = split.filter(|_| output.status.success()) else {
        bail!("{url}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let status = String::from_utf8_lossy(&output.stdout[split + 1..]).into_owned();
    Ok((status, Bytes::copy_from_slice(&output.stdout[..split])))
}
