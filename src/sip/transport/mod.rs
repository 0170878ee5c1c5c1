//! The sockets of SIP: UDP and TCP, IPv4 and IPv6 (RFC 3261 §18).
//!
//! Messages are read and told apart here, so that the engine gets nothing but what it can handle, and
//! no more of it than its queue holds. Sending never blocks.

mod admission;
mod packet_info;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use self::admission::Room;
use self::tcp::TcpConnections;
use self::udp::UdpListener;
use crate::clock;
use crate::core::snapshot::{Listen, Protocol};
use crate::core::time::Mono;
use crate::sip::flow::Flow;
use crate::sip::message::{Message, ParseError};
use crate::sip::transaction;

/// What came from the network.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Message {
        /// The message.
        message: Message,
        /// Where it came from. `local` is the address of ours that was asked.
        flow: Flow,
        /// When it was read.
        at: Mono,
    },
    /// Something that is no message. It has been answered where an answer is due; this is for those
    /// who watch, and left out when the queue begins to fill.
    Malformed {
        /// Where it came from.
        flow: Flow,
        /// What was wrong with it.
        error: ParseError,
    },
    /// A TCP connection is gone. What was not sent over it never will be.
    ConnectionClosed {
        /// The connection.
        flow: Flow,
    },
    /// What was to be sent over this flow could not be: no way there, or no connection.
    SendFailed {
        /// The flow as it was given.
        flow: Flow,
    },
}

/// What the transport takes upon itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages that may wait for the engine.
    pub queue: usize,
    /// TCP connections.
    pub connections: usize,
    /// TCP connections that one address may open.
    pub connections_per_source: usize,
    /// How long a TCP connection may be silent.
    pub idle: Duration,
    /// How long a new TCP connection may be silent before its first message, and how long a message
    /// may take from its first octet to its last.
    pub unproven: Duration,
    /// How long opening a TCP connection may take.
    pub connect: Duration,
}

impl Default for Limits {
    /// A queue of 4,096 (some 10 MB; the engine takes it in under 0.2 s). 8,192 connections (some
    /// 200 MB when all of them talk), of which one address may have 1,024, since an office behind NAT
    /// is one. Two hours of silence, twice the hour after which phones commonly register again. 30 s
    /// for a message. 5 s to connect, so that a caller does not wait for a dead one.
    fn default() -> Limits {
        Limits {
            queue: 4_096,
            connections: 8_192,
            connections_per_source: 1_024,
            idle: Duration::from_secs(2 * 60 * 60),
            unproven: Duration::from_secs(30),
            connect: Duration::from_secs(5),
        }
    }
}

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {protocol}://{address}: {source}. {advice}")]
pub struct TransportError {
    protocol: &'static str,
    address: SocketAddr,
    advice: &'static str,
    source: io::Error,
}

/// What happened so far, in messages unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Read.
    pub received: u64,
    /// Read, but no messages.
    pub malformed: u64,
    /// Refused with 503 because the engine did not keep up.
    pub refused: u64,
    /// Dropped because the engine did not keep up.
    pub dropped: u64,
    /// Not sent: no way there, or the socket was full.
    pub unsent: u64,
    /// Failed attempts to read a socket.
    pub unreadable: u64,
    /// TCP connections that were too many.
    pub connections_refused: u64,
    /// TCP connections there are now.
    pub connections: u64,
}

/// All SIP sockets. Dropping it closes them.
pub struct Transport {
    udp: Vec<Arc<UdpListener>>,
    tcp: Arc<TcpConnections>,
    intake: Intake,
    listening: Vec<Listen>,
    tasks: Vec<AbortHandle>,
}

/// The way in for those that read sockets.
#[derive(Clone)]
struct Intake {
    queue: mpsc::Sender<Incoming>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    received: AtomicU64,
    malformed: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    unsent: AtomicU64,
    unreadable: AtomicU64,
    connections_refused: AtomicU64,
}

impl Transport {
    /// Listens on all of `listen`, or on none. What comes is put into the queue that is returned with
    /// it.
    ///
    /// Async because sockets belong to the runtime that it is called on; it waits for nothing.
    pub async fn bind(
        listen: &[Listen],
        limits: Limits,
    ) -> Result<(Transport, mpsc::Receiver<Incoming>), TransportError> {
        let (queue, incoming) = mpsc::channel(limits.queue);
        let intake = Intake {
            queue,
            counters: Arc::default(),
        };
        let mut transport = Transport {
            udp: Vec::new(),
            tcp: Arc::new(TcpConnections::new(
                intake.clone(),
                limits,
                Handle::current(),
            )),
            intake,
            listening: Vec::new(),
            tasks: Vec::new(),
        };
        for listen in listen {
            transport
                .listen(*listen)
                .map_err(|source| TransportError::new(*listen, source))?;
        }
        Ok((transport, incoming))
    }

    /// Sends `bytes` over `flow` now, or never; it does not block, and any thread may call it.
    ///
    /// A UDP datagram leaves from `flow.local`, where that is an address of ours. Over TCP, the
    /// connection that `flow` names is used, or with `None` any to `flow.remote`, which is opened
    /// if need be. Failure is reported as [`Incoming::SendFailed`] or [`Incoming::ConnectionClosed`].
    pub fn send(&self, flow: Flow, bytes: Bytes) {
        let result = match flow.protocol {
            Protocol::Udp => self.send_datagram(flow, &bytes),
            Protocol::Tcp => self.tcp.send(flow, bytes).map_err(|_| Failure::NoWay),
        };
        match result {
            Ok(()) => {}
            Err(Failure::Lost) => add(&self.intake.counters.unsent),
            Err(Failure::NoWay) => {
                add(&self.intake.counters.unsent);
                // With a full queue it is the transaction's timers that notice.
                let _ = self.intake.queue.try_send(Incoming::SendFailed { flow });
            }
        }
    }

