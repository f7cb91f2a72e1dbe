//! Addresses of the test node, from the variables `cargo xtask test` sets.

use std::env;
use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

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

impl Settings {
    /// Reads them; `None` when there is no cluster.
    pub fn read() -> Option<Self> {
        Some(Self {
            kafka: text("FORESAIL_KAFKA")?,
            redis: text("FORESAIL_REDIS")?,
            s3_endpoint: text("FORESAIL_S3_ENDPOINT")?,
            s3_bucket: text("FORESAIL_S3_BUCKET")?,
            access_key: text("AWS_ACCESS_KEY_ID")?,
            secret_key: text("AWS_SECRET_ACCESS_KEY")?,
            node: text("FORESAIL_NODE").unwrap_or_else(|| "test".into()),
            service_proxy: text("FORESAIL_SERVICE_PROXY"),
            xtask: text("FORESAIL_XTASK").map(PathBuf::from),
            audit_log: text("FORESAIL_AUDIT_LOG").map(PathBuf::from),
            data: text("FORESAIL_DATA_DIR").map(PathBuf::from),
            worker_image: text("FORESAIL_WORKER_IMAGE"),
            keep: text("FORESAIL_KEEP").is_some(),
        })
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
