//! A cluster that is already there, with its Kafka, S3 and Redis: where the demo and the suites can run in place of
//! a node of ours.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};
use clap::builder::NonEmptyStringValueParser;
use foresail_node::s3::{BUCKET, REGION, Server};
use foresail_node::{Paths, exec, setup};

use crate::data;
use crate::images::{self, Profile};
use crate::install::{self, Cluster};
use foresail_node::images::References;

/// Which cluster; none of these means a node of our own.
#[derive(clap::Args)]
pub struct External {
    /// Context of an existing cluster in the current kubeconfig; needs the options below as well.
    #[arg(long, requires_all = ["registry", "kafka", "s3", "redis"], value_parser = NonEmptyStringValueParser::new())]
    context: Option<String>,
    /// Where the images are pushed (`host/repo`); the cluster must be able to pull from there.
    #[arg(long, requires = "context", value_parser = NonEmptyStringValueParser::new())]
    registry: Option<String>,
    /// Kafka bootstrap servers, as pods and this machine see them.
    #[arg(long, requires = "context", value_parser = NonEmptyStringValueParser::new())]
    kafka: Option<String>,
    /// S3 endpoint, as pods and this machine see it; keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A bucket `foresail` is made.
    #[arg(long, requires = "context", value_parser = NonEmptyStringValueParser::new())]
    s3: Option<String>,
    /// Redis URL, as pods and this machine see it.
    #[arg(long, requires = "context", value_parser = NonEmptyStringValueParser::new())]
    redis: Option<String>,
}

/// Addresses of the systems a Pipeline uses.
pub struct Backing {
    /// Kafka bootstrap servers.
    pub kafka: String,
    /// Redis URL.
    pub redis: String,
    /// The S3 server.
    pub s3: Server,
}

impl External {
    /// Its context, when there is one.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// Pushes the images, uploads the data, installs the charts, with the values in a file if there is one; returns where
    /// everything is.
    ///
    /// # Errors
    /// What is missing or does not answer.
    pub fn install<'a>(
        &self,
        paths: &'a Paths,
        profile: Profile,
        values: Option<&Path>,
    ) -> Result<(Cluster<'a>, Backing, References)> {
        let (Some(context), Some(registry), Some(kafka), Some(endpoint), Some(redis)) = (
            &self.context,
            &self.registry,
            &self.kafka,
            &self.s3,
            &self.redis,
        ) else {
            bail!("an existing cluster needs --context, --registry, --kafka, --s3 and --redis");
        };
        let s3 = Server {
            endpoint: endpoint.clone(),
            access_key: key("AWS_ACCESS_KEY_ID")?,
            secret_key: key("AWS_SECRET_ACCESS_KEY")?,
        };
        setup::for_clusters(paths)?;
        let cluster = Cluster::of_context(paths, context);
        exec::run(cluster.kubectl().args(["get", "--raw", "/readyz"]))
            .with_context(|| format!("the cluster of context {context} does not answer"))?;
        let references = images::for_registry(paths, profile, registry)?;
        s3.create_bucket(BUCKET)?;
        let readback = paths.cache.join("demo-bars.readback.csv");
        data::upload_to(paths, &s3, BUCKET, &readback)?;
        let networks = source_networks(endpoint, kafka)?;
        install::on(&cluster, &references, &networks, values)?;
        let backing = Backing {
            kafka: kafka.clone(),
            redis: redis.clone(),
            s3,
        };
        Ok((cluster, backing, references))
    }

    /// The same for the suites: the variables they read (tests/src/settings.rs).
    ///
    /// # Errors
    /// What is missing or does not answer.
    pub fn prepare(&self, paths: &Paths, profile: Profile) -> Result<Prepared> {
        let (cluster, backing, references) =
            self.install(paths, profile, Some(&install::market(paths)))?;
        let context = self.context.clone().unwrap_or_default();
        // The suites' client takes the current context: they get a file that holds this one alone.
        let text = exec::capture(cluster.kubectl().args([
            "config",
            "view",
            "--minify",
            "--flatten",
            "--raw",
        ]))?;
        let kubeconfig = paths.cache.join("test-context.kubeconfig");
        exec::write_private(&kubeconfig, &text)?;
        let proxy = Proxy::start(&cluster)?;
        let mut name = context.clone();
        name.retain(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        let variables = vec![
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("FORESAIL_NODE", name),
            ("FORESAIL_SERVICE_PROXY", proxy.url.clone()),
            ("FORESAIL_KAFKA", backing.kafka),
            ("FORESAIL_REDIS", backing.redis),
            ("FORESAIL_S3_ENDPOINT", backing.s3.endpoint),
            ("FORESAIL_S3_BUCKET", BUCKET.to_owned()),
            ("FORESAIL_DATA_DIR", paths.demo_bars().display().to_string()),
            ("AWS_ACCESS_KEY_ID", backing.s3.access_key),
            ("AWS_SECRET_ACCESS_KEY", backing.s3.secret_key),
            ("AWS_REGION", REGION.to_owned()),
            ("FORESAIL_OPERATOR_IMAGE", references.operator),
            ("FORESAIL_WORKER_IMAGE", references.worker),
            ("FORESAIL_TRAINER_IMAGE", references.trainer),
        ];
        Ok(Prepared {
            variables,
            _proxy: proxy,
        })
    }
}

/// A cluster that is ready for the suites; what they need on this machine ends with it.
pub struct Prepared {
    /// Variables of the suites.
    pub variables: Vec<(&'static str, String)>,
    _proxy: Proxy,
}

/// `kubectl proxy`: addresses of Services mean nothing outside a cluster, so its API server passes requests on.
struct Proxy {
    process: Child,
    url: String,
}

impl Proxy {
    fn start(cluster: &Cluster<'_>) -> Result<Self> {
        let mut process = cluster
            .kubectl_that_stays()
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start `kubectl proxy`")?;
        // Its first line ends with the address: `Starting to serve on 127.0.0.1:43211`.
        let mut line = String::new();
        let output = process.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.split_whitespace().last().unwrap_or_default();
        let proxy = Self {
            process,
            url: format!("http://{address}"),
        };
        if address.is_empty() {
            bail!("`kubectl proxy` ended at once");
        }
        Ok(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Where sources are read from: the S3 server, and this machine, where the tests have servers of their own.
fn source_networks(s3: &str, kafka: &str) -> Result<Vec<String>> {
    let server = s3.split("://").last().unwrap_or_default();
    let server = server.split('/').next().unwrap_or_default();
    let port = if s3.starts_with("https://") { 443 } else { 80 };
    let resolved = server
        .to_socket_addrs()
        .or_else(|_| (server, port).to_socket_addrs())
        .with_context(|| format!("the host of {s3} has no address"))?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket
        .connect(kafka.split(',').next().unwrap_or_default())
        .with_context(|| format!("no way to {kafka}"))?;
    let addresses = resolved.chain([socket.local_addr()?]);
    Ok(addresses
        .map(|address| match address.ip() {
            IpAddr::V4(ip) => format!("{ip}/32"),
            IpAddr::V6(ip) => format!("{ip}/128"),
        })
        .collect())
}

fn key(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: bars and models are stored on S3"))
}
