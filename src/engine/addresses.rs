//! Which of our addresses a destination sees: the interface's own, or the public one.

use std::net::{IpAddr, SocketAddr};

use super::Engine;
use crate::core::snapshot::Protocol;
use crate::sip::flow::Flow;

impl Engine {
    /// The address for SDP and RTP towards the other side of `flow`.
    pub(super) fn media_address(&self, flow: &Flow) -> IpAddr {
        let own = flow.local.ip();
        match self.snapshot.settings.sip.public_address {
            Some(public)
                if public.is_ipv4() == own.is_ipv4() && !self.is_local(flow.remote.ip()) =>
            {
                public
            }
            _ => own,
        }
    }

    /// The address and port for Via and Contact towards the other side of `flow`.
    pub(super) fn sent_by(&self, flow: &Flow) -> SocketAddr {
        SocketAddr::new(self.media_address(flow), self.listening_port(flow))
    }

    /// The port that requests to us must be sent to: that of the listener, also where a connection
    /// left from another one.
    fn listening_port(&self, flow: &Flow) -> u16 {
        let listen = &self.snapshot.settings.sip.listen;
        let same = |protocol: Protocol| {
            listen
                .iter()
                .filter(move |one| {
                    one.protocol == protocol && one.address.is_ipv4() == flow.local.is_ipv4()
                })
                .map(|one| one.address.port())
        };
        if same(flow.protocol).any(|port| port == flow.local.port()) {
            return flow.local.port();
        }
        same(flow.protocol)
            .next()
            .or_else(|| same(Protocol::Udp).next())
            .unwrap_or(flow.local.port())
    }

    /// True for destinations that see the interface's own address.
    fn is_local(&self, address: IpAddr) -> bool {
        if address.is_loopback() {
            return true;
        }
        match &self.snapshot.settings.sip.local_networks {
            Some(networks) => networks.iter().any(|network| network.contains(&address)),
            None => {
                is_private(address)
                    || self
                        .environment
                        .attached
                        .iter()
                        .any(|network| network.contains(&address))
            }
        }
    }
}

/// True for addresses that cannot be reached over the internet (RFC 1918, 3927, 4193, 6598).
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_link_local()
                || v4.is_loopback()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
