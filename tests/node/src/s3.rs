//! The node's S3 server, spoken to with curl's own request signing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::exec;

/// Access key of the node's S3 server: no secret, it is reachable from this machine alone.
pub const ACCESS_KEY: &str = "foresail";
/// Its secret key.
pub const SECRET_KEY: &str = "foresail-secret-key";
/// The bucket everything lies in.
pub const BUCKET: &str = "foresail";
/// The region requests are signed for.
pub const REGION: &str = "us-east-1";

/// An S3 server and the keys for it.
#[derive(Clone, Debug)]
pub struct Server {
    /// Such as `http://192.168.77.2:7070`.
    pub endpoint: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

impl Server {
    /// The S3 server of a node.
    pub fn of_node(endpoint: String) -> Self {
        Self {
            endpoint,
            access_key: ACCESS_KEY.into(),
            secret_key: SECRET_KEY.into(),
        }
    }

    /// Makes the bucket unless it exists.
    pub fn create_bucket(&self, bucket: &str) -> Result<()> {
        let url = format!("{}/{bucket}", self.endpoint);
        if self.send(self.curl().args(["--head", &url])).is_ok() {
            return Ok(());
        }
        self.send(self.curl().args(["--request", "PUT", &url]))
            .with_context(|| format!("cannot create the bucket {bucket} at {}", self.endpoint))
    }

    /// Stores a file under `key`.
    pub fn upload(&self, bucket: &str, key: &str, file: &Path) -> Result<()> {
        let url = format!("{}/{bucket}/{key}", self.endpoint);
        self.send(self.curl().arg("--upload-file").arg(file).arg(&url))
            .with_context(|| format!("cannot upload to {url}"))
    }

    /// Fetches `key` into a file.
    pub fn download(&self, bucket: &str, key: &str, file: &Path) -> Result<()> {
        let url = format!("{}/{bucket}/{key}", self.endpoint);
        self.send(self.curl().arg("--output").arg(file).arg(&url))
            .with_context(|| format!("cannot download {url}"))
    }

    /// The keys go through standard input: every user of a machine sees the arguments of its programs.
    fn send(&self, command: &mut Command) -> Result<()> {
        let user = format!("user = \"{}:{}\"\n", self.access_key, self.secret_key);
        exec::feed(command, &user).map(drop)
    }

    fn curl(&self) -> Command {
        let mut command = exec::bounded(120, "curl");
        command.args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--noproxy",
            "*",
        ]);
        command.args([
            "--aws-sigv4",
            &format!("aws:amz:{REGION}:s3"),
            "--config",
            "-",
        ]);
        // This curl signs the header but does not add it by itself.
        command.args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        command
    }
}
