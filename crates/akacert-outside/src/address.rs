//! PURE: which addresses the self-check may connect to.
//!
//! Tenants choose the hosts and where they redirect to. Without these limits, tenants could reach whatever the
//! operator can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Why the self-check does not connect to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is the operator's own host.
    #[error("a loopback address")]
    Loopback,
    /// It is link-local, as most clouds' metadata services are.
    #[error("a link-local address")]
    LinkLocal,
    /// It is a cloud's metadata service.
    #[error("the address of a metadata service")]
    Metadata,
    /// It is not the address of a host.
    #[error("not the address of a host")]
    NotAHost,
    /// The Internet cannot reach it.
    #[error("a private or reserved address")]
    Private,
}

impl Refusal {
    /// Whether an operator flag can allow it.
    #[must_use]
    pub fn can_be_allowed(self) -> bool {
        matches!(self, Refusal::Private | Refusal::Loopback)
    }
}

/// Metadata services outside the link-local ranges: AWS (IPv6), Alibaba, Azure, Oracle.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Why the self-check does not connect to an address; `None` if it may.
pub(crate) fn refusal(address: IpAddr, allowed: &[IpNet]) -> Option<Refusal> {
    let address = embedded(address);
    let why = classify(address)?;
    let permits = |net: &IpNet| match why {
        Refusal::Private => net.contains(&address),
        // `0.0.0.0/0` must not open the operator's own host: only a loopback range does.
        Refusal::Loopback => net.contains(&address) && net.network().is_loopback(),
        Refusal::LinkLocal | Refusal::Metadata | Refusal::NotAHost => false,
    };
    (!allowed.iter().any(permits)).then_some(why)
}

/// The IPv4 address inside an IPv6 address: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let pair = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => pair(high, low),
        _ => address,
    }
}

fn classify(address: IpAddr) -> Option<Refusal> {
    if METADATA.contains(&address) {
        return Some(Refusal::Metadata);
    }
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

/// IANA's registry of special-purpose IPv4 addresses.
fn classify_v4(address: Ipv4Addr) -> Option<Refusal> {
    match address.octets() {
        [0, ..] | [224..=239, ..] | [255, 255, 255, 255] => Some(Refusal::NotAHost),
        [127, ..] => Some(Refusal::Loopback),
        [169, 254, ..] => Some(Refusal::LinkLocal),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some(Refusal::Private),
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [240..=255, ..] => {
            Some(Refusal::Private)
        }
        _ => None,
    }
}

/// Only what IANA has assigned as global unicast (2000::/3) is public, except its reserved parts.
fn classify_v6(address: Ipv6Addr) -> Option<Refusal> {
    if address.is_loopback() {
        return Some(Refusal::Loopback);
    }
    match address.segments() {
        [0xfe80..=0xfebf, ..] => Some(Refusal::LinkLocal),
        [0, 0, 0, 0, 0, 0, ..] | [0xff00..=0xffff, ..] => Some(Refusal::NotAHost),
        // Teredo, other protocol assignments, and documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..] => Some(Refusal::Private),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Refusal::Private),
    }
}
