//! What the administrator of an installation settles for all of its Pipelines.

/// Settings of the operator that reach its workers through their configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// Networks (`10.0.0.0/8`) that sources may be read from, beside the public internet.
    pub source_networks: Vec<String>,
    /// Hosts (`simulator.market:8080`) that provider accounts may name as their endpoint, beside the providers' own; they may
    /// lie in a private network.
    pub provider_hosts: Vec<String>,
}
