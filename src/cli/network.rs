//! `ringdesk check --network`: what only the machine and its network can say.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::time::Duration;

use crate::clock;
use crate::core::snapshot::{Listen, Outbound, Protocol, Settings, Snapshot, Trunk};
use crate::core::time::Mono;
use crate::sip::message::{Frame, Message, Method, Request, StreamReader, Uri};

/// How long a trunk has for its answer: a carrier that needs longer would miss calls.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// OPTIONS over UDP is sent again after this, as RFC 3261 §17.1.2.2 does first.
const SEND_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The largest answer that is read, in octets: that of a UDP datagram.
const MAX_ANSWER: usize = 65_535;

/// How many taken ports are named before the rest is counted.
const NAMED_PORTS: usize = 5;

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// As it should be.
    Good(String),
    /// May be right, but calls would fail if it is not.
    Doubtful(String),
    /// Calls would fail.
    Bad(String),
}

/// Looks at the ports, the address that others are told, and the trunks.
pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let settings = &snapshot.settings;
    let mut findings: Vec<Finding> = settings.sip.listen.iter().map(listener).collect();
    findings.push(media_ports(settings));
    findings.extend(advertised(snapshot));
    findings.extend(
        snapshot
            .trunks
            .iter()
            .filter_map(|trunk| answers(trunk, settings)),
    );
    findings
}

fn listener(listen: &Listen) -> Finding {
    let address = listen.address;
    let (protocol, bound) = match listen.protocol {
        Protocol::Udp => ("udp", UdpSocket::bind(address).map(drop)),
        Protocol::Tcp => ("tcp", TcpListener::bind(address).map(drop)),
    };
    match bound {
        Ok(()) => Finding::Good(format!("{protocol}://{address} can be listened on")),
        Err(error) => Finding::Bad(format!(
            "{protocol}://{address} cannot be listened on: {error}.{}",
            advice(&error)
        )),
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " Another program has it, perhaps a running Ringdesk.",
        io::ErrorKind::AddrNotAvailable => " No interface of this machine has that address.",
        io::ErrorKind::PermissionDenied => " Ports under 1024 need root or CAP_NET_BIND_SERVICE.",
        _ => "",
    }
}

fn media_ports(settings: &Settings) -> Finding {
    let hosts: BTreeSet<IpAddr> = settings
        .sip
        .listen
        .iter()
        .map(|it| it.address.ip())
        .collect();
    let ports = settings.media.ports.clone();
    let range = format!("{}-{}", ports.start(), ports.end());
    let taken: Vec<u16> = ports
        .filter(|port| {
            hosts
                .iter()
                .any(|host| UdpSocket::bind((*host, *port)).is_err())
        })
        .collect();
    if taken.is_empty() {
        return Finding::Good(format!("udp ports {range} are free for audio"));
    }
    let named: Vec<String> = taken.iter().take(NAMED_PORTS).map(u16::to_string).collect();
    let more = match taken.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Finding::Doubtful(format!(
        "udp ports {}{more} of {range} cannot be used for audio. Another program has them, perhaps a running Ringdesk.",
        named.join(", ")
    ))
}

