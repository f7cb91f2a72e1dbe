//! Where the credentials of a Secret may go. Whoever may make a Pipeline may name any Secret of the namespace and any address
//! in it, so the address is believed only when the Secret names it too (docs/adr/0021). [`may_send`] decides for every client.

use std::fmt;

use foresail_crds::secret;
use url::Url;

use crate::{RoleError, Secrets};

/// Key of a Secret: the hosts its credentials are for.
const HOSTS: &str = "hosts";
/// Key of a Secret: whether its credentials may go over a connection that is not encrypted.
const PLAINTEXT: &str = "plaintext";
/// Keys that Kubernetes writes into the Secret of a service account.
const SERVICE_ACCOUNT: [&str; 3] = ["token", "ca.crt", "namespace"];

/// What a Secret says about its credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Names, or `*.suffix`; `None` when the Secret has no such key.
    hosts: Option<Vec<String>>,
    plaintext: bool,
    service_account: bool,
}

/// What the other side gets to see of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// The credential itself: a bearer token, the password of Redis.
    Sent,
    /// A proof of it: an S3 signature, SCRAM. `hosts` is obeyed where the Secret has it, and not asked for.
    Proven,
}

/// The other side of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    host: String,
    encrypted: bool,
}

impl Destination {
    /// A host, by name or address.
    pub fn new(host: &str, encrypted: bool) -> Self {
        Self {
            host: normal(host),
            encrypted,
        }
    }

    /// Host and scheme of a URL; `None` when it is none.
    pub fn of_url(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let encrypted = matches!(url.scheme(), "https" | "rediss");
        Some(Self::new(url.host_str()?, encrypted))
    }
}

/// Why a credential stays here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is the token of a service account.
    ServiceAccount,
    /// The Secret does not say for which hosts it is.
    NoHosts(String),
    /// The Secret is for other hosts.
    OtherHost(String),
    /// The connection is not encrypted.
    Plaintext(String),
}

/// Whether a credential may go where the spec says.
///
/// # Errors
/// Why not.
pub fn may_send(terms: &Terms, to: &Destination, exposure: Exposure) -> Result<(), Refusal> {
    let host = || to.host.clone();
    if terms.service_account {
        return Err(Refusal::ServiceAccount);
    }
    match &terms.hosts {
        Some(hosts) if !hosts.iter().any(|pattern| names(pattern, &to.host)) => {
            return Err(Refusal::OtherHost(host()));
        }
        None if exposure == Exposure::Sent => return Err(Refusal::NoHosts(host())),
        _ => {}
    }
    if exposure == Exposure::Sent && !to.encrypted && !terms.plaintext {
        return Err(Refusal::Plaintext(host()));
    }
    Ok(())
}

fn names(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(suffix) => host
            .strip_suffix(suffix)
            .and_then(|rest| rest.strip_suffix('.'))
            .is_some_and(|label| !label.is_empty()),
        None => pattern == host,
    }
}

/// Lower case, without the dot of a full name or the brackets of an address.
fn normal(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.trim_end_matches('.').to_ascii_lowercase()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount => f.write_str(
                "it holds the token of a service account, which is for the API server alone; name another Secret",
            ),
            Self::NoHosts(host) => write!(
                f,
                "it does not say for which hosts it is; add the key `{HOSTS}` with {host} to it"
            ),
            Self::OtherHost(host) => write!(
                f,
                "its key `{HOSTS}` does not name {host}; correct the address or the key"
            ),
            Self::Plaintext(host) => write!(
                f,
                "the connection to {host} is not encrypted; use TLS, or add the key `{PLAINTEXT}` with the value true \
                 to it if others may read the credential on its way"
            ),
        }
    }
}

impl Secrets {
    /// Makes sure that the credentials of a system's Secret may go where the spec says.
    ///
    /// # Errors
    /// User error `CredentialRefused`, and `SecretUnreadable`.
    pub fn may_send(
        &self,
        system: &str,
        to: &Destination,
        exposure: Exposure,
    ) -> Result<(), RoleError> {
        may_send(&self.terms(system)?, to, exposure).map_err(|refusal| {
            let field = field(system);
            let message =
                format!("the Secret named by {field} is not used: {refusal}; it is tried again");
            RoleError::user("CredentialRefused", message)
        })
    }

