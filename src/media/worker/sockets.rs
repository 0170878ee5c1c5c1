//! A leg's transport.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket as System, Type};

use crate::media::leg::Socket;

/// Expedited forwarding (RFC 3246), DSCP 46, in the upper six bits of the octet.
const EXPEDITED: u32 = 46 << 2;

/// How a leg's datagrams travel.
#[derive(Debug)]
pub(super) enum Transport {
    /// RTP and RTCP each in clear on a port of its own.
    Plain { rtp: UdpSocket, rtcp: UdpSocket },
}

impl Transport {
    /// Binds `port` and the one above it, and polls them under the tokens given.
    pub(super) fn open(
        address: IpAddr,
        port: u16,
        registry: &Registry,
        tokens: [Token; 2],
    ) -> io::Result<Transport> {
        let next = port.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        let mut rtp = bind(SocketAddr::new(address, port))?;
        let mut rtcp = bind(SocketAddr::new(address, next))?;
        registry.register(&mut rtp, tokens[0], Interest::READABLE)?;
        registry.register(&mut rtcp, tokens[1], Interest::READABLE)?;
        Ok(Transport::Plain { rtp, rtcp })
    }

    pub(super) fn socket(&self, socket: Socket) -> &UdpSocket {
        let Transport::Plain { rtp, rtcp } = self;
        match socket {
            Socket::Rtp => rtp,
            Socket::Rtcp => rtcp,
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = System::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    // Marking fails in some containers; unmarked audio is better than none.
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        drop(socket.set_tclass_v6(EXPEDITED));
    } else {
        drop(socket.set_tos_v4(EXPEDITED));
    }
    socket.bind(&address.into()).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot bind UDP {address}: {error}"))
    })?;
    Ok(UdpSocket::from_std(socket.into()))
}
