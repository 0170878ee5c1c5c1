//! A leg's transport.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket as System, Type};

use crate::media::leg::Socket;

/// Expedited forwarding (RFC 3246), DSCP 46, in the upper six bits of the octet.
const EXPEDITED: u32 = 46 << 2;

/// How a leg's datagrams travel.
#[derive(Debug)]
pub(super) enum Transport {
    /// RTP and RTCP each in clear on a port of its own.
    Plain {
        rtp: UdpSocket,
        rtcp: UdpSocket,
        direct: Option<Direct>,
    },
}

/// A second socket on the RTP port, connected to where RTP comes from: the system then looks up the
/// way once instead of for every packet, a tenth of a packet's cost. What comes from elsewhere
/// still arrives at the first socket, where it is counted.
#[derive(Debug)]
pub(super) struct Direct {
    to: SocketAddr,
    /// `None`: the system did not let us.
    socket: Option<UdpSocket>,
}

/// One of the sockets of a transport, as its token tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Rtp,
    Rtcp,
    Direct,
}

/// The tokens of a slot's sockets lie together.
const TOKENS: usize = 3;

impl Origin {
    pub(super) fn token(self, slot: usize) -> Token {
        let offset = match self {
            Origin::Rtp => 0,
            Origin::Rtcp => 1,
            Origin::Direct => 2,
        };
        Token(slot * TOKENS + offset)
    }

    pub(super) fn of(token: Token) -> (usize, Origin) {
        let origin = match token.0 % TOKENS {
            0 => Origin::Rtp,
            1 => Origin::Rtcp,
            _ => Origin::Direct,
        };
        (token.0 / TOKENS, origin)
    }
}

impl Transport {
    /// Binds `port` and the one above it, and polls them for the slot given.
    pub(super) fn open(
        address: IpAddr,
        port: u16,
        slot: usize,
        registry: &Registry,
    ) -> io::Result<Transport> {
        let next = port.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        let mut rtp = bind(SocketAddr::new(address, port))?;
        let mut rtcp = bind(SocketAddr::new(address, next))?;
        registry.register(&mut rtp, Origin::Rtp.token(slot), Interest::READABLE)?;
        registry.register(&mut rtcp, Origin::Rtcp.token(slot), Interest::READABLE)?;
        Ok(Transport::Plain {
            rtp,
            rtcp,
            direct: None,
        })
    }

    /// Takes the next datagram of a socket.
    pub(super) fn receive(
        &self,
        origin: Origin,
        buffer: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let Transport::Plain { rtp, rtcp, direct } = self;
        match origin {
            Origin::Rtp => rtp.recv_from(buffer),
            Origin::Rtcp => rtcp.recv_from(buffer),
            Origin::Direct => match direct.as_ref().and_then(|direct| direct.socket.as_ref()) {
                Some(socket) => socket.recv_from(buffer),
                None => Err(io::ErrorKind::WouldBlock.into()),
            },
        }
    }

    /// Sends a datagram. What the network does not take now is lost, as on any network.
    pub(super) fn send(&self, socket: Socket, packet: &[u8], to: SocketAddr) {
        let Transport::Plain { rtp, rtcp, direct } = self;
        let direct = direct.as_ref().filter(|direct| direct.to == to);
        let sent = match (socket, direct.and_then(|direct| direct.socket.as_ref())) {
            (Socket::Rtp, Some(direct)) => direct.send(packet),
            (Socket::Rtp, None) => rtp.send_to(packet, to),
            (Socket::Rtcp, _) => rtcp.send_to(packet, to),
        };
        drop(sent);
    }

    /// Connects to where RTP comes from, unless that is done.
    pub(super) fn aim(&mut self, to: SocketAddr, slot: usize, registry: &Registry) {
        let Transport::Plain { rtp, direct, .. } = self;
        if direct.as_ref().is_none_or(|direct| direct.to != to) {
            let socket = connect(rtp, to, slot, registry).ok();
            *direct = Some(Direct { to, socket });
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    socket.bind(&address.into()).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot bind UDP {address}: {error}"))
    })?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// A further socket on the port of `first`, connected to `to`. The port is shared only for as long
/// as it takes, so that nothing else can bind it.
fn connect(
    first: &UdpSocket,
    to: SocketAddr,
    slot: usize,
    registry: &Registry,
) -> io::Result<UdpSocket> {
    let address = first.local_addr()?;
    let first = SockRef::from(first);
    let second = open(address)?;
    second.set_reuse_port(true)?;
    first.set_reuse_port(true)?;
    let bound = second.bind(&address.into());
    first.set_reuse_port(false)?;
    bound?;
    second.set_reuse_port(false)?;
    second.connect(&to.into())?;
    let mut second = UdpSocket::from_std(second.into());
    registry.register(&mut second, Origin::Direct.token(slot), Interest::READABLE)?;
    Ok(second)
}

fn open(address: SocketAddr) -> io::Result<System> {
    let socket = System::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )?;
    // Marking fails in some containers; unmarked audio is better than none.
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        drop(socket.set_tclass_v6(EXPEDITED));
    } else {
        drop(socket.set_tos_v4(EXPEDITED));
    }
    Ok(socket)
}
