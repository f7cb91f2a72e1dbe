//! Where an account may be asked: at an address of its provider, or at a host that the administrator allows. The operator
//! judges it to tell a person, and ingest before it connects.

use thiserror::Error;

use crate::request::Provider;

/// Scheme and host to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `https://www.alphavantage.co`, without a slash at its end.
    pub base: String,
    /// It is the provider's own: a public address, asked over TLS alone.
    pub is_own: bool,
}

/// Why an account may not be asked at its endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadPlace {
    /// It is no scheme and host.
    #[error("must be http or https and a host")]
    NoAddress,
    /// The administrator has not named the host.
    #[error("names the host {0}, which is neither the provider's own over https nor allowed")]
    NotAllowed(String),
}

/// Where an account of `provider` is asked; `declared` is `http://host:port`, or nothing for the provider's own address.
/// `allowed` are hosts, each with or without a port: without one, any port of it is allowed.
///
/// # Errors
/// [`BadPlace`].
pub fn place(
    provider: Provider,
    declared: Option<&str>,
    allowed: &[String],
) -> Result<Place, BadPlace> {
    let Some(declared) = declared else {
        let base = format!("https://{}", provider.host());
        return Ok(Place { base, is_own: true });
    };
    let place = |is_own| Place {
        base: declared.to_owned(),
        is_own,
    };
    let schemes = [("https://", "443"), ("http://", "80")];
    let split = |(scheme, port): (&str, &'static str)| Some((declared.strip_prefix(scheme)?, port));
    let (authority, usual) = schemes
        .into_iter()
        .find_map(split)
        .ok_or(BadPlace::NoAddress)?;
    let plain = |sign: u8| sign.is_ascii_alphanumeric() || b".-:".contains(&sign);
    let (host, port) = authority.split_once(':').unwrap_or((authority, usual));
    if host.is_empty() || !authority.bytes().all(plain) {
        return Err(BadPlace::NoAddress);
    }
    let is_own = provider
        .hosts()
        .iter()
        .any(|own| own.eq_ignore_ascii_case(host));
    if is_own && usual == "443" && port == "443" {
        return Ok(place(true));
    }
    let named = format!("{host}:{port}");
    let names = |allowed: &String| {
        allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(&named)
    };
    if allowed.iter().any(names) {
        return Ok(place(false));
    }
    Err(BadPlace::NotAllowed(authority.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(declared: Option<&str>, allowed: &[&str]) -> Result<Place, BadPlace> {
        let allowed: Vec<String> = allowed.iter().map(|host| (*host).to_string()).collect();
        place(Provider::Yahoo, declared, &allowed)
    }

    #[test]
    fn the_own_host_is_asked_over_tls() {
        for declared in [None, Some("https://query2.finance.yahoo.com")] {
            let place = asked(declared, &[]).unwrap();
            assert_eq!(place.base, "https://query2.finance.yahoo.com");
            assert!(place.is_own);
        }
        for other in [
            "http://query2.finance.yahoo.com",
            "https://query2.finance.yahoo.com:8443",
            "https://query2.finance.yahoo.com.evil.org",
            "https://www.alphavantage.co",
        ] {
            let refused = asked(Some(other), &[]).unwrap_err();
            assert!(matches!(refused, BadPlace::NotAllowed(_)), "{other}");
        }
    }

    #[test]
    fn another_host_is_asked_when_it_is_allowed() {
        let simulator = "http://simulator.market:8080";
        for allowed in [
            "simulator.market",
            "simulator.market:8080",
            "Simulator.Market",
        ] {
            let place = asked(Some(simulator), &[allowed]).unwrap();
            assert_eq!((place.base.as_str(), place.is_own), (simulator, false));
        }
        for allowed in [
            "simulator.market:80",
            "market:8080",
            "imulator.market:8080",
            "",
        ] {
            assert!(asked(Some(simulator), &[allowed]).is_err(), "{allowed}");
        }
        assert!(asked(Some("https://a.b"), &["a.b:443"]).is_ok());
        assert!(asked(Some("http://a.b"), &["a.b:443"]).is_err());
    }

    #[test]
    fn what_is_no_host_is_no_address() {
        let allowed = ["simulator.market:8080", "10.0.0.1"];
        for bad in [
            "http://",
            "http://:8080",
            "ftp://10.0.0.1",
            "simulator.market:8080",
            "http://simulator.market:8080/x",
            "http://simulator.market:8080@evil",
        ] {
            assert_eq!(
                asked(Some(bad), &allowed),
                Err(BadPlace::NoAddress),
                "{bad}"
            );
        }
        assert!(asked(Some("http://169.254.169.254"), &allowed).is_err());
    }
}
