//! With which keys a client asks, and where it connects.

use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use foresail_runtime_base::address::AddressRule;
use foresail_runtime_base::credentials::{Destination, Exposure};
use foresail_runtime_base::{Outside, RoleError};

/// `accessKeyId` and `secretAccessKey` of a system, when they are for this endpoint.
///
/// # Errors
/// User errors `SecretKeyMissing`, `SecretUnreadable`, `CredentialRefused`.
pub(crate) fn keys(
    endpoint: &str,
    system: &str,
    outside: &Outside,
) -> Result<(String, String), RoleError> {
    let secrets = &outside.secrets;
    if let Some(to) = Destination::of_url(endpoint) {
        // A signature never holds the key itself.
        secrets.may_send(system, &to, Exposure::Proven)?;
    }
    let key = secrets.required(system, "accessKeyId")?;
    Ok((key, secrets.required(system, "secretAccessKey")?))
}

/// A client that connects anywhere, or by a rule.
pub(crate) fn http(rule: Option<AddressRule>) -> SharedHttpClient {
    let builder = Builder::new().tls_provider(tls::Provider::Rustls(
        tls::rustls_provider::CryptoMode::Ring,
    ));
    match rule {
        Some(rule) => builder.build_with_resolver(Resolver(rule)),
        None => builder.build_https(),
    }
}

/// Names become addresses once, and only allowed ones: what is judged is what is connected to.
#[derive(Clone, Debug)]
struct Resolver(AddressRule);

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.0.resolve(name).await.map_err(ResolveDnsError::new) })
    }
}
