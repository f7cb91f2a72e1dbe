//! The command line; every flag can also come from the environment the chart sets.

use std::net::SocketAddr;

use clap::Parser;
use foresail_runtime_base::address;

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
    /// Look after only the Pipelines and ProviderAccounts with these labels, in the form of `kubectl get --selector`. Operators
    /// of one cluster must not share any.
    #[arg(long, env = "FORESAIL_WATCH_LABEL_SELECTOR")]
    pub watch_label_selector: Option<String>,
    /// Networks that sources may be read from beside the public internet, by comma, such as 10.0.0.0/8.
    #[arg(
        long,
        env = "FORESAIL_SOURCE_NETWORKS",
        value_delimiter = ',',
        value_parser = network
    )]
    pub source_networks: Vec<String>,
    /// Hosts that provider accounts may name as their endpoint, `host` or `host:port` by comma, beside the providers' own. They
    /// may lie in a private network.
    #[arg(long, env = "FORESAIL_PROVIDER_HOSTS", value_delimiter = ',')]
    pub provider_hosts: Vec<String>,
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

/// A network in its usual form.
fn network(text: &str) -> Result<String, String> {
    address::network(text).map(|network| network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_checked_before_any_worker_gets_them() {
        let parse = |networks: &str| {
            let args = ["foresail-operator", "--worker-image=w", "--trainer-image=t"];
            let networks = format!("--source-networks={networks}");
            Args::try_parse_from(args.into_iter().chain([networks.as_str()]))
        };
        let args = parse("10.0.0.0/8,fd00::/8").unwrap();
        assert_eq!(args.source_networks, ["10.0.0.0/8", "fd00::/8"]);
        let error = parse("10.0.0.0/8,everything").unwrap_err().to_string();
        assert!(error.contains("`everything` must be a network"), "{error}");
    }
}
