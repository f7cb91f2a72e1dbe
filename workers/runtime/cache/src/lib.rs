//! Redis: the newest feature rows per symbol and cached forecasts, shared by the pods of one
//! Pipeline. A cache never blocks and never fails a caller's work: every call ends within
//! about 200 ms, a circuit breaker answers at once while Redis is away, and what is read is
//! checked before use. Called by stream (writes rows), predict (reads, caches), prepare and
//! cleanup.

mod breaker;
mod codec;
mod link;
mod rows;
mod setup;

use std::time::Duration;

use foresail_crds::pipeline::spec::RedisSpec;
use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::metrics::{Counter, Labelled, Registry};
use foresail_runtime_base::{Outside, RoleError};

use link::Link;

/// Why the cache did not do what was asked. Callers go on without it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A recent call failed; Redis is not asked again before the breaker closes.
    #[error("Redis is left alone after a failure; it is tried again within seconds")]
    BreakerOpen,
    /// Another caller is connecting at this moment.
    #[error("a connection to Redis is being made; it is tried again with the next call")]
    Connecting,
    /// The server could not be reached or did not answer in time.
    #[error("Redis does not answer ({0}); it is tried again within seconds")]
    Unreachable(String),
    /// The server is there and answered this call with an error.
    #[error("Redis answered with an error ({0}); the entry is left as it is")]
    Answered(String),
    /// The server refused the credentials or the command.
    #[error("Redis refuses access ({0}); check the Secret named by serving.cache.redis.secretName")]
    Refused(String),
    /// The URL or the secret files cannot be used.
    #[error("Redis connection is not configured correctly ({0}); check serving.cache.redis")]
    Configuration(String),
    /// The password may not go where the spec says.
    #[error("{0}")]
    Credential(RoleError),
}

/// Handle to the cache of one Pipeline. Cheap to clone; clones share connection and breaker.
#[derive(Clone)]
pub struct Cache {
    link: std::sync::Arc<Link>,
    prefix: String,
    effects: Effects,
    metrics: Metrics,
}

impl Cache {
    /// Makes a handle; connects with the first call. `prefix` is put before every key
    /// (`PipelineName::redis_prefix`).
    pub fn open(
        spec: &RedisSpec,
        prefix: impl Into<String>,
        outside: &Outside,
        registry: &Registry,
    ) -> Self {
        let metrics = Metrics::new(registry);
        let secrets = outside.secrets.clone();
        Self {
            link: std::sync::Arc::new(Link::new(spec, secrets, metrics.errors.clone())),
            prefix: prefix.into(),
            effects: outside.effects.clone(),
            metrics,
        }
    }

    /// Bytes stored under `key` by [`Cache::put`]; `None` when absent, damaged, or Redis is away.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let command = redis::cmd("GET").arg(self.value_key(key)).to_owned();
        let stored: Option<Vec<u8>> = self.link.query(&command, "get").await.ok()?;
        let stored = stored?;
        let bytes = codec::unseal(&stored);
        if bytes.is_none() {
            self.metrics.damaged("value");
        }
        bytes.map(<[u8]>::to_vec)
    }

    /// Stores `bytes` under `key` for `ttl` (at least one second).
    pub async fn put(&self, key: &str, bytes: &[u8], ttl: Duration) -> Result<(), Error> {
        let command = redis::cmd("SET")
            .arg(self.value_key(key))
            .arg(codec::seal(bytes))
            .arg("EX")
            .arg(ttl.as_secs().max(1))
            .to_owned();
        let write = self.link.query(&command, "put");
        self.effects.perform("redis", "put", write).await
    }

    fn value_key(&self, key: &str) -> String {
        format!("{}value:{key}", self.prefix)
    }
}

#[derive(Clone)]
struct Metrics {
    errors: Labelled<Counter, 1>,
    damaged: Labelled<Counter, 1>,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            errors: registry.counters(
                "foresail_cache_errors_total",
                "Redis calls that failed or were not made because Redis is away.",
                ["operation"],
            ),
            damaged: registry.counters(
                "foresail_cache_damaged_total",
                "Entries found in Redis that failed their check and were not used.",
                ["kind"],
            ),
        }
    }

    fn damaged(&self, kind: &'static str) {
        self.damaged.with([kind]).inc();
        tracing::warn!(kind, "damaged cache entry left unused");
    }
}