    /// What it listens on, with the real port where port 0 was asked for.
    pub fn listening(&self) -> &[Listen] {
        &self.listening
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        let counters = &self.intake.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            received: read(&counters.received),
            malformed: read(&counters.malformed),
            refused: read(&counters.refused),
            dropped: read(&counters.dropped),
            unsent: read(&counters.unsent),
            unreadable: read(&counters.unreadable),
            connections_refused: read(&counters.connections_refused),
            connections: self.tcp.len() as u64,
        }
    }

    fn listen(&mut self, listen: Listen) -> io::Result<()> {
        let (address, task) = match listen.protocol {
            Protocol::Udp => {
                let listener = Arc::new(UdpListener::bind(listen.address)?);
                self.udp.push(Arc::clone(&listener));
                let address = listener.address;
                (
                    address,
                    tokio::spawn(udp::read(listener, self.intake.clone())),
                )
            }
            Protocol::Tcp => {
                let listener = tcp::listen(listen.address)?;
                let address = listener.local_addr()?;
                (
                    address,
                    tokio::spawn(tcp::accept(listener, Arc::clone(&self.tcp))),
                )
            }
        };
        self.tasks.push(task.abort_handle());
        self.listening.push(Listen { address, ..listen });
        Ok(())
    }

    fn send_datagram(&self, flow: Flow, octets: &[u8]) -> Result<(), Failure> {
        let listener = self.listener_for(&flow).ok_or(Failure::NoWay)?;
        listener
            .send(&flow, octets)
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Failure::Lost,
                _ if error.raw_os_error() == Some(libc::ENOBUFS) => Failure::Lost,
                _ => Failure::NoWay,
            })
    }

    fn listener_for(&self, flow: &Flow) -> Option<&UdpListener> {
        let serving = self.udp.iter().find(|it| it.is_bound_to(flow.local));
        let serving = serving.or_else(|| self.udp.iter().find(|it| it.serves(flow.local)));
        let is_free = flow.local.ip().is_unspecified() || flow.local.port() == 0;
        let same_family = || {
            self.udp
                .iter()
                .find(|it| is_free && it.address.is_ipv4() == flow.remote.is_ipv4())
        };
        serving.or_else(same_family).map(Arc::as_ref)
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.tcp.shut();
    }
}

/// Why something was not sent.
enum Failure {
    /// As a network loses things: it may go the next time.
    Lost,
    /// It will not go the next time either.
    NoWay,
}

impl TransportError {
    fn new(listen: Listen, source: io::Error) -> TransportError {
        let protocol = match listen.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        };
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "Another program has this port (`ss -lnp` says which). Stop it, or change [sip] listen."
            }
            io::ErrorKind::AddrNotAvailable => {
                "This machine does not have this address (`ip address` lists those it has). \
                 Change [sip] listen."
            }
            io::ErrorKind::PermissionDenied => {
                "Ports under 1024 need the right to bind them (CAP_NET_BIND_SERVICE)."
            }
            _ => "Change [sip] listen.",
        };
        TransportError {
            protocol,
            address: listen.address,
            advice,
            source,
        }
    }
}

impl Intake {
    fn room(&self) -> Room {
        Room {
            free: self.queue.capacity(),
            places: self.queue.max_capacity(),
        }
    }

    /// Hands a message on if there is room.
    fn offer(&self, message: Message, flow: Flow) {
        let message = Incoming::Message {
            message,
            flow,
            at: clock::mono(),
        };
        if self.queue.try_send(message).is_err() {
            add(&self.counters.dropped);
        }
    }

    /// Hands something on, however long that takes. Nobody listening any more is no error.
    async fn report(&self, incoming: Incoming) {
        let _ = self.queue.send(incoming).await;
    }

    /// The 503 to a request that is too many, and where it goes.
    fn refusal(&self, message: &Message, flow: Flow) -> Option<(Bytes, Flow)> {
        add(&self.counters.refused);
        let Message::Request(request) = message else {
            return None;
        };
        let mut response = transaction::overloaded(request);
        let flow = transaction::route_response(&mut response, flow)?;
        Some((response.to_bytes(), flow))
    }

    /// Tells of something malformed; what is to be answered, and where that goes.
    fn malformed(&self, mut error: ParseError, flow: Flow) -> Option<(Bytes, Flow)> {
        add(&self.counters.malformed);
        let answer = error.answer.as_mut().and_then(|response| {
            let flow = transaction::route_response(response, flow)?;
            Some((response.to_bytes(), flow))
        });
        if self.room().is_wide() {
            let _ = self.queue.try_send(Incoming::Malformed { flow, error });
        }
        answer
    }
}

/// The address of ours that datagrams to `remote` leave from when nothing else is chosen, as the
/// kernel's routes have it. Nothing is sent.
pub fn local_address_for(remote: SocketAddr) -> io::Result<IpAddr> {
    let any = match remote {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// Counts one more.
fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
