//! What the prepare and cleanup Jobs do with Redis: a probe with named reasons, and the removal
//! of everything below the Pipeline's prefix.

use std::time::Duration;

use foresail_runtime_base::RoleError;
use redis::aio::MultiplexedConnection;

use crate::link::classify;
use crate::{Cache, Error};

/// Limit of one answer in a Job, where nobody waits for a forecast.
const PATIENT: Duration = Duration::from_secs(3);
const SCAN_COUNT: usize = 500;

impl Cache {
    /// Connects, logs in and writes a key that expires. Reasons: `RedisUnreachable`,
    /// `RedisAuthFailed`, `RedisMisconfigured`.
    pub async fn ping(&self) -> Result<(), RoleError> {
        let mut connection = self.link.dial(PATIENT).await.map_err(|e| self.explain(e))?;
        let command = redis::cmd("SET")
            .arg(format!("{}probe", self.prefix))
            .arg("1")
            .arg("EX")
            .arg(10)
            .to_owned();
        let written: Result<(), _> = self
            .effects
            .perform("redis", "probe", async {
                command.query_async(&mut connection).await
            })
            .await;
        written.map_err(|error| self.explain(classify(&error)))
    }

    /// Removes every key of this Pipeline. Repeating it is harmless. Returns how many were removed.
    pub async fn delete_prefix(&self) -> Result<u64, RoleError> {
        let mut connection = self.link.dial(PATIENT).await.map_err(|e| self.explain(e))?;
        self.scan_and_delete(&mut connection)
            .await
            .map_err(|error| self.explain(classify(&error)))
    }

    async fn scan_and_delete(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<u64, redis::RedisError> {
        let pattern = format!("{}*", escape_glob(&self.prefix));
        let (mut cursor, mut removed) = (0_u64, 0_u64);
        loop {
            let (next, keys): (u64, Vec<Vec<u8>>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(SCAN_COUNT)
                .query_async(connection)
                .await?;
            if !keys.is_empty() {
                let command = redis::cmd("UNLINK").arg(&keys).to_owned();
                let count: u64 = self
                    .effects
                    .perform("redis", "delete", async {
                        command.query_async(connection).await
                    })
                    .await?;
                removed += count;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(removed);
            }
        }
    }

    fn explain(&self, error: Error) -> RoleError {
        match error {
            Error::Refused(why) => RoleError::user(
                "RedisAuthFailed",
                format!(
                    "Redis at {} refuses the credentials or the command ({why}): correct the Secret named by serving.cache.redis.secretName; it is tried again",
                    self.link.address()
                ),
            ),
            Error::Credential(refused) => refused,
            Error::Configuration(why) => RoleError::user(
                "RedisMisconfigured",
                format!("serving.cache.redis cannot be used ({why}): correct url and secretName"),
            ),
            other => RoleError::outside(
                "RedisUnreachable",
                format!("Redis at {}: {other}", self.link.address()),
            ),
        }
    }
}

fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape_glob;

    #[test]
    fn prefixes_match_only_themselves() {
        assert_eq!(escape_glob("fs:ns/name:"), "fs:ns/name:");
        assert_eq!(escape_glob("a*[b]?"), "a\\*\\[b\\]\\?");
    }
}
