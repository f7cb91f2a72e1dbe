//! The command line; every flag can also come from the environment the chart sets.

use std::net::SocketAddr;

use clap::Parser;

/// Reconciles Pipelines into running forecasting systems.
#[derive(Parser, Debug)]
#[command(name = "foresail-operator", version)]
pub struct Args {
    /// Image of the workers (ingest, lake, stream, predict, monitor, prepare, cleanup).
    #[arg(long, env = "FORESAIL_WORKER_IMAGE")]
    pub worker_image: String,
    /// Image of the trainer.
    #[arg(long, env = "FORESAIL_TRAINER_IMAGE")]
    pub trainer_image: String,
    /// Pull policy of both.
    #[arg(
        long,
        env = "FORESAIL_IMAGE_PULL_POLICY",
        default_value = "IfNotPresent"
    )]
    pub image_pull_policy: String,
    /// Watch only this namespace.
    #[arg(long, env = "FORESAIL_WATCH_NAMESPACE")]
    pub watch_namespace: Option<String>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "FORESAIL_ADMIN_BIND", default_value = "0.0.0.0:8081")]
    pub admin_bind: SocketAddr,
    /// Namespace of the leader Lease; without it there is no election.
    #[arg(long, env = "POD_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of this instance in the Lease.
    #[arg(long, env = "POD_NAME", default_value = "foresail-operator")]
    pub identity: String,
    /// What a test does to one write.
    #[arg(long, env = "FORESAIL_FAULT", hide = true)]
    pub fault: Option<String>,
}
