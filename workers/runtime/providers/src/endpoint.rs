//! Where an account is asked: at the provider's own address, or where the administrator allows it. Pure.

use foresail_crds::ProviderAccountSpec;
use foresail_crds::provider_account::ProviderName;
use foresail_providers::place;
use foresail_providers::request::Provider;
use foresail_runtime_base::RoleError;
use foresail_runtime_base::address::AddressRule;

/// Scheme and host to ask, and the addresses that the host may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https://www.alphavantage.co`, without a slash at its end.
    pub base: String,
    /// What it may resolve to.
    pub rule: AddressRule,
}

/// Whom an account is with.
pub(crate) fn provider(name: ProviderName) -> Provider {
    match name {
        ProviderName::AlphaVantage => Provider::AlphaVantage,
        ProviderName::Yahoo => Provider::Yahoo,
    }
}

impl Endpoint {
    /// The endpoint of an account: a host that is not the provider's own may lie in a private network, since the administrator
    /// has named it.
    ///
    /// # Errors
    /// User error `EndpointNotAllowed`.
    pub fn new(spec: &ProviderAccountSpec, allowed: &[String]) -> Result<Self, RoleError> {
        let place = place(provider(spec.provider), spec.endpoint.as_deref(), allowed);
        let place = place.map_err(|bad| {
            let message = format!(
                "spec.endpoint of the ProviderAccount {bad}; leave it out, or have the administrator allow the host (value \
                 providers.allowedHosts of the chart)"
            );
            RoleError::user("EndpointNotAllowed", message)
        })?;
        let rule = match place.is_own {
            true => AddressRule::default(),
            false => AddressRule::of_named_hosts(),
        };
        Ok(Self {
            base: place.base,
            rule,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(declared: Option<&str>, allowed: &[&str]) -> Result<Endpoint, RoleError> {
        let spec = ProviderAccountSpec {
            provider: ProviderName::Yahoo,
            secret_name: None,
            limits: None,
            endpoint: declared.map(str::to_owned),
            user_agent: None,
        };
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        Endpoint::new(&spec, &allowed)
    }

    #[test]
    fn a_named_host_may_be_private_and_the_own_one_may_not() {
        assert_eq!(endpoint(None, &[]).unwrap().rule, AddressRule::default());
        let named = endpoint(Some("http://10.0.0.1"), &["10.0.0.1"]).unwrap();
        assert_eq!(named.rule, AddressRule::of_named_hosts());
        let refused = endpoint(Some("http://10.0.0.2"), &["10.0.0.1"]).unwrap_err();
        assert_eq!(refused.reason, "EndpointNotAllowed");
    }
}
