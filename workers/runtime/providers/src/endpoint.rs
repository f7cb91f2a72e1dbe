//! Where an account is asked: at the provider's own address, or where the administrator allows it. Pure.

use foresail_crds::ProviderAccountSpec;
use foresail_crds::provider_account::ProviderName;
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
    /// The endpoint of an account. `allowed` are hosts, `host` or `host:port`, that accounts may name beside the provider's
    /// own, which is asked over `https` alone.
    ///
    /// # Errors
    /// User error `EndpointNotAllowed`.
    pub fn new(spec: &ProviderAccountSpec, allowed: &[String]) -> Result<Self, RoleError> {
        let own = format!("https://{}", provider(spec.provider).host());
        let Some(declared) = spec.endpoint.as_deref().filter(|declared| *declared != own) else {
            return Ok(Self {
                base: own,
                rule: AddressRule::default(),
            });
        };
        let refused = |what: String| {
            let message = format!(
                "spec.endpoint of the ProviderAccount {what}; leave it out, or have the administrator allow the host \
                 (value providers.allowedHosts of the chart)"
            );
            RoleError::user("EndpointNotAllowed", message)
        };
        let known = ["http://", "https://"];
        let host = known
            .iter()
            .find_map(|scheme| declared.strip_prefix(scheme));
        let plain = |sign: u8| sign.is_ascii_alphanumeric() || b".-:".contains(&sign);
        let host = host.filter(|host| !host.is_empty() && host.bytes().all(plain));
        let host = host.ok_or_else(|| refused("must be http or https and a host".into()))?;
        if !allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
        {
            return Err(refused(format!(
                "names the host {host}, which is not allowed"
            )));
        }
        Ok(Self {
            base: declared.to_owned(),
            rule: AddressRule::of_named_hosts(),
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
    fn the_own_host_is_asked_over_tls_at_public_addresses() {
        let own = "https://query2.finance.yahoo.com";
        for declared in [None, Some(own)] {
            let found = endpoint(declared, &[]).unwrap();
            assert_eq!(found.base, own);
            assert_eq!(found.rule, AddressRule::default());
        }
        for other in [
            "http://query2.finance.yahoo.com",
            "https://query2.finance.yahoo.com:8443",
            "https://www.alphavantage.co",
        ] {
            let refused = endpoint(Some(other), &[]).unwrap_err();
            assert_eq!(refused.reason, "EndpointNotAllowed", "{other}");
        }
    }

    #[test]
    fn another_host_is_asked_when_it_is_allowed_with_its_port() {
        let allowed = ["simulator.market:8080", "10.0.0.1"];
        for good in [
            "http://simulator.market:8080",
            "https://Simulator.market:8080",
            "http://10.0.0.1",
        ] {
            assert_eq!(endpoint(Some(good), &allowed).unwrap().base, good);
        }
        for bad in [
            "http://simulator.market",
            "http://simulator.market:8081",
            "http://10.0.0.1:80",
            "http://169.254.169.254",
            "http://simulator.market:8080@evil",
            "http://simulator.market:8080/x",
            "ftp://10.0.0.1",
            "http://",
        ] {
            assert!(endpoint(Some(bad), &allowed).is_err(), "{bad}");
        }
    }
}
