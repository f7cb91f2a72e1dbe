//! Names become addresses once, and only allowed ones: what is judged is what is connected to.

use std::net::SocketAddr;

use foresail_runtime_base::address::AddressRule;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves by a rule.
pub(crate) struct Resolver(pub AddressRule);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.0.clone();
        Box::pin(async move {
            let found = rule.resolve(name.as_str()).await?;
            // Port 0 stands for that of the URL.
            let sockets = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}
