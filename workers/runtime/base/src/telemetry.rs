//! Logs as JSON lines on standard error, filtered by RUST_LOG, and the TLS provider.

use tracing_subscriber::EnvFilter;

/// Called first in every `main`: TLS provider, logs, and a panic message that reaches the log.
pub fn init(role: &str) {
    // Two providers are compiled in by dependencies; without a choice rustls panics at first use.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,kube_client=warn,kube_runtime=warn,rdkafka=warn,deltalake_core=warn,buoyant_kernel=warn"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .finish();
    // A test may have installed one already.
    tracing::subscriber::set_global_default(subscriber).ok();
    tracing::info!(role, version = env!("CARGO_PKG_VERSION"), "starting");
}
