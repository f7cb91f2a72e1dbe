//! Addresses of the test node, from the variables `cargo xtask test` sets.

use std::env;
use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use anyhow::Context;

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Kafka `host:port`, as pods see it too.
    pub kafka: String,
    /// Redis URL.
    pub redis: String,
    /// S3 endpoint.
    pub s3_endpoint: String,
    /// Bucket the demo input lies in.
    pub s3_bucket: String,
    /// S3 access key.
    pub access_key: String,
    /// S3 secret key.
    pub secret_key: String,
    /// Name of the node (`test`), for `xtask component`; of the context elsewhere.
    pub node: String,
    /// `http://host:port` of a `kubectl proxy`, where the addresses of Services do not reach this machine.
    pub service_proxy: Option<String>,
    /// The node helper's program, for faults.
    pub xtask: Option<PathBuf>,
    /// Audit log of the API server.
    pub audit_log: Option<PathBuf>,
    /// Folder of `demo-bars.csv` and `demo-bars.expected.json`.
    pub data: Option<PathBuf>,
    /// Worker image, for pods that run it with other arguments.
    pub worker_image: Option<String>,
    /// Keep namespaces of failed tests.
    pub keep: bool,
}

/// Without all of these there is no cluster.
const NODE: [&str; 4] = [
    "FORESAIL_KAFKA",
    "FORESAIL_REDIS",
    "FORESAIL_S3_ENDPOINT",
    "FORESAIL_S3_BUCKET",
];

impl Settings {
    /// Reads them; `None` when there is no cluster.
    ///
    /// # Errors
    /// When some are set and another is not: that is no reason to skip anything.
    pub fn read() -> anyhow::Result<Option<Self>> {
        Self::from_variables(text)
    }

    fn from_variables(text: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Self>> {
        if NODE.iter().all(|name| text(name).is_none()) {
            return Ok(None);
        }
        let need = |name: &str| {
            text(name).with_context(|| format!("{name} is not set, and others of a cluster are"))
        };
        Ok(Some(Self {
            kafka: need("FORESAIL_KAFKA")?,
            redis: need("FORESAIL_REDIS")?,
            s3_endpoint: need("FORESAIL_S3_ENDPOINT")?,
            s3_bucket: need("FORESAIL_S3_BUCKET")?,
            access_key: need("AWS_ACCESS_KEY_ID")?,
            secret_key: need("AWS_SECRET_ACCESS_KEY")?,
            node: text("FORESAIL_NODE").unwrap_or_else(|| "test".into()),
            service_proxy: text("FORESAIL_SERVICE_PROXY"),
            xtask: text("FORESAIL_XTASK").map(PathBuf::from),
            audit_log: text("FORESAIL_AUDIT_LOG").map(PathBuf::from),
            data: text("FORESAIL_DATA_DIR").map(PathBuf::from),
            worker_image: text("FORESAIL_WORKER_IMAGE"),
            keep: text("FORESAIL_KEEP").is_some(),
        }))
    }

    /// Values of the placeholders in `examples/`.
    pub fn placeholders(&self) -> [(&'static str, String); 4] {
        [
            ("KAFKA", self.kafka.clone()),
            ("REDIS", self.redis.clone()),
            ("S3", self.s3_endpoint.clone()),
            ("BUCKET", self.s3_bucket.clone()),
        ]
    }
}

/// What a test needs that only the node of `make test` has: an audit log, parts that can be killed.
#[derive(Clone, Copy, Debug)]
pub struct NeedsNode;

impl Display for NeedsNode {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("needs the node of `make test`")
    }
}

impl Error for NeedsNode {}

/// The long value in `make soak`, the short one otherwise.
pub fn in_soak<T>(short: T, long: T) -> T {
    if text("FORESAIL_SOAK").is_some() {
        long
    } else {
        short
    }
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_variable_that_is_missing_is_an_error_and_no_reason_to_skip() {
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let all: Vec<&str> = NODE.into_iter().chain(keys).collect();
        let read = |set: &dyn Fn(&str) -> bool| {
            Settings::from_variables(|name| set(name).then(|| format!("value of {name}")))
        };
        assert!(read(&|name| all.contains(&name)).unwrap().is_some());
        for missing in &all {
            let error = read(&|name| all.contains(&name) && name != *missing);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
        // Keys for S3 alone are no cluster: anybody may have some.
        assert!(read(&|name| keys.contains(&name)).unwrap().is_none());
    }
}
