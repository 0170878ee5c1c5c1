//! Which addresses may be connected to: the registries of special purposes (RFC 6890, and what IANA
//! has added since), and those that carry an IPv4 address inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Anybody's.
    Public,
    /// Of this machine or its network, or set aside: only where that was allowed. With what it is,
    /// as in "a private address".
    Private(&'static str),
    /// Nothing answers to a request there.
    Never(&'static str),
}

/// How `address` stands.
pub fn standing(address: IpAddr) -> Standing {
    match address {
        IpAddr::V4(address) => standing_v4(address),
        IpAddr::V6(address) => standing_v6(address),
    }
}

fn standing_v4(address: Ipv4Addr) -> Standing {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, 0, 0) if address.is_unspecified() => Standing::Never("the unspecified address"),
        (0, ..) => Standing::Private("an address of this network (0.0.0.0/8)"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Standing::Private("a private address"),
        (100, 64..=127, _) => Standing::Private("an address behind a carrier's NAT"),
        (127, ..) => Standing::Private("this machine (loopback)"),
        (169, 254, _) => Standing::Private("a link-local address"),
        (192, 0, 0) => Standing::Private("an address set aside for protocols"),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => {
            Standing::Private("an address for documentation")
        }
        (192, 88, 99) => Standing::Private("a relay of 6to4"),
        (198, 18..=19, _) => Standing::Private("an address for benchmarks"),
        (224..=239, ..) => Standing::Never("a multicast address"),
        (255, 255, 255) if address.is_broadcast() => Standing::Never("the broadcast address"),
        (240.., ..) => Standing::Private("a reserved address"),
        _ => Standing::Public,
    }
}

fn standing_v6(address: Ipv6Addr) -> Standing {
    let segments = address.segments();
    if address.is_unspecified() {
        return Standing::Never("the unspecified address");
    }
    if address.is_loopback() {
        return Standing::Private("this machine (loopback)");
    }
    match segments {
        // Mapped (RFC 4291 §2.5.5.2), translated (RFC 2765) and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => standing_v4(embedded(high, low)),
        [0x64, 0xff9b, 1, ..] => Standing::Private("an address of a local NAT64"),
        [0xff00..=0xffff, ..] => Standing::Never("a multicast address"),
        [0xfc00..=0xfdff, ..] => Standing::Private("a private address (unique local)"),
        [0xfe80..=0xfebf, ..] => Standing::Private("a link-local address"),
        [0xfec0..=0xfeff, ..] => Standing::Private("a site-local address"),
        // Teredo, ORCHID and the like carry others inside, or lead nowhere.
        [0x2001, 0..=0x1ff, ..] => Standing::Private("an address set aside for protocols"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            Standing::Private("an address for documentation")
        }
        // Global unicast (RFC 4291 §2.4, as IANA gives it out); the rest of the space is nobody's.
        [0x2000..=0x3fff, ..] => Standing::Public,
        _ => Standing::Private("a reserved address"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}
