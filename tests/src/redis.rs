//! Asks Redis in its own words, over one plain connection.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Cluster;

const LIMIT: Duration = Duration::from_secs(5);

/// Keys that match a pattern.
///
/// # Errors
/// When Redis does not answer.
pub async fn keys(cluster: &Cluster, pattern: &str) -> Result<Vec<String>> {
    ask(cluster, &["KEYS", pattern]).await
}

/// Forgets everything.
///
/// # Errors
/// When Redis does not answer.
pub async fn flush(cluster: &Cluster) -> Result<()> {
    ask(cluster, &["FLUSHALL"]).await.map(drop)
}

async fn ask(cluster: &Cluster, words: &[&str]) -> Result<Vec<String>> {
    let address = cluster.settings.redis.trim_start_matches("redis://");
    let answer = timeout(LIMIT, async {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(text.as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.as_bytes().first() {
            Some(b'+' | b':') => Ok(vec![line.trim()[1..].to_owned()]),
            Some(b'*') => {
                let count: usize = line.trim()[1..].parse()?;
                let mut found = Vec::with_capacity(count);
                for _ in 0..count {
                    found.push(bulk(&mut stream).await?);
                }
                Ok(found)
            }
            _ => bail!("{words:?}: {line}"),
        }
    });
    answer
        .await
        .with_context(|| format!("Redis at {address} does not answer"))?
}

async fn bulk(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut head = String::new();
    stream.read_line(&mut head).await?;
    let length: usize = head.trim().trim_start_matches('$').parse()?;
    let mut body = vec![0; length + 2];
    stream.read_exact(&mut body).await?;
    body.truncate(length);
    Ok(String::from_utf8_lossy(&body).into_owned())
}
