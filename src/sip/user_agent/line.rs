//! How the requests of a leg reach its other side.

use std::net::{IpAddr, SocketAddr};

use crate::core::snapshot::Protocol;
use crate::core::time::Mono;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::message::{Request, Uri};
use crate::sip::transaction::ClientKey;
use crate::sip::user_agent::challenge::Answers;
use crate::sip::user_agent::event::{Credentials, NextHop};
use crate::sip::user_agent::stack::Stack;

pub(super) struct Line {
    pub flow: Flow,
    pub sent_by: SocketAddr,
    /// The value of our Contact.
    pub contact: String,
    pub next_hop: NextHop,
    pub credentials: Option<Credentials>,
}

impl Line {
    pub fn new(flow: Flow, sent_by: SocketAddr, contact_user: &str, next_hop: NextHop) -> Line {
        let user = (!contact_user.is_empty()).then_some(contact_user);
        let mut uri = Uri::of_address(user, sent_by);
        if flow.protocol == Protocol::Tcp {
            uri = uri.with_param("transport", Some("tcp"));
        }
        Line {
            flow,
            sent_by,
            contact: format!("<{uri}>"),
            next_hop,
            credentials: None,
        }
    }

    /// Sends a request inside a dialog.
    pub fn send(
        &self,
        stack: &mut Stack,
        mut request: Request,
        dialog: &Dialog,
        now: Mono,
    ) -> ClientKey {
        stack.introduce(&mut request.headers);
        let flow = self.flow_of(dialog);
        stack
            .transactions
            .send_request(request, flow, self.sent_by, &mut stack.random, now)
    }

    /// Sends a request outside dialogs.
    pub fn send_new(&self, stack: &mut Stack, request: Request, now: Mono) -> ClientKey {
        stack
            .transactions
            .send_request(request, self.flow, self.sent_by, &mut stack.random, now)
    }

    /// Acknowledges the 2xx to our INVITE of that CSeq.
    pub fn acknowledge(&self, stack: &mut Stack, dialog: &Dialog, cseq: u32, answers: &Answers) {
        let mut ack = dialog.ack(cseq);
        answers.push_to(&mut ack.headers);
        let flow = self.flow_of(dialog);
        stack
            .transactions
            .send_ack(ack, flow, self.sent_by, &mut stack.random);
    }

    /// The other side now speaks over this flow.
    pub fn follow(&mut self, flow: Flow) {
        let same_peer = flow.remote.ip() == self.flow.remote.ip();
        if self.next_hop == NextHop::Flow || flow.protocol == Protocol::Tcp && same_peer {
            self.flow = flow;
        }
    }

    fn flow_of(&self, dialog: &Dialog) -> Flow {
        match self.next_hop {
            NextHop::Flow => self.flow,
            NextHop::Target => self.flow_to(dialog.next_hop()),
        }
    }

    /// The flow of the leg if it leads there, else one to the address that the URI names.
    fn flow_to(&self, uri: &Uri) -> Flow {
        let is_tcp = uri
            .params
            .value("transport")
            .is_some_and(|name| name.eq_ignore_ascii_case("tcp"));
        let protocol = if is_tcp { Protocol::Tcp } else { Protocol::Udp };
        match uri.socket_address() {
            Some(remote) if self.leads_elsewhere(protocol, remote) => Flow {
                remote,
                connection: None,
                ..self.flow
            },
            Some(_) | None => self.flow,
        }
    }

    /// A change of transport or address family is not followed: the listener for it may not exist.
    /// Neither is an address that only the other side's own network knows.
    fn leads_elsewhere(&self, protocol: Protocol, remote: SocketAddr) -> bool {
        let now = self.flow.remote;
        let is_reachable = protocol == self.flow.protocol
            && remote.is_ipv4() == now.is_ipv4()
            && !remote.ip().is_unspecified()
            && (!is_private(remote.ip()) || is_private(now.ip()));
        is_reachable
            && match protocol {
                Protocol::Tcp => remote.ip() != now.ip(),
                Protocol::Udp => remote != now,
            }
    }
}

/// Whether an address has a meaning within one network only (RFC 1918, RFC 3927, RFC 4193, RFC 6598).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::flow::ConnectionId;

    /// Where a request to `uri` goes on a leg whose flow leads to `remote`.
    fn leads(protocol: Protocol, remote: &str, uri: &str) -> Flow {
        let flow = Flow {
            protocol,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
            connection: (protocol == Protocol::Tcp).then_some(ConnectionId(7)),
        };
        let line = Line::new(flow, flow.local, "ringdesk", NextHop::Target);
        line.flow_to(&uri.parse().unwrap())
    }

    #[test]
    fn requests_go_to_the_address_that_the_uri_names() {
        for (remote, uri, expected) in [
            (
                "198.51.100.1:5060",
                "sip:a@198.51.100.2",
                "198.51.100.2:5060",
            ),
            (
                "198.51.100.1:5060",
                "sip:a@198.51.100.1:5080",
                "198.51.100.1:5080",
            ),
            (
                "198.51.100.1:5080",
                "sip:a@198.51.100.1:5080",
                "198.51.100.1:5080",
            ),
            ("10.0.0.1:5060", "sip:a@10.0.0.2", "10.0.0.2:5060"),
            (
                "[2001:db8::1]:5060",
                "sip:a@[2001:db8::2]",
                "[2001:db8::2]:5060",
            ),
        ] {
            let flow = leads(Protocol::Udp, remote, uri);
            assert_eq!(flow.remote, expected.parse().unwrap(), "{uri}");
        }
    }

    #[test]
    fn requests_stay_on_the_flow_where_the_uri_leads_nowhere() {
        for uri in [
            "sip:a@sbc.example.com",
            "sip:a@10.0.0.2",
            "sip:a@127.0.0.1",
            "sip:a@100.64.0.1",
            "sip:a@0.0.0.0",
            "sip:a@[2001:db8::2]",
            "sip:a@198.51.100.2;transport=tcp",
        ] {
            let flow = leads(Protocol::Udp, "198.51.100.1:5060", uri);
            assert_eq!(flow.remote, "198.51.100.1:5060".parse().unwrap(), "{uri}");
        }
    }

    #[test]
    fn a_connection_is_used_again_whatever_port_the_uri_names() {
        let uri = "sip:a@198.51.100.1:5060;transport=tcp";
        let flow = leads(Protocol::Tcp, "198.51.100.1:40001", uri);
        assert_eq!(flow.connection, Some(ConnectionId(7)));
        let uri = "sip:a@198.51.100.2;transport=TCP";
        let flow = leads(Protocol::Tcp, "198.51.100.1:40001", uri);
        assert_eq!(flow.connection, None);
        assert_eq!(flow.remote, "198.51.100.2:5060".parse().unwrap());
    }

    #[test]
    fn contact_names_user_address_and_transport() {
        let flow = leads(Protocol::Tcp, "198.51.100.1:5060", "sip:a@b");
        let line = Line::new(
            flow,
            "[2001:db8::9]:5062".parse().unwrap(),
            "",
            NextHop::Flow,
        );
        assert_eq!(line.contact, "<sip:[2001:db8::9]:5062;transport=tcp>");
        let line = Line::new(flow, flow.local, "a b", NextHop::Flow);
        assert_eq!(line.contact, "<sip:a%20b@192.0.2.1:5060;transport=tcp>");
    }
}
