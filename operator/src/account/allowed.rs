//! Where the provider of an account may be asked. Pure. Ingest judges the same again before it connects; here a person is
//! told before anything is asked.

use foresail_crds::{ProviderAccountSpec, ProviderName};

/// The endpoint of an account, when neither the provider nor the administrator has such a host.
pub fn refused_endpoint<'a>(spec: &'a ProviderAccountSpec, hosts: &[String]) -> Option<&'a str> {
    let endpoint = spec.endpoint.as_deref()?;
    let (scheme, authority) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let (host, port) = authority
        .split_once(':')
        .unwrap_or((authority, if scheme == "https" { "443" } else { "80" }));
    let with_port = format!("{host}:{port}");
    let names = |allowed: &str| {
        allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(&with_port)
    };
    let known = own_hosts(spec.provider).iter().any(|own| names(own))
        || hosts.iter().any(|host| names(host));
    (!known).then_some(endpoint)
}

/// Hosts of the provider itself.
fn own_hosts(provider: ProviderName) -> &'static [&'static str] {
    match provider {
        ProviderName::AlphaVantage => &["www.alphavantage.co"],
        ProviderName::Yahoo => &["query1.finance.yahoo.com", "query2.finance.yahoo.com"],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_allowed(endpoint: Option<&str>, hosts: &[&str]) -> bool {
        let spec = json!({"provider": "Yahoo", "endpoint": endpoint});
        let spec: ProviderAccountSpec = serde_json::from_value(spec).unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_string()).collect();
        refused_endpoint(&spec, &hosts).is_none()
    }

    #[test]
    fn the_provider_itself_and_what_the_administrator_names_may_be_asked() {
        for own in [None, Some("https://query2.finance.yahoo.com")] {
            assert!(is_allowed(own, &[]));
        }
        let simulator = Some("http://simulator.market:8080");
        assert!(!is_allowed(simulator, &[]));
        for hosts in [
            "simulator.market",
            "simulator.market:8080",
            "Simulator.Market",
        ] {
            assert!(is_allowed(simulator, &[hosts]), "{hosts}");
        }
        for hosts in [
            "simulator.market:80",
            "market:8080",
            "imulator.market:8080",
            "",
        ] {
            assert!(!is_allowed(simulator, &[hosts]), "{hosts}");
        }
        assert!(is_allowed(Some("https://a.b"), &["a.b:443"]));
        assert!(!is_allowed(Some("http://a.b"), &["a.b:443"]));
        // Another provider's host is another host.
        assert!(!is_allowed(Some("https://www.alphavantage.co"), &[]));
        assert!(!is_allowed(
            Some("https://query2.finance.yahoo.com.evil.org"),
            &[]
        ));
    }
}
