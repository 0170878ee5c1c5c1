//! How the requests of a leg reach its other side.

use std::net::SocketAddr;

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
    fn leads_elsewhere(&self, protocol: Protocol, remote: SocketAddr) -> bool {
        let is_reachable =
            protocol == self.flow.protocol && remote.is_ipv4() == self.flow.remote.is_ipv4();
        is_reachable
            && match protocol {
                Protocol::Tcp => remote.ip() != self.flow.remote.ip(),
                Protocol::Udp => remote != self.flow.remote,
            }
    }
}
