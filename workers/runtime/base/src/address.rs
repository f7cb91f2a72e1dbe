//! Which addresses a source may be read from. A Pipeline names its source, so without a rule whoever may make one could
//! read what only this cluster reaches (docs/adr/0021). Asked by the clients of HTTP and S3 sources about the very address they
//! connect to; the operator checks the networks of its command line with it.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::RoleError;

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn host_v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), 32)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// What is not the public internet, with a word for it. The first that fits counts.
const CLOSED_V4: [(Ipv4Net, &str); 14] = [
    (v4(0, 0, 0, 8), "an unspecified"),
    (v4(127, 0, 0, 8), "a loopback"),
    (v4(169, 254, 0, 16), "a link-local"),
    (v4(10, 0, 0, 8), "a private"),
    (v4(172, 16, 0, 12), "a private"),
    (v4(192, 168, 0, 16), "a private"),
    (v4(100, 64, 0, 10), "a carrier-grade NAT"),
    (v4(192, 0, 0, 24), "a reserved"),
    (v4(192, 0, 2, 24), "a reserved"),
    (v4(198, 18, 0, 15), "a reserved"),
    (v4(198, 51, 100, 24), "a reserved"),
    (v4(203, 0, 113, 24), "a reserved"),
    (v4(224, 0, 0, 4), "a multicast"),
    (v4(240, 0, 0, 4), "a reserved"),
];

/// The same of IPv6. Beyond these, only global unicast (2000::/3) is public.
const CLOSED_V6: [(Ipv6Net, &str); 7] = [
    (v6(0xfe80, 0, 10), "a link-local"),
    (v6(0xfec0, 0, 10), "a private"),
    (v6(0xfc00, 0, 7), "a private"),
    (v6(0xff00, 0, 8), "a multicast"),
    (v6(0x2001, 0, 23), "a reserved"),
    (v6(0x2001, 0xdb8, 32), "a reserved"),
    (v6(0x3fff, 0, 20), "a reserved"),
];
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 3);

/// Where clouds hand out credentials to whoever connects: closed whatever an administrator allows, since nobody keeps bars
/// there. Beside the link-local ones: Alibaba, Azure and Oracle; Amazon and Google over IPv6.
const CREDENTIALS_V4: [(Ipv4Net, &str); 4] = [
    (v4(169, 254, 0, 16), "a link-local"),
    (host_v4(100, 100, 100, 200), "a metadata"),
    (host_v4(168, 63, 129, 16), "a metadata"),
    (host_v4(192, 0, 0, 192), "a metadata"),
];
const CREDENTIALS_V6: [(Ipv6Net, &str); 3] = [
    (v6(0xfe80, 0, 10), "a link-local"),
    (v6(0xfd00, 0xec2, 32), "a metadata"),
    (v6(0xfd20, 0xce, 32), "a metadata"),
];

/// Networks of a cluster and of one machine.
const INSIDE_V4: [Ipv4Net; 6] = [
    v4(127, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(172, 16, 0, 12),
    v4(192, 168, 0, 16),
    v4(100, 64, 0, 10),
    v4(198, 18, 0, 15),
];
const INSIDE_V6: [Ipv6Net; 2] = [
    v6(0xfc00, 0, 7),
    Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),
];

/// The public internet, and the networks that the administrator allows beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRule {
    allowed: Vec<IpNet>,
}

impl AddressRule {
    /// A rule that allows these networks, such as `10.0.0.0/8`, beside the public internet.
    ///
    /// # Errors
    /// Internal error `BadNetwork`: the operator has checked them.
    pub fn new(networks: &[String]) -> Result<Self, RoleError> {
        let parsed: Result<_, String> = networks.iter().map(|text| network(text)).collect();
        let allowed = parsed.map_err(|message| RoleError::internal("BadNetwork", message))?;
        Ok(Self { allowed })
    }

    /// A rule for hosts that the administrator allows one by one: they may be in the cluster or on this machine, too.
    pub fn of_named_hosts() -> Self {
        let inside = INSIDE_V4.map(IpNet::V4).into_iter();
        Self {
            allowed: inside.chain(INSIDE_V6.map(IpNet::V6)).collect(),
        }
    }