/// A private address that carriers on the internet are told gets no audio back.
fn advertised(snapshot: &Snapshot) -> Option<Finding> {
    let sip = &snapshot.settings.sip;
    let is_local = |address: IpAddr| match &sip.local_networks {
        Some(networks) => networks.iter().any(|network| network.contains(&address)),
        None => is_private(address),
    };
    let has_carrier = snapshot.trunks.iter().any(|trunk| {
        trunk.outbound.is_some()
            || trunk
                .peers
                .iter()
                .any(|peer| !is_local(peer.network.addr()))
    });
    let told = sip.public_address.or_else(|| own_address(&sip.listen))?;
    if !is_private(told) {
        return Some(Finding::Good(format!(
            "carriers are told {told}, a public address"
        )));
    }
    has_carrier.then(|| {
        let ports = &snapshot.settings.media.ports;
        Finding::Doubtful(format!(
            "carriers are told {told}, a private address: from the internet no audio would arrive. Set public_address, and open UDP {}-{}.",
            ports.start(),
            ports.end()
        ))
    })
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let shared = address.octets().first() == Some(&100)
                && address
                    .octets()
                    .get(1)
                    .is_some_and(|octet| (64..128).contains(octet));
            address.is_private() || address.is_loopback() || address.is_link_local() || shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// The address of the listeners, or where they take every address, the one that this machine has
/// towards the internet. Nothing is sent.
pub(super) fn own_address(listen: &[Listen]) -> Option<IpAddr> {
    let first = listen.first()?.address.ip();
    if !first.is_unspecified() {
        return Some(first);
    }
    let elsewhere: SocketAddr = match first {
        IpAddr::V4(_) => (Ipv4Addr::new(192, 0, 2, 1), 9).into(),
        IpAddr::V6(_) => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into(),
    };
    let socket = UdpSocket::bind((first, 0)).ok()?;
    socket.connect(elsewhere).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

/// Whether a trunk answers OPTIONS; `None` where it takes no calls.
fn answers(trunk: &Trunk, settings: &Settings) -> Option<Finding> {
    let outbound = trunk.outbound.as_ref()?;
    let name = &trunk.name;
    let addresses = match (outbound.host.as_str(), outbound.port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => {
            return Some(Finding::Bad(format!(
                "trunk \"{name}\": the name {} is not found: {error}.",
                outbound.host
            )));
        }
    };
    let host = own_address(&settings.sip.listen);
    let mut tried = Vec::new();
    for address in addresses {
        match ask(address, outbound, host) {
            Ok(status) => {
                return Some(Finding::Good(format!(
                    "trunk \"{name}\" answers OPTIONS at {address}: {status}"
                )));
            }
            Err(error) => tried.push(format!("{address} ({error})")),
        }
    }
    let protocol = match outbound.protocol {
        Protocol::Udp => "UDP",
        Protocol::Tcp => "TCP",
    };
    Some(Finding::Bad(format!(
        "trunk \"{name}\" does not answer OPTIONS over {protocol}: {}. Check `outbound`, the firewall, and whether the carrier knows your address.",
        tried.join(", ")
    )))
}

fn ask(address: SocketAddr, outbound: &Outbound, host: Option<IpAddr>) -> io::Result<String> {
    match outbound.protocol {
        Protocol::Udp => ask_udp(address, outbound, host),
        Protocol::Tcp => ask_tcp(address, outbound),
    }
}

fn ask_udp(address: SocketAddr, outbound: &Outbound, host: Option<IpAddr>) -> io::Result<String> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    // Carriers know us by the address that calls come from, so that is where OPTIONS is sent from.
    let from = host
        .filter(|host| host.is_ipv4() == address.is_ipv4())
        .unwrap_or(any);
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(address)?;
    let request = options(outbound, "UDP", socket.local_addr()?)?.to_bytes();
    let mut buffer = vec![0; MAX_ANSWER];
    let deadline = clock::mono() + ANSWER_WITHIN;
    let mut patience = SEND_AGAIN_AFTER;
    loop {
        socket.send(&request)?;
        let send_again = clock::mono() + patience;
        patience = patience.saturating_mul(2);
        while let Some(left) = time_left(send_again.min(deadline)) {
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    if let Some(status) = buffer.get(..length).and_then(status) {
                        return Ok(status);
                    }
                }
                Err(error) if is_timeout(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if time_left(deadline).is_none() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn ask_tcp(address: SocketAddr, outbound: &Outbound) -> io::Result<String> {
    let deadline = clock::mono() + ANSWER_WITHIN;
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    let request = options(outbound, "TCP", stream.local_addr()?)?;
    stream.write_all(&request.to_bytes())?;
    let mut reader = StreamReader::new();
    let mut buffer = vec![0; MAX_ANSWER];
    while let Some(left) = time_left(deadline) {
        stream.set_read_timeout(Some(left))?;
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if is_timeout(&error) => break,
            Err(error) => return Err(error),
        };
        reader.push(buffer.get(..length).unwrap_or_default());
        while let Some(frame) = reader.next_frame().map_err(io::Error::other)? {
            if let Frame::Message(Ok(Message::Response(response))) = frame {
                return Ok(format!("{} {}", response.status, response.reason));
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn time_left(deadline: Mono) -> Option<Duration> {
    Some(deadline - clock::mono()).filter(|left| !left.is_zero())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn status(datagram: &[u8]) -> Option<String> {
    match Message::parse(datagram) {
        Ok(Message::Response(response)) => Some(format!("{} {}", response.status, response.reason)),
        Ok(Message::Request(_)) | Err(_) => None,
    }
}

/// An OPTIONS request outside any dialog (RFC 3261 §11.1).
fn options(outbound: &Outbound, protocol: &str, local: SocketAddr) -> io::Result<Request> {
    let token = clock::wall().as_millis().unsigned_abs();
    let uri: Uri = outbound.uri.parse().map_err(io::Error::other)?;
    Ok(Request::new(Method::Options, uri)
        .with_header(
            "Via",
            format!("SIP/2.0/{protocol} {local};branch=z9hG4bK{token};rport"),
        )
        .with_header("Max-Forwards", 70)
        .with_header("From", format!("<sip:ringdesk@{local}>;tag={token}"))
        .with_header("To", format!("<{}>", outbound.uri))
        .with_header("Call-ID", format!("{token}@{}", local.ip()))
        .with_header("CSeq", "1 OPTIONS")
        .with_header("Contact", format!("<sip:ringdesk@{local}>"))
        .with_header("Accept", "application/sdp"))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn outbound(port: u16, protocol: Protocol) -> Outbound {
        Outbound {
            uri: format!("sip:127.0.0.1:{port}"),
            user: None,
            host: "127.0.0.1".to_owned(),
            port,
            protocol,
        }
    }

    fn answer_to(request: &[u8]) -> Vec<u8> {
        let Ok(Message::Request(request)) = Message::parse(request) else {
            panic!("not a request");
        };
        assert_eq!(request.method, Method::Options);
        crate::sip::message::check_request(&request).unwrap();
        request.response(200).to_bytes().to_vec()
    }

    #[test]
    fn a_trunk_that_answers_the_second_options_is_there() {
        let trunk = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = trunk.local_addr().unwrap();
        let carrier = thread::spawn(move || {
            let mut buffer = [0; 2000];
            trunk.recv_from(&mut buffer).unwrap();
            let (length, from) = trunk.recv_from(&mut buffer).unwrap();
            trunk.send_to(&answer_to(&buffer[..length]), from).unwrap();
        });
        let status = ask(address, &outbound(address.port(), Protocol::Udp), None).unwrap();
        assert_eq!(status, "200 OK");
        carrier.join().unwrap();
    }

    #[test]
    fn a_trunk_answers_over_tcp_too() {
        let trunk = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = trunk.local_addr().unwrap();
        let carrier = thread::spawn(move || {
            let (mut stream, _) = trunk.accept().unwrap();
            let mut buffer = [0; 2000];
            let length = stream.read(&mut buffer).unwrap();
            stream.write_all(&answer_to(&buffer[..length])).unwrap();
        });
        let status = ask(address, &outbound(address.port(), Protocol::Tcp), None).unwrap();
        assert_eq!(status, "200 OK");
        carrier.join().unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_said_to_be() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let listen = Listen {
            protocol: Protocol::Udp,
            address,
        };
        let Finding::Bad(text) = listener(&listen) else {
            panic!("it is taken");
        };
        assert!(text.contains("cannot be listened on"), "{text}");
        assert!(text.contains("Another program has it"), "{text}");
        drop(taken);
        assert!(matches!(listener(&listen), Finding::Good(_)));
    }

    #[test]
    fn addresses_that_the_internet_does_not_route_are_private() {
        for (address, expected) in [
            ("10.0.0.5", true),
            ("172.31.0.1", true),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("203.0.113.7", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }
}
