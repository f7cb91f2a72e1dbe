//! Names become addresses once, and only allowed ones: what is judged is what is connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};

use foresail_runtime_base::address::{AddressRule, Unresolved, addresses};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Who knows the addresses of names.
pub(crate) trait Names: Clone + Send + Sync + 'static {
    /// All addresses of a name.
    fn addresses(&self, host: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send;
}

/// The resolver of this machine.
#[derive(Clone)]
pub(crate) struct System;

impl Names for System {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        addresses(host).await
    }
}

/// Resolves by a rule.
pub(crate) struct Resolver<N> {
    pub rule: AddressRule,
    pub names: N,
}

impl<N: Names> Resolve for Resolver<N> {
    fn resolve(&self, name: Name) -> Resolving {
        let (rule, names) = (self.rule.clone(), self.names.clone());
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await;
            let found = rule.among(name.as_str(), found.map_err(Unresolved::Failed)?)?;
            // Port 0 stands for that of the URL.
            let sockets = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}
