//! Every pinned version in one place. Changing one rebuilds exactly what depends on it.

/// Kubernetes; `tests/node/kubernetes/go.mod` names the same.
pub const KUBERNETES: &str = "1.37.2";
/// containerd with its shim and `ctr`.
pub const CONTAINERD: &str = "2.4.2";
/// Helm.
pub const HELM: &str = "4.3.1";
/// metrics-server, which the autoscalers read.
pub const METRICS_SERVER: &str = "0.9.0";
/// CoreDNS.
pub const COREDNS: &str = "1.15.0";
/// The S3 server.
pub const VERSITYGW: &str = "1.8.0";
/// Kafka; `tests/node/kafka/pom.xml` names the same.
pub const KAFKA: &str = "4.3.1";
/// Licences, duplicates and namers of dependencies.
pub const CARGO_DENY: &str = "0.20.2";
/// Runs the tests.
pub const CARGO_NEXTEST: &str = "0.9.151";
/// The Debian release our images are made of.
pub const DEBIAN: &str = "bookworm";
/// The Python package that holds the real bars.
pub const SAMPLE_DATA: &str = "bokeh_sampledata==2026.1";
/// Digest of the file inside it.
pub const SAMPLE_DATA_SHA256: &str =
    "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd";
/// The Python package that the calendars of exchanges are made from (docs/adr/0025).
pub const CALENDARS: &str = "exchange_calendars==4.13.2";

/// The Python packages that read market data from providers: our simulator is true when they believe it.
pub const STRANGERS: [&str; 2] = ["yfinance==1.7.0", "alpha_vantage==3.0.0"];

/// Oldest Go that builds the tools, as (major, minor).
pub const GO_MINIMUM: (u32, u32) = (1, 26);
/// Oldest Rust, as (major, minor).
pub const RUST_MINIMUM: (u32, u32) = (1, 95);
