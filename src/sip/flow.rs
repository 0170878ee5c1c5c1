//! Where a message came from and where an answer to it goes: a flow (RFC 5626 §3).

use std::net::SocketAddr;

use crate::core::snapshot::Protocol;

/// A TCP connection, numbered by the transport; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The local and the remote side of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The address of ours that was asked (not the wildcard of the listener), with the listener's
    /// port. For an outgoing TCP connection whose local address is not known yet: unspecified.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
    /// The TCP connection. `None` with TCP: any connection to `remote`, or a new one.
    pub connection: Option<ConnectionId>,
}
