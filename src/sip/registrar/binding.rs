//! A phone that has registered.

use crate::core::name::UserName;
use crate::core::record::RegistrationRecord;
use crate::core::snapshot::Protocol;
use crate::core::time::{Mono, Wall};
use crate::sip::flow::Flow;
use crate::sip::message::Uri;

/// A phone of a user, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose.
    pub user: UserName,
    /// The Request-URI for requests to it.
    pub contact: Uri,
    /// The flow that it registered over: requests to it go there, whatever its Contact says.
    pub flow: Flow,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// When it came, first.
    pub registered: Wall,
    /// When it runs out.
    pub expires: Wall,
    /// `+sip.instance` and `reg-id` (RFC 5626 §4.1), where both were sent.
    pub(super) instance: Option<(String, u32)>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) ends: Mono,
    /// When it is to be pinged next; `None`: not behind a NAT.
    pub(super) ping_at: Option<Mono>,
}

impl Binding {
    /// When it is to be looked at next.
    pub(super) fn wakes(&self) -> Mono {
        self.ping_at.map_or(self.ends, |ping| ping.min(self.ends))
    }

    pub(super) fn record(&self) -> RegistrationRecord {
        RegistrationRecord {
            user: self.user.clone(),
            contact: self.contact.to_string(),
            protocol: protocol_name(self.flow.protocol).to_owned(),
            local: self.flow.local.to_string(),
            remote: self.flow.remote.to_string(),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            user_agent: self.user_agent.clone(),
            registered: self.registered,
            expires: self.expires,
        }
    }
}

pub(super) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Udp => "udp",
        Protocol::Tcp => "tcp",
    }
}

/// A phone that is reached at another address than it believes to have.
pub(super) fn is_behind_nat(contact: &Uri, flow: &Flow) -> bool {
    flow.protocol == Protocol::Udp && contact.socket_address() != Some(flow.remote)
}
