//! Via: our own on the way out, `received` and `rport` on the way in (RFC 3261 §18.2.1, RFC 3581),
//! and where a response goes (§18.2.2).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::matching::MAGIC_COOKIE;
use crate::core::id::RandomSource;
use crate::core::snapshot::Protocol;
use crate::sip::flow::Flow;
use crate::sip::message::{Headers, Host, Request, Response, Via};

/// The port of a sent-by without one (RFC 3261 §18.1.1).
const DEFAULT_PORT: u16 = 5060;

/// Writes into the top Via where the request really came from: `received` where sent-by says
/// otherwise, and both `received` and `rport` where the sender asks for it.
pub(super) fn stamp(headers: &mut Headers, via: &mut Via, source: SocketAddr) {
    let asks_for_port = via.rport().is_some();
    let is_elsewhere = match &via.host {
        Host::Ip(ip) => *ip != source.ip(),
        Host::Name(_) => true,
    };
    if !asks_for_port && !is_elsewhere && via.params.value("received").is_none() {
        return;
    }
    via.params.set("received", Some(&source.ip().to_string()));
    if asks_for_port {
        via.params.set("rport", Some(&source.port().to_string()));
    }
    headers.replace_top_via(via);
}

/// For a response that no transaction sends: stamps its top Via with the source of its request, which
/// came over `flow`, and says where it goes. `None` where the Via cannot be read.
pub fn route_response(response: &mut Response, flow: Flow) -> Option<Flow> {
    let mut via = response.headers.top_via().ok()?;
    stamp(&mut response.headers, &mut via, flow.remote);
    Some(response_route(&via, flow).flow)
}

/// Where responses to a request go, and where else when its connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseRoute {
    pub flow: Flow,
    /// Taken when the connection has closed: the port of sent-by at the address that was seen.
    /// `None` over UDP.
    pub without_connection: Option<SocketAddr>,
}

/// The route for responses to a request that came over `flow` with this top Via.
///
/// `maddr` is not followed: it would let anybody have our responses sent to a third party.
pub(super) fn response_route(via: &Via, flow: Flow) -> ResponseRoute {
    let by_sent_by = at(flow.remote, via.port.unwrap_or(DEFAULT_PORT));
    match flow.protocol {
        Protocol::Udp => {
            let remote = if via.rport().is_some() {
                flow.remote
            } else {
                by_sent_by
            };
            ResponseRoute {
                flow: Flow { remote, ..flow },
                without_connection: None,
            }
        }
        Protocol::Tcp => ResponseRoute {
            flow,
            without_connection: Some(by_sent_by),
        },
    }
}

/// The same host (and IPv6 scope), another port.
fn at(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Adds our Via, with a new branch, which is returned.
pub(super) fn add(
    request: &mut Request,
    protocol: Protocol,
    sent_by: SocketAddr,
    random: &mut RandomSource,
) -> Arc<str> {
    let branch = format!("{MAGIC_COOKIE}{}", random.token());
    request
        .headers
        .push_first("Via", own_via(protocol, sent_by, &branch));
    branch.into()
}

/// The Via line of a request of ours.
fn own_via(protocol: Protocol, sent_by: SocketAddr, branch: &str) -> String {
    let name = match protocol {
        Protocol::Udp => "UDP",
        Protocol::Tcp => "TCP",
    };
    let port = sent_by.port();
    match sent_by.ip() {
        IpAddr::V4(ip) => format!("SIP/2.0/{name} {ip}:{port};branch={branch};rport"),
        IpAddr::V6(ip) => format!("SIP/2.0/{name} [{ip}]:{port};branch={branch};rport"),
    }
}
