//! Hosts, and hosts with ports, as URIs and Via have them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::scan::trim;
use super::uri::UriError;

/// The host of a URI or a Via.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, as written. Empty in a tel URI and in one of another scheme.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl Host {
    /// Whether both name the same host; names without regard to case.
    pub fn equivalent(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::Ip(a), Host::Ip(b)) => a == b,
            _ => false,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Host {
        Host::Ip(address)
    }
}

impl FromStr for Host {
    type Err = UriError;

    /// A name, an IPv4 address, or an IPv6 address with or without brackets.
    fn from_str(text: &str) -> Result<Host, UriError> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Host::Ip(address.into()));
        }
        match parse_host_port(text) {
            Ok((host, None)) => Ok(host),
            _ => Err(UriError::Host(text.to_owned())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Which half of `host:port` could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostPortError {
    Host,
    Port,
}

/// Reads `host`, `host:port`, `[v6]` or `[v6]:port`, with white space around the colon.
pub(super) fn parse_host_port(text: &str) -> Result<(Host, Option<u16>), HostPortError> {
    let text = trim(text);
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (address, rest) = inner.split_once(']').ok_or(HostPortError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| HostPortError::Host)?;
        let rest = trim(rest);
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(HostPortError::Host),
        };
        (Host::Ip(address.into()), port)
    } else {
        let (name, port) = match text.split_once(':') {
            None => (text, None),
            Some((name, port)) => (trim(name), Some(port)),
        };
        (parse_name(name).ok_or(HostPortError::Host)?, port)
    };
    let port = match port.map(trim) {
        None => None,
        Some(port) if !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| HostPortError::Port)?)
        }
        Some(_) => return Err(HostPortError::Port),
    };
    Ok((host, port))
}

/// Writes `host:port`.
pub(super) fn write_host_port(
    f: &mut fmt::Formatter<'_>,
    host: &Host,
    port: Option<u16>,
) -> fmt::Result {
    match port {
        None => write!(f, "{host}"),
        Some(port) => write!(f, "{host}:{port}"),
    }
}

/// A host name or an IPv4 address. Underscores are accepted, since names in use have them.
fn parse_name(text: &str) -> Option<Host> {
    if text.is_empty()
        || !text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_'))
    {
        return None;
    }
    match text.parse::<std::net::Ipv4Addr>() {
        Ok(address) => Some(Host::Ip(address.into())),
        Err(_) => Some(Host::Name(text.to_owned())),
    }
}
