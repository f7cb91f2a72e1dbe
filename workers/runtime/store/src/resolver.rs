//! Names become addresses once, and only allowed ones: what is judged is what is connected to.

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use foresail_runtime_base::address::AddressRule;

/// Resolves by a rule.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(pub AddressRule);

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.0.resolve(name).await.map_err(ResolveDnsError::new) })
    }
}
