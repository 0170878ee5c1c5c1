//! Addresses as an admin writes them: SIP URIs, listeners, networks.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::core::snapshot::{Listen, Outbound, Peer, Protocol};
use crate::sip::message::Uri;

/// The port of SIP without TLS (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Reads `sip:[USER@]HOST[:PORT][;transport=udp|tcp]`. The error says what to write.
pub(super) fn outbound(text: &str) -> Result<Outbound, String> {
    if text.starts_with("sips:") {
        return Err(format!(
            "\"{text}\": TLS is not available in this version. Write sip:HOST."
        ));
    }
    let wrong = |why: &str| format!("\"{text}\" {why}. Write it like sip:HOST:PORT;transport=udp.");
    let rest = text
        .strip_prefix("sip:")
        .ok_or_else(|| wrong("does not begin with sip:"))?;
    let mut parts = rest.split(';');
    let address = parts.next().unwrap_or_default();
    let mut protocol = Protocol::Udp;
    for parameter in parts {
        protocol = match parameter.to_ascii_lowercase().as_str() {
            "transport=udp" => Protocol::Udp,
            "transport=tcp" => Protocol::Tcp,
            "transport=tls" | "transport=ws" | "transport=wss" => {
                return Err(format!(
                    "\"{text}\": `{parameter}` is not available in this version. Use transport=udp or transport=tcp."
                ));
            }
            "lr" => protocol,
            _ => {
                return Err(wrong(&format!(
                    "has a parameter `{parameter}` that means nothing here"
                )));
            }
        };
    }
    let (user, host_port) = match address.rsplit_once('@') {
        Some((user, host_port)) => (Some(user), host_port),
        None => (None, address),
    };
    let is_user = |user: &str| {
        !user.is_empty()
            && user
                .chars()
                .all(|c| c.is_ascii_graphic() && !"<>\"@:".contains(c))
    };
    if !user.is_none_or(is_user) {
        return Err(wrong("has a user part that cannot be one"));
    }
    if Uri::from_str(text).is_err() && host_and_port(host_port).is_some() {
        return Err(wrong("cannot be a SIP URI"));
    }
    let (host, port) =
        host_and_port(host_port).ok_or_else(|| wrong("has no host that can be one"))?;
    Ok(Outbound {
        uri: text.to_owned(),
        user: user.map(str::to_owned),
        host,
        port: port.unwrap_or(SIP_PORT),
        protocol,
    })
}

/// Reads `HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT`; the host comes without brackets.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        std::net::Ipv6Addr::from_str(host).ok()?;
        match after {
            "" => (host, None),
            after => (host, Some(after.strip_prefix(':')?)),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let is_name = host.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    });
    if !is_name && IpAddr::from_str(host).is_err() {
        return None;
    }
    let looks_like_an_address = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if looks_like_an_address && IpAddr::from_str(host).is_err() {
        return None;
    }
    match port {
        None => Some((host.to_owned(), None)),
        Some(port) => match u16::from_str(port) {
            Ok(port) if port > 0 => Some((host.to_owned(), Some(port))),
            _ => None,
        },
    }
}

/// Reads `udp://ADDRESS:PORT` or `tcp://ADDRESS:PORT`.
pub(super) fn listen(text: &str) -> Result<Listen, String> {
    let example = "Write it like udp://0.0.0.0:5060 or tcp://[::]:5060";
    let (protocol, address) = match text.split_once("://") {
        Some(("udp", address)) => (Protocol::Udp, address),
        Some(("tcp", address)) => (Protocol::Tcp, address),
        Some((later @ ("tls" | "sips" | "ws" | "wss"), _)) => {
            return Err(format!(
                "\"{text}\": {later} listeners are not available in this version. Use udp:// or tcp://."
            ));
        }
        Some((other, _)) => {
            return Err(format!(
                "\"{text}\": there is no protocol `{other}`. {example}."
            ));
        }
        None => return Err(format!("\"{text}\" does not say udp or tcp. {example}.")),
    };
    match SocketAddr::from_str(address) {
        Ok(address) => Ok(Listen { protocol, address }),
        Err(_) if IpAddr::from_str(address.trim_matches(['[', ']'])).is_ok() => {
            Err(format!("\"{text}\" has no port. {example}."))
        }
        Err(_) => Err(format!(
            "\"{text}\" is not an address and a port of this machine. {example}; 0.0.0.0 is every IPv4 address of the machine."
        )),
    }
}

/// Reads a network, or an address as a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let example = "Write it like 198.51.100.0/24, 198.51.100.7 or 2001:db8::/32";
    if let Ok(address) = IpAddr::from_str(text) {
        return Ok(IpNet::from(address));
    }
    let network = IpNet::from_str(text).map_err(|_| {
        let is_name = text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(':');
        if is_name && host_and_port(text).is_some() {
            format!("\"{text}\" is a name. Write the addresses behind it; the carrier lists them.")
        } else {
            format!("\"{text}\" is not an address or a network. {example}.")
        }
    })?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!(
            "\"{text}\" is an address within a network. Write {} for the network, or {} for the address alone.",
            network.trunc(),
            network.addr()
        ))
    }
}

