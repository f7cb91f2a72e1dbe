//! A cluster that is already there, with its Kafka, S3 and Redis: where the demo and the suites can run in place of
//! a node of ours.

use std::env;

use anyhow::{Context, Result, bail};
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
    #[arg(long, requires_all = ["registry", "kafka", "s3", "redis"])]
    context: Option<String>,
    /// Where the images are pushed (`host/repo`); the cluster must be able to pull from there.
    #[arg(long, requires = "context")]
    registry: Option<String>,
    /// Kafka bootstrap servers, as pods and this machine see them.
    #[arg(long, requires = "context")]
    kafka: Option<String>,
    /// S3 endpoint, as pods and this machine see it; keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A bucket `foresail` is made.
    #[arg(long, requires = "context")]
    s3: Option<String>,
    /// Redis URL, as pods and this machine see it.
    #[arg(long, requires = "context")]
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

    /// Pushes the images, uploads the data, installs the charts; returns where everything is.
    ///
    /// # Errors
    /// What is missing or does not answer.
    pub fn install<'a>(
        &self,
        paths: &'a Paths,
        profile: Profile,
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
        install::on(&cluster, &references)?;
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
    pub fn prepare(&self, paths: &Paths, profile: Profile) -> Result<Vec<(&'static str, String)>> {
        let (cluster, backing, references) = self.install(paths, profile)?;
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
        let mut name = context.clone();
        name.retain(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        Ok(vec![
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("FORESAIL_NODE", name),
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
        ])
    }
}

fn key(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: bars and models are stored on S3"))
}