    /// What kind of address this is, when it may not be connected to. An IPv4 address inside an IPv6 address is
    /// judged as what it is.
    pub fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        self.judge(address).map(|closed| closed.kind)
    }

    fn judge(&self, address: IpAddr) -> Option<Closed> {
        let address = match address {
            IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        let credentials = match address {
            IpAddr::V4(v4) => kind_v4(&CREDENTIALS_V4, v4),
            IpAddr::V6(v6) => kind_v6(&CREDENTIALS_V6, v6),
        };
        if let Some(kind) = credentials {
            return Some(Closed { kind, always: true });
        }
        if self.allowed.iter().any(|net| net.contains(&address)) {
            return None;
        }
        let kind = match address {
            IpAddr::V4(v4) => kind_v4(&CLOSED_V4, v4),
            IpAddr::V6(v6) => closed_v6(v6),
        };
        kind.map(|kind| Closed {
            kind,
            always: false,
        })
    }

    /// Those addresses of a name that may be connected to.
    ///
    /// # Errors
    /// The name has no address, or none that is allowed.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let found = addresses(host).await.map_err(Unresolved::Failed)?;
        self.among(host, found)
    }

    /// Those of the addresses that a name was found to have to which may be connected. Who asks once and connects to what is
    /// left cannot be led elsewhere by another answer.
    ///
    /// # Errors
    /// None of them is allowed.
    pub fn among(&self, host: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Unresolved> {
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.judge(address) {
                Some(closed) => refused = Some(closed),
                None => allowed.push(address),
            }
        }
        match refused {
            Some(closed) if allowed.is_empty() => Err(Unresolved::NotAllowed(NotAllowed {
                host: host.into(),
                closed,
            })),
            _ => Ok(allowed),
        }
    }

    /// Judges a host that is an address itself, which no client asks a resolver for. A name is not judged here.
    ///
    /// # Errors
    /// It is an address that is not allowed.
    pub fn check_literal(&self, host: &str) -> Result<(), NotAllowed> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let refused = bare.parse().ok().and_then(|address| self.judge(address));
        refused.map_or(Ok(()), |closed| {
            Err(NotAllowed {
                host: host.into(),
                closed,
            })
        })
    }
}

/// The addresses that the resolver of this machine has for a name.
///
/// # Errors
/// The name cannot be resolved.
pub async fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((host, 0)).await?;
    Ok(found.map(|socket| socket.ip()).collect())
}

/// A network as the operator's command line has it, `address/length`.
///
/// # Errors
/// What it must look like.
pub fn network(text: &str) -> Result<IpNet, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("`{text}` must be a network such as 10.0.0.0/8 or fd00::/8"))
}

/// An address that may not be connected to. The address itself is not told: what a name of the cluster resolves to is
/// nothing that a Pipeline should be able to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAllowed {
    host: String,
    closed: Closed,
}

/// Why an address is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Closed {
    /// A word for what it is.
    kind: &'static str,
    /// An administrator cannot allow it either.
    always: bool,
}

impl NotAllowed {
    /// `what` names who wanted to connect, such as a source and its URI.
    pub fn explain(&self, what: &str) -> RoleError {
        let otherwise = match self.closed.always {
            true => "; no network of the administrator opens this one",
            false => {
                ", or have the administrator allow its network (value sources.allowedNetworks of the chart)"
            }
        };
        let message = format!("{what}: {self}; use a public address{otherwise}");
        RoleError::user("AddressNotAllowed", message)
    }

    /// This error in the chain of another one.
    pub fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(Unresolved::NotAllowed(refused)) = error.downcast_ref() {
                return Some(refused);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, kind) = (&self.host, self.closed.kind);
        write!(
            f,
            "{host} has {kind} address, to which no source may connect"
        )
    }
}

/// Why a name cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    /// It has addresses, and none that is allowed.
    #[error("{0}")]
    NotAllowed(NotAllowed),
    /// It has no address.
    #[error("the name cannot be resolved")]
    Failed(#[source] io::Error),
}

fn closed_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        return Some("a loopback");
    }
    if address.is_unspecified() {
        return Some("an unspecified");
    }
    let other = (!GLOBAL_UNICAST.contains(&address)).then_some("a reserved");
    kind_v6(&CLOSED_V6, address).or(other)
}

