//! SIP over UDP (RFC 3261 §18).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::admission::{Admission, Verdict};
use super::packet_info::{self, Datagram};
use super::{Intake, add};
use crate::core::snapshot::Protocol;
use crate::sip::flow::Flow;
use crate::sip::message::Message;

/// Receive buffer asked of the kernel, in octets: some 2,000 messages, for the moments in which the
/// reader does not run. The kernel gives less where it is told to.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// The largest datagram there is.
const DATAGRAM_MAX: usize = 65_535;

/// One UDP socket.
pub(super) struct UdpListener {
    socket: UdpSocket,
    /// What it is bound to, with its real port.
    pub address: SocketAddr,
}

impl UdpListener {
    pub fn bind(address: SocketAddr) -> io::Result<UdpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A smaller buffer works too.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        packet_info::tell_local_addresses(&socket, address.is_ipv6())?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(UdpListener { socket, address })
    }

    /// Whether this is its address, whatever the IPv6 scope.
    pub fn is_bound_to(&self, local: SocketAddr) -> bool {
        (self.address.ip(), self.address.port()) == (local.ip(), local.port())
    }

    /// Whether answers from this address of ours leave through here, because it takes all of them.
    pub fn serves(&self, local: SocketAddr) -> bool {
        self.address.ip().is_unspecified()
            && self.address.port() == local.port()
            && self.address.is_ipv4() == local.is_ipv4()
    }

    /// Sends at once, or loses it as a network may.
    pub fn send(&self, flow: &Flow, octets: &[u8]) -> io::Result<()> {
        let chosen = flow.local.ip();
        let is_to_choose = self.address.ip().is_unspecified() && !chosen.is_unspecified();
        packet_info::send(
            &self.socket,
            octets,
            flow.remote,
            is_to_choose.then_some(chosen),
        )
    }

    async fn receive(&self, buffer: &mut [u8], control: &mut [u8]) -> io::Result<Datagram> {
        let receive = || packet_info::receive(&self.socket, buffer, control);
        self.socket.async_io(Interest::READABLE, receive).await
    }
}

/// Reads datagrams for as long as it is let.
pub(super) async fn read(listener: Arc<UdpListener>, intake: Intake) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    let mut control = packet_info::control_buffer();
    let mut admission = Admission::default();
    loop {
        match listener.receive(&mut buffer, &mut control).await {
            Ok(datagram) => {
                let octets = buffer.get(..datagram.length).unwrap_or_default();
                let ip = datagram.local.unwrap_or(listener.address.ip());
                let local = SocketAddr::new(ip, listener.address.port());
                let remote = datagram.remote;
                let flow = Flow {
                    protocol: Protocol::Udp,
                    local,
                    remote,
                    connection: None,
                };
                take(&listener, &intake, &mut admission, octets, flow);
            }
            Err(_) => {
                add(&intake.counters.unreadable);
                tokio::task::yield_now().await;
            }
        }
    }
}

fn take(
    listener: &UdpListener,
    intake: &Intake,
    admission: &mut Admission,
    octets: &[u8],
    flow: Flow,
) {
    if is_keep_alive(octets) {
        return;
    }
    add(&intake.counters.received);
    match Message::parse(octets) {
        Ok(message) => match admission.judge(&message, intake.room()) {
            Verdict::Take => intake.offer(message, flow),
            Verdict::Drop => add(&intake.counters.dropped),
            Verdict::Refuse => {
                if let Some((bytes, flow)) = intake.refusal(&message, flow) {
                    // It comes again if this is lost.
                    let _ = listener.send(&flow, &bytes);
                }
            }
        },
        Err(error) => {
            if let Some((bytes, flow)) = intake.malformed(error, flow) {
                let _ = listener.send(&flow, &bytes);
            }
        }
    }
}

/// What phones send to keep a NAT's mapping open: line ends, or zeros.
fn is_keep_alive(octets: &[u8]) -> bool {
    octets
        .iter()
        .all(|octet| matches!(octet, b'\r' | b'\n' | 0))
}