/// Reads who may send calls: a network or address, with or without a port.
pub(super) fn peer(text: &str) -> Result<Peer, String> {
    let (written, port) = split_port(text);
    let port = match port.map(u16::from_str) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => {
            return Err(format!(
                "\"{text}\" has no port from 1 to 65535 after its colon."
            ));
        }
    };
    let network = network(written).map_err(|problem| {
        if port.is_some() {
            problem.replacen(written, text, 1)
        } else {
            problem
        }
    })?;
    Ok(Peer { network, port })
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((inside, after)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match after {
            "" => (inside, None),
            after => match after.strip_prefix(':') {
                Some(port) => (inside, Some(port)),
                None => (text, None),
            },
        };
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => (address, Some(port)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_networks_addresses_and_either_with_a_port() {
        for (text, expected) in [
            ("198.51.100.0/24", Ok(("198.51.100.0/24", None))),
            ("198.51.100.7", Ok(("198.51.100.7/32", None))),
            ("198.51.100.7:5080", Ok(("198.51.100.7/32", Some(5080)))),
            ("198.51.100.0/24:5060", Ok(("198.51.100.0/24", Some(5060)))),
            ("2001:db8::/32", Ok(("2001:db8::/32", None))),
            ("2001:db8::1", Ok(("2001:db8::1/128", None))),
            ("[2001:db8::1]", Ok(("2001:db8::1/128", None))),
            ("[2001:db8::1]:5061", Ok(("2001:db8::1/128", Some(5061)))),
            (
                "198.51.100.7/24",
                Err(
                    "\"198.51.100.7/24\" is an address within a network. Write 198.51.100.0/24 for the network, or 198.51.100.7 for the address alone.",
                ),
            ),
            (
                "sip.carrier.example",
                Err(
                    "\"sip.carrier.example\" is a name. Write the addresses behind it; the carrier lists them.",
                ),
            ),
            (
                "198.51.100.300",
                Err(
                    "\"198.51.100.300\" is not an address or a network. Write it like 198.51.100.0/24, 198.51.100.7 or 2001:db8::/32.",
                ),
            ),
            (
                "198.51.100.7:0",
                Err("\"198.51.100.7:0\" has no port from 1 to 65535 after its colon."),
            ),
            (
                "198.51.100.0/33",
                Err(
                    "\"198.51.100.0/33\" is not an address or a network. Write it like 198.51.100.0/24, 198.51.100.7 or 2001:db8::/32.",
                ),
            ),
        ] {
            let expected = expected
                .map(|(network, port)| Peer {
                    network: network.parse().unwrap(),
                    port,
                })
                .map_err(str::to_owned);
            assert_eq!(peer(text), expected, "{text}");
        }
    }

    #[test]
    fn outbound_uris_are_taken_apart() {
        let taken = |user: Option<&str>, host: &str, port, protocol| {
            Ok((user.map(str::to_owned), host.to_owned(), port, protocol))
        };
        for (text, expected) in [
            (
                "sip:sip.carrier.example",
                taken(None, "sip.carrier.example", 5060, Protocol::Udp),
            ),
            (
                "sip:10.0.0.9:5070;transport=tcp",
                taken(None, "10.0.0.9", 5070, Protocol::Tcp),
            ),
            (
                "sip:anna@[2001:db8::1]:5062",
                taken(Some("anna"), "2001:db8::1", 5062, Protocol::Udp),
            ),
            (
                "sip:+4722@gw",
                taken(Some("+4722"), "gw", 5060, Protocol::Udp),
            ),
            (
                "sips:gw",
                Err("\"sips:gw\": TLS is not available in this version. Write sip:HOST."),
            ),
            (
                "gw.example",
                Err(
                    "\"gw.example\" does not begin with sip:. Write it like sip:HOST:PORT;transport=udp.",
                ),
            ),
            (
                "sip:gw;transport=tls",
                Err(
                    "\"sip:gw;transport=tls\": `transport=tls` is not available in this version. Use transport=udp or transport=tcp.",
                ),
            ),
            (
                "sip:",
                Err(
                    "\"sip:\" has no host that can be one. Write it like sip:HOST:PORT;transport=udp.",
                ),
            ),
            (
                "sip:gw:99999",
                Err(
                    "\"sip:gw:99999\" has no host that can be one. Write it like sip:HOST:PORT;transport=udp.",
                ),
            ),
            (
                "sip:10.0.0.999",
                Err(
                    "\"sip:10.0.0.999\" has no host that can be one. Write it like sip:HOST:PORT;transport=udp.",
                ),
            ),
        ] {
            let read = outbound(text).map(|it| (it.user, it.host, it.port, it.protocol));
            assert_eq!(read, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn listeners_say_protocol_address_and_port() {
        for (text, expected) in [
            ("udp://0.0.0.0:5060", Ok(())),
            ("tcp://[::1]:5060", Ok(())),
            (
                "tls://0.0.0.0:5061",
                Err(
                    "\"tls://0.0.0.0:5061\": tls listeners are not available in this version. Use udp:// or tcp://.",
                ),
            ),
            (
                "udp://0.0.0.0",
                Err(
                    "\"udp://0.0.0.0\" has no port. Write it like udp://0.0.0.0:5060 or tcp://[::]:5060.",
                ),
            ),
            (
                "0.0.0.0:5060",
                Err(
                    "\"0.0.0.0:5060\" does not say udp or tcp. Write it like udp://0.0.0.0:5060 or tcp://[::]:5060.",
                ),
            ),
            (
                "udp://pbx:5060",
                Err(
                    "\"udp://pbx:5060\" is not an address and a port of this machine. Write it like udp://0.0.0.0:5060 or tcp://[::]:5060; 0.0.0.0 is every IPv4 address of the machine.",
                ),
            ),
            (
                "sctp://0.0.0.0:5060",
                Err(
                    "\"sctp://0.0.0.0:5060\": there is no protocol `sctp`. Write it like udp://0.0.0.0:5060 or tcp://[::]:5060.",
                ),
            ),
        ] {
            assert_eq!(
                listen(text).map(|_| ()),
                expected.map_err(str::to_owned),
                "{text}"
            );
        }
    }
}