    fn terms(&self, system: &str) -> Result<Terms, RoleError> {
        let hosts = self.get(system, HOSTS)?.map(|text| {
            let parts = text.split([',', ' ', '\t', '\r', '\n']).map(normal);
            parts.filter(|host| !host.is_empty()).collect()
        });
        Ok(Terms {
            hosts,
            plaintext: self.get(system, PLAINTEXT)?.as_deref() == Some("true"),
            service_account: SERVICE_ACCOUNT
                .iter()
                .all(|key| self.path(system, key).is_some()),
        })
    }
}

/// Field of the spec that names the Secret of a system.
fn field(system: &str) -> &str {
    match system {
        secret::LAKE => "lake.secretName",
        secret::SOURCE => "source.csv.secretName",
        secret::KAFKA => "kafka.secretName",
        secret::REDIS => "serving.cache.redis.secretName",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(hosts: &[&str], plaintext: bool) -> Terms {
        Terms {
            hosts: Some(hosts.iter().map(|host| normal(host)).collect()),
            plaintext,
            service_account: false,
        }
    }

    fn to(url: &str) -> Destination {
        Destination::of_url(url).unwrap()
    }

    #[test]
    fn a_credential_goes_only_to_the_hosts_of_its_secret() {
        let terms = terms(
            &["data.example.com", "*.vendor.net", "[2001:4860::1]"],
            false,
        );
        let send = |url: &str| may_send(&terms, &to(url), Exposure::Sent);
        for good in [
            "https://data.example.com/x",
            "https://DATA.example.com:8443/x",
            "https://data.example.com./x",
            "https://a.vendor.net/",
            "https://a.b.vendor.net/",
            "https://[2001:4860::1]/",
            "rediss://data.example.com:6379",
        ] {
            assert_eq!(send(good), Ok(()), "{good}");
        }
        for bad in [
            "https://example.com/",
            "https://evil.com/data.example.com",
            "https://data.example.com.evil.com/",
            "https://xdata.example.com/",
            "https://vendor.net/",
            "https://evilvendor.net/",
            "https://.vendor.net/",
            "https://data.example.com@evil.com/",
        ] {
            let refused = send(bad);
            assert!(matches!(refused, Err(Refusal::OtherHost(_))), "{bad}");
        }
    }

    #[test]
    fn a_credential_itself_needs_hosts_and_encryption_and_a_proof_does_not() {
        let plain = to("http://h/x");
        let unbound = Terms::default();
        let sent = |terms: &Terms, to: &Destination| may_send(terms, to, Exposure::Sent);
        let proven = |terms: &Terms| may_send(terms, &plain, Exposure::Proven);
        assert!(matches!(sent(&unbound, &to("https://h/x")), Err(Refusal::NoHosts(h)) if h == "h"));
        assert_eq!(sent(&terms(&["h"], false), &to("https://h/x")), Ok(()));
        let refused = sent(&terms(&["h"], false), &plain);
        assert_eq!(refused, Err(Refusal::Plaintext("h".into())));
        assert_eq!(sent(&terms(&["h"], true), &plain), Ok(()));
        assert!(sent(&terms(&["h"], false), &to("redis://h")).is_err());
        assert_eq!(proven(&unbound), Ok(()));
        assert!(matches!(
            proven(&terms(&["g"], true)),
            Err(Refusal::OtherHost(_))
        ));
        assert!(matches!(
            proven(&terms(&[], true)),
            Err(Refusal::OtherHost(_))
        ));
    }

    #[test]
    fn the_files_of_a_secret_are_its_terms() {
        let folder = std::env::temp_dir().join(format!("foresail-terms-{}", std::process::id()));
        let source = folder.join("source");
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("token"), "t").unwrap();
        std::fs::write(source.join("hosts"), "a.com, *.B.com\nc.com.\n").unwrap();
        let secrets = Secrets::at(&folder);
        let send = |url: &str| {
            let sent = secrets.may_send(secret::SOURCE, &to(url), Exposure::Sent);
            sent.map_err(|error| format!("{error}"))
        };
        for url in ["https://a.com/", "https://x.b.com/", "https://c.com/"] {
            assert_eq!(send(url), Ok(()), "{url}");
        }
        let refused = send("http://a.com/").unwrap_err();
        assert!(refused.contains("source.csv.secretName") && refused.contains("`plaintext`"));
        std::fs::write(source.join("plaintext"), "true\n").unwrap();
        assert_eq!(send("http://a.com/"), Ok(()));
        // What Kubernetes writes for a service account, with hosts or without.
        std::fs::write(source.join("ca.crt"), "c").unwrap();
        std::fs::write(source.join("namespace"), "n").unwrap();
        let refused = send("https://a.com/").unwrap_err();
        assert!(refused.contains("CredentialRefused") && refused.contains("service account"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