fn kind_v4(closed: &[(Ipv4Net, &'static str)], address: Ipv4Addr) -> Option<&'static str> {
    let found = closed.iter().find(|(net, _)| net.contains(&address));
    found.map(|(_, kind)| *kind)
}

fn kind_v6(closed: &[(Ipv6Net, &'static str)], address: Ipv6Addr) -> Option<&'static str> {
    let found = closed.iter().find(|(net, _)| net.contains(&address));
    found.map(|(_, kind)| *kind)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 (64:ff9b::/96) and 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(v4(high, low))
        }
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(rule: &AddressRule, address: &str) -> Option<&'static str> {
        rule.refuses(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_is_open() {
        let rule = AddressRule::default();
        let closed = [
            ("0.0.0.0", "an unspecified"),
            ("0.1.2.3", "an unspecified"),
            ("127.0.0.1", "a loopback"),
            ("127.255.255.254", "a loopback"),
            ("169.254.169.254", "a link-local"),
            ("10.0.0.1", "a private"),
            ("172.16.0.1", "a private"),
            ("172.31.255.255", "a private"),
            ("192.168.1.1", "a private"),
            ("100.64.0.1", "a carrier-grade NAT"),
            ("100.100.100.200", "a metadata"),
            ("168.63.129.16", "a metadata"),
            ("::ffff:168.63.129.16", "a metadata"),
            ("192.0.0.192", "a metadata"),
            ("192.0.0.8", "a reserved"),
            ("198.19.0.1", "a reserved"),
            ("224.0.0.1", "a multicast"),
            ("255.255.255.255", "a reserved"),
            ("::", "an unspecified"),
            ("::1", "a loopback"),
            ("::127.0.0.1", "a loopback"),
            ("::ffff:127.0.0.1", "a loopback"),
            ("::ffff:169.254.169.254", "a link-local"),
            ("::ffff:10.1.2.3", "a private"),
            ("64:ff9b::169.254.169.254", "a link-local"),
            ("64:ff9b::10.0.0.1", "a private"),
            ("64:ff9b:1::10.0.0.1", "a reserved"),
            ("2002:7f00:1::", "a loopback"),
            ("2002:a9fe:a9fe::1", "a link-local"),
            ("2001:0:53aa:64c::1", "a reserved"),
            ("fe80::1", "a link-local"),
            ("febf::1", "a link-local"),
            ("fec0::1", "a private"),
            ("fd00:ec2::254", "a metadata"),
            ("fd20:ce::254", "a metadata"),
            ("fe80::a9fe:a9fe", "a link-local"),
            ("fc00::1", "a private"),
            ("ff02::1", "a multicast"),
            ("2001:db8::1", "a reserved"),
            ("4000::1", "a reserved"),
        ];
        for (address, kind) in closed {
            assert_eq!(refused(&rule, address), Some(kind), "{address}");
        }
        let open = [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "168.63.129.17",
            "169.253.0.1",
            "192.0.1.1",
            "223.255.255.254",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
        ];
        for address in open {
            assert_eq!(refused(&rule, address), None, "{address}");
        }
    }

    #[test]
    fn an_allowed_network_is_open_in_any_form_and_nothing_beside_it() {
        let rule = AddressRule::new(&["10.1.0.0/16".into(), " fd00:1::/32".into()]).unwrap();
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"] {
            assert_eq!(refused(&rule, address), None, "{address}");
        }
        for address in ["10.2.0.1", "127.0.0.1", "fd00:2::5", "169.254.169.254"] {
            assert!(refused(&rule, address).is_some(), "{address}");
        }
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "example.com/8", "10/8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn where_clouds_hand_out_credentials_no_network_helps() {
        let everything = AddressRule::new(&["0.0.0.0/0".into(), "::/0".into()]).unwrap();
        for address in ["127.0.0.1", "10.0.0.1", "100.64.0.1", "fd00::5", "::1"] {
            assert_eq!(refused(&everything, address), None, "{address}");
        }
        for address in [
            "169.254.169.254",
            "169.254.170.23",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::a9fe:a9fe",
        ] {
            assert!(refused(&everything, address).is_some(), "{address}");
            let error = everything.check_literal(address).unwrap_err().explain("x");
            assert!(!error.message.contains("allowedNetworks"), "{error}");
        }
    }

    #[test]
    fn of_the_addresses_of_a_name_those_that_are_allowed_are_left() {
        let rule = AddressRule::new(&["10.1.0.0/16".into()]).unwrap();
        let parsed = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let found = parsed(&["127.0.0.1", "10.1.0.7", "8.8.8.8", "::1", "169.254.169.254"]);
        let left = rule.among("mixed", found).unwrap();
        assert_eq!(left, parsed(&["10.1.0.7", "8.8.8.8"]));
        assert!(rule.among("closed", parsed(&["::1"])).is_err());
        assert!(rule.among("nothing", Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn a_named_host_may_be_inside_and_never_link_local() {
        let rule = AddressRule::of_named_hosts();
        for address in ["127.0.0.1", "10.96.0.10", "::1", "fd00::5", "8.8.8.8"] {
            assert_eq!(refused(&rule, address), None, "{address}");
        }
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "fe80::1",
            "0.0.0.0",
        ] {
            assert!(refused(&rule, address).is_some(), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_is_what_it_resolves_to() {
        let refused = AddressRule::default().resolve("localhost").await;
        let refused = refused.unwrap_err();
        let found = NotAllowed::within(&refused).expect("loopback is not allowed");
        let error = found.explain("source http://localhost/x");
        assert_eq!(error.reason, "AddressNotAllowed");
        assert!(error.message.contains("localhost has a loopback address"));
        assert!(!error.message.contains("127.0.0.1"), "{error}");
        let rule = AddressRule::new(&["127.0.0.0/8".into()]).unwrap();
        let found = rule.resolve("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_ipv4) && !found.is_empty());
    }

    #[test]
    fn an_address_in_place_of_a_name_is_judged_without_a_resolver() {
        let rule = AddressRule::default();
        for host in ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254"] {
            assert!(rule.check_literal(host).is_err(), "{host}");
        }
        for host in ["8.8.8.8", "[2606:4700:4700::1111]", "localhost"] {
            assert!(rule.check_literal(host).is_ok(), "{host}");
        }
    }
}
