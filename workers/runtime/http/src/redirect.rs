//! Where a redirect may lead. Pure.

use reqwest::Url;

/// Most redirects of one request.
pub(crate) const MOST: usize = 5;

/// The address a redirect leads to; credentials in it are not ours to use.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn target(from: &Url, location: Option<&str>) -> Result<Url, &'static str> {
    let location = location.ok_or("does not say where to")?;
    let mut to = from.join(location).map_err(|_| "leads to no address")?;
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err("leads to an address that is not encrypted"),
        _ => return Err("leads to an address that is not HTTP"),
    }
    // It cannot fail for an address with a host, as one of HTTP has.
    to.set_username("").ok();
    to.set_password(None).ok();
    Ok(to)
}

/// Whether a credential for one address may go to another: the same host and port, or the same host with TLS in place
/// of plain HTTP, each on its usual port.
pub(crate) fn is_same_place(declared: &Url, other: &Url) -> bool {
    let port = |url: &Url| url.port_or_known_default();
    let usual = |url: &Url| url.port().is_none();
    let secured = declared.scheme() == "http" && other.scheme() == "https";
    declared.host() == other.host()
        && ((declared.scheme() == other.scheme() && port(declared) == port(other))
            || (secured && usual(declared) && usual(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_redirect_never_leaves_encryption_or_http() {
        let from = url("https://a.com/x/y?z");
        let to = |location: &str| target(&from, Some(location)).map(|url| url.to_string());
        assert_eq!(to("/w"), Ok("https://a.com/w".into()));
        assert_eq!(to("w"), Ok("https://a.com/x/w".into()));
        assert_eq!(to("//b.com/w"), Ok("https://b.com/w".into()));
        assert_eq!(to("https://u:p@b.com/w"), Ok("https://b.com/w".into()));
        for bad in [
            "http://a.com/w",
            "ftp://a.com/w",
            "file:///etc/passwd",
            "data:,x",
            "https://",
        ] {
            assert!(to(bad).is_err(), "{bad}");
        }
        assert!(target(&from, None).is_err());
        let plain = url("http://a.com/");
        assert!(target(&plain, Some("http://b.com/")).is_ok());
        assert!(target(&plain, Some("https://b.com/")).is_ok());
    }

    #[test]
    fn a_credential_stays_at_its_place() {
        let declared = url("http://a.com/x");
        for same in ["http://a.com/y", "http://A.com:80/", "https://a.com/"] {
            assert!(is_same_place(&declared, &url(same)), "{same}");
        }
        for other in [
            "http://b.com/x",
            "http://a.com:8080/",
            "https://a.com:8443/",
            "http://x.a.com/",
        ] {
            assert!(!is_same_place(&declared, &url(other)), "{other}");
        }
        assert!(!is_same_place(
            &url("https://a.com/"),
            &url("http://a.com/")
        ));
        assert!(!is_same_place(
            &url("https://a.com/"),
            &url("https://a.com:444/")
        ));
    }
}
