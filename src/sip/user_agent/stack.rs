//! What legs share: the transaction layer below them, the events above, and who waits for what.

use std::collections::{HashMap, VecDeque};

use crate::core::id::{LegId, RandomSource};
use crate::core::time::Mono;
use crate::sip::message::{ACCEPT, ALLOW, Headers, Request, Response};
use crate::sip::transaction::{ClientKey, ServerKey, Transactions};
use crate::sip::user_agent::event::{Event, RequestId, UserAgentConfig};

/// Who waits for the responses of a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Leg(LegId, Purpose),
    Outside(RequestId),
}

/// What a leg sent a request for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Invite,
    Offer,
    Bye,
    Ping,
}

impl Purpose {
    /// Whether its 2xx may come again.
    pub fn is_invite(self) -> bool {
        matches!(self, Purpose::Invite | Purpose::Offer)
    }
}

/// What all legs work with.
pub(super) struct Stack {
    pub config: UserAgentConfig,
    pub random: RandomSource,
    pub transactions: Transactions,
    pub events: VecDeque<Event>,
    /// Requests of ours whose final response is awaited, and INVITEs whose 2xx may come again.
    pub clients: HashMap<ClientKey, Client>,
    /// INVITEs inside legs that have no final response: what a CANCEL is for.
    pub servers: HashMap<ServerKey, LegId>,
}

impl Stack {
    /// Answers without a body.
    pub fn reply(&mut self, key: ServerKey, request: &Request, status: u16, now: Mono) {
        self.respond(key, request.response(status), now);
    }

    /// Answers, and says who does.
    pub fn respond(&mut self, key: ServerKey, mut response: Response, now: Mono) {
        self.sign(&mut response);
        self.deliver(key, response, now);
    }

    /// What every final response has: a tag in To (RFC 3261 §8.2.6.2), and Server.
    pub fn sign(&mut self, response: &mut Response) {
        if response.is_provisional() {
            return;
        }
        let headers = &mut response.headers;
        if headers.to_tag().is_none()
            && let Some(to) = headers.value("To").map(str::to_owned)
        {
            let tag = self.random.token();
            headers.replace("To", format_args!("{to};tag={tag}"));
        }
        if !self.config.user_agent_header.is_empty() {
            headers.push("Server", &self.config.user_agent_header);
        }
    }

    /// Sends a response as it stands.
    pub fn deliver(&mut self, key: ServerKey, response: Response, now: Mono) {
        if !response.is_provisional() {
            self.servers.remove(&key);
        }
        self.transactions.respond(&key, response, now);
    }

    /// Answers with 500 to a request that may be repeated a little later (RFC 3261 §14.2).
    pub fn reply_later(&mut self, key: ServerKey, request: &Request, now: Mono) {
        let seconds = self.random.next_u64() % 11;
        let response = request.response(500).with_header("Retry-After", seconds);
        self.respond(key, response, now);
    }

    /// User-Agent of a request of ours.
    pub fn introduce(&self, headers: &mut Headers) {
        if !self.config.user_agent_header.is_empty() {
            headers.push("User-Agent", &self.config.user_agent_header);
        }
    }
}

/// What we can do, for an INVITE, its 2xx, and the answer to OPTIONS. No extension is supported.
pub(super) fn push_capabilities(headers: &mut Headers) {
    headers.push("Allow", ALLOW);
    headers.push("Supported", "");
    headers.push("Accept", ACCEPT);
}
