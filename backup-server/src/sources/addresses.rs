//! Which addresses may be dialled.
//!
//! An administrator's own Odoo and PostgreSQL hosts usually are private or local, so sources may be there by default.
//! Link-local addresses (among them the metadata services of clouds) and addresses that are no single host may not,
//! unless the configuration names their range.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// Which addresses may be dialled.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allowed: Vec<Range>,
    public_only: bool,
}

/// A range of addresses, such as `169.254.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    network: IpAddr,
    prefix: u8,
}

/// A text that is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no address range. Write it as 10.0.0.0/8 or fd00::/8, or as a single address.")]
pub struct InvalidRange(String);

/// Why no address of a host can be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// None that it has may be: that does not change by itself.
    #[error(transparent)]
    Refused(Refused),
    /// None was found, at this moment.
    #[error("{0}")]
    NotFound(String),
}

/// An address that may not be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind} and may not be dialled. If it is meant, add its range to the server's allowed ranges.")]
pub struct Refused {
    address: IpAddr,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LinkLocal,
    NoHost,
    Loopback,
    Private,
    Public,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkLocal => "a link-local address",
            Self::NoHost => "not the address of one host",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Public => "a public address",
        })
    }
}

impl AddressPolicy {
    /// For sources that an administrator sets up: public, private and loopback addresses, and the given ranges.
    pub fn for_sources(allowed: &[String]) -> Result<Self, InvalidRange> {
        Ok(Self { allowed: parse_all(allowed)?, public_only: false })
    }

    /// For addresses that others may choose: public ones, and the given ranges.
    pub fn public_only(allowed: &[String]) -> Result<Self, InvalidRange> {
        Ok(Self { allowed: parse_all(allowed)?, public_only: true })
    }

    /// Whether the address may be dialled.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        let kind = kind(address);
        let allowed = match kind {
            Kind::Public => true,
            Kind::Private | Kind::Loopback => !self.public_only,
            Kind::LinkLocal | Kind::NoHost => false,
        };
        if allowed || self.allowed.iter().any(|range| range.contains(address)) {
            return Ok(());
        }
        Err(Refused { address, kind })
    }

    /// Looks a host name up and gives the addresses that may be dialled; an error when there are none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found
            .map_err(|error| NoAddress::NotFound(format!("The host name “{host}” cannot be resolved: {error}.")))?;
        let mut refused = None;
        let mut usable = Vec::new();
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => usable.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if usable.is_empty() => Err(NoAddress::Refused(error)),
            _ if usable.is_empty() => Err(NoAddress::NotFound(format!("The host name “{host}” has no address."))),
            _ => Ok(usable),
        }
    }
}

fn parse_all(texts: &[String]) -> Result<Vec<Range>, InvalidRange> {
    texts.iter().map(|text| text.parse()).collect()
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    let [first, second, ..] = address.octets();
    match (first, second) {
        _ if address.is_loopback() => Kind::Loopback,
        _ if address.is_link_local() => Kind::LinkLocal,
        // 0.0.0.0/8 reaches this host on Linux; 240.0.0.0/4 is reserved.
        (0 | 240.., _) => Kind::NoHost,
        _ if address.is_multicast() => Kind::NoHost,
        // 100.64.0.0/10 is shared address space of carriers, and of overlay networks; 198.18.0.0/15 and 192.0.0.0/24 are
        // for networks of one's own, too.
        (100, 64..=127) | (198, 18..=19) => Kind::Private,
        (192, 0) if address.octets()[2] == 0 => Kind::Private,
        _ if address.is_private() => Kind::Private,
        _ => Kind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    match segments[0] {
        _ if address.is_loopback() => Kind::Loopback,
        _ if address.is_unspecified() || address.is_multicast() => Kind::NoHost,
        0xfe80..=0xfebf => Kind::LinkLocal,
        // fd00:ec2::254 is the metadata service of a cloud, though in the private range.
        0xfd00 if segments[1] == 0xec2 => Kind::LinkLocal,
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Kind::Private,
        // An old way to write an IPv4 address.
        0 if segments[..6] == [0; 6] => kind_v4(embedded(segments[6], segments[7])),
        // A translator of one's own may keep the address anywhere in it.
        0x64 if segments[1] == 0xff9b && segments[2] != 0 => Kind::Private,
        // NAT64 and 6to4 carry an IPv4 address, which is the one that is reached.
        0x64 if segments[1] == 0xff9b => kind_v4(embedded(segments[6], segments[7])),
        0x2002 => kind_v4(embedded(segments[1], segments[2])),
        _ => Kind::Public,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

impl Range {
    fn contains(self, address: IpAddr) -> bool {
        let shared = |a: u128, b: u128, width: u32| {
            let shift = width - u32::from(self.prefix);
            shift == width || a >> shift == b >> shift
        };
        match (self.network, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => shared(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => shared(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

impl FromStr for Range {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidRange(text.to_owned());
        let (network, prefix) = text.trim().split_once('/').map_or((text.trim(), None), |(net, len)| (net, Some(len)));
        let network: IpAddr = network.parse().map_err(|_| invalid())?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), |text| text.parse().map_err(|_| invalid()))?;
        if prefix > width {
            return Err(invalid());
        }
        Ok(Self { network, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(policy: &AddressPolicy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn an_administrators_sources_may_be_local_but_not_link_local() {
        let policy = AddressPolicy::for_sources(&[]).unwrap();
        for good in ["127.0.0.1", "10.1.2.3", "192.168.0.9", "::1", "fd12::1", "93.184.215.14", "100.64.0.1"] {
            assert!(allows(&policy, good), "{good}");
        }
        for bad in [
            "169.254.169.254",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "fe80::1",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
        ] {
            assert!(!allows(&policy, bad), "{bad}");
        }
    }

    #[test]
    fn what_others_choose_must_be_public() {
        let policy = AddressPolicy::public_only(&["10.0.0.0/8".to_owned()]).unwrap();
        assert!(allows(&policy, "93.184.215.14"));
        assert!(allows(&policy, "10.9.9.9"));
        for bad in [
            "127.0.0.1",
            "192.168.0.1",
            "::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "172.16.0.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::127.0.0.1",
            "64:ff9b:1::1",
            "fec0::1",
        ] {
            assert!(!allows(&policy, bad), "{bad}");
        }
    }

    #[test]
    fn a_named_range_is_allowed_and_no_more() {
        let ranges = ["169.254.10.0/24".to_owned(), "fe80::/10".to_owned()];
        let policy = AddressPolicy::for_sources(&ranges).unwrap();
        assert!(allows(&policy, "169.254.10.200"));
        assert!(!allows(&policy, "169.254.11.1"));
        assert!(allows(&policy, "fe80::1"));
        assert!(AddressPolicy::for_sources(&["0.0.0.0/0".to_owned()]).unwrap().check([0, 0, 0, 0].into()).is_ok());
    }

    #[test]
    fn a_text_that_is_no_range_is_refused() {
        for bad in ["", "10.0.0.0/33", "fd00::/129", "localhost", "10.0.0.0/x"] {
            assert_eq!(AddressPolicy::for_sources(&[bad.to_owned()]).unwrap_err(), InvalidRange(bad.to_owned()));
        }
    }
}
