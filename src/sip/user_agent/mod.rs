//! The user agent: legs over dialogs over transactions (RFC 3261 §8, §12–15).
//!
//! Commands and messages go in, [`Event`]s come out of [`UserAgent::poll_event`], and
//! [`UserAgent::next_timeout`] says when [`UserAgent::handle_timeout`] is wanted. Everything that
//! concerns one dialog alone is settled here: retransmitted 2xx and ACK, forks, CSeq, crossing
//! requests, challenges, what is not supported.

mod callee;
mod caller;
mod challenge;
mod content;
mod established;
mod event;
mod exchange;
mod leg;
mod line;
mod stack;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

pub use event::{
    Body, Credentials, EndReason, Event, NextHop, OutgoingInvite, RequestId, UserAgentConfig,
};

use crate::core::id::{LegId, RandomSource};
use crate::core::time::Mono;
use crate::sip::flow::Flow;
use crate::sip::message::{Message, Method, NameAddr, Request, Response, check_request};
use crate::sip::transaction::{Action, ClientKey, ServerKey, Transactions};
use callee::Incoming;
use leg::{Leg, Outcome, Phase};
use stack::{Client, Stack};

/// All legs and the requests outside dialogs.
pub struct UserAgent {
    stack: Stack,
    legs: HashMap<LegId, Box<Leg>>,
    /// Our tags, each of one leg.
    tags: HashMap<String, LegId>,
    incoming: HashMap<ServerKey, Incoming>,
    timers: BTreeSet<(Mono, LegId)>,
    last_request: u64,
}

impl UserAgent {
    /// A user agent without legs. `random` makes its tags, branches and Call-IDs.
    pub fn new(config: UserAgentConfig, random: RandomSource) -> UserAgent {
        let stack = Stack {
            transactions: Transactions::new(config.timers),
            config,
            random,
            events: VecDeque::new(),
            clients: HashMap::new(),
            servers: HashMap::new(),
        };
        UserAgent {
            stack,
            legs: HashMap::new(),
            tags: HashMap::new(),
            incoming: HashMap::new(),
            timers: BTreeSet::new(),
            last_request: 0,
        }
    }

    /// A message has come over `flow`.
    pub fn handle_message(&mut self, message: Message, flow: Flow, now: Mono) {
        self.stack.transactions.handle_message(message, flow, now);
        self.drain(now);
    }

    /// Nothing can be sent over `flow` any more, or its connection has closed.
    pub fn handle_transport_error(&mut self, flow: Flow, now: Mono) {
        if flow.connection.is_some() {
            for leg in self.legs.values_mut() {
                leg.handle_transport_error(flow);
            }
        }
        self.stack.transactions.handle_transport_error(flow, now);
        self.drain(now);
    }

    /// When [`handle_timeout`](UserAgent::handle_timeout) is wanted next.
    pub fn next_timeout(&self) -> Option<Mono> {
        let leg = self.timers.first().map(|(at, _)| *at);
        let transaction = self.stack.transactions.next_timeout();
        [leg, transaction].into_iter().flatten().min()
    }

    /// The time has come that `next_timeout` named.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.stack.transactions.handle_timeout(now);
        self.drain(now);
        while let Some((at, leg)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.with_leg(leg, now, |leg, stack| leg.handle_timeout(stack, now));
        }
    }

    /// What happened next; `None` when all has been told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.stack.events.pop_front()
    }

    /// Sends a request outside dialogs, without Via. Max-Forwards, Call-ID, CSeq, the tag of From and
    /// User-Agent are made here where they are missing. Leads to `Response`.
    pub fn send(
        &mut self,
        mut request: Request,
        flow: Flow,
        sent_by: SocketAddr,
        now: Mono,
    ) -> RequestId {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.complete(&mut request);
        let stack = &mut self.stack;
        let key = stack
            .transactions
            .send_request(request, flow, sent_by, &mut stack.random, now);
        stack.clients.insert(key, Client::Outside(id));
        self.drain(now);
        id
    }

    /// Answers a request that `Request` reported. A final response gets a tag in To where it
    /// has none, and Server.
    pub fn respond(&mut self, server: ServerKey, response: Response, now: Mono) {
        self.stack.respond(server, response, now);
        self.drain(now);
    }

    /// The flow that the leg's messages now take; `None` for a leg that is over.
    pub fn leg_flow(&self, leg: LegId) -> Option<Flow> {
        self.legs.get(&leg).map(|leg| leg.line.flow)
    }

    /// Who is on the other side: From of their INVITE, or To of the response to ours.
    pub fn remote_identity(&self, leg: LegId) -> Option<NameAddr> {
        let dialog = self.legs.get(&leg)?.dialog()?;
        dialog.identities().1.parse().ok()
    }

    /// Call-ID of the leg, for reports.
    pub fn call_id(&self, leg: LegId) -> Option<&str> {
        let leg = self.legs.get(&leg)?;
        match (&leg.origin, leg.dialog()) {
            (Some(origin), _) => Some(&origin.call_id),
            (None, Some(dialog)) => Some(&dialog.id().call_id),
            (None, None) => None,
        }
    }

    /// How many legs are kept, those included that the engine is through with: a leg we called stays
    /// for 64×T1 after its 2xx.
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Whether a leg still has somebody to tell that it is over: CANCEL or BYE is on its way, or waits
    /// for the ACK to our 200.
    pub fn is_saying_goodbye(&self) -> bool {
        self.legs.values().any(|leg| match leg.phase {
            Phase::Calling(_) | Phase::Called(_) | Phase::Established(_) | Phase::Leaving(_) => {
                true
            }
            Phase::Over => false,
        })
    }

    /// Whether nothing is kept at all: no leg, no transaction, no timer.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty()
            && self.tags.is_empty()
            && self.incoming.is_empty()
            && self.timers.is_empty()
            && self.stack.clients.is_empty()
            && self.stack.servers.is_empty()
            && self.stack.transactions.is_empty()
    }

    /// Does something with a leg, and all that follows from it.
    fn with_leg(&mut self, id: LegId, now: Mono, act: impl FnOnce(&mut Leg, &mut Stack)) {
        self.in_leg(id, act);
        self.drain(now);
    }

    fn in_leg(&mut self, id: LegId, act: impl FnOnce(&mut Leg, &mut Stack)) {
        if let Some(leg) = self.legs.get_mut(&id) {
            act(leg, &mut self.stack);
            self.settle(id);
        }
    }

    fn insert(&mut self, leg: Leg, now: Mono) {
        let id = leg.id;
        self.tags.insert(leg.tag.clone(), id);
        self.legs.insert(id, Box::new(leg));
        self.settle(id);
        self.drain(now);
    }

    /// Brings the table of timers up to date, and drops the leg when nothing of it is left.
    fn settle(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let next = leg.next_timeout().filter(|_| !leg.is_done());
        if next != leg.scheduled {
            if let Some(at) = leg.scheduled {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = next {
                self.timers.insert((at, id));
            }
            leg.scheduled = next;
        }
        if leg.is_done()
            && let Some(leg) = self.legs.remove(&id)
        {
            self.tags.remove(&leg.tag);
        }
    }

    /// Carries out what the transaction layer asks, until it asks nothing more.
    fn drain(&mut self, now: Mono) {
        while let Some(action) = self.stack.transactions.poll_action() {
            match action {
                Action::Transmit { flow, bytes } => {
                    self.stack.events.push_back(Event::Transmit { flow, bytes });
                }
                Action::Request { key, request, flow } => {
                    self.handle_request(key, request, flow, now);
                }
                Action::Ack { request, .. } => self.handle_ack(&request, now),
                Action::Cancelled { key } => self.handle_cancelled(key, now),
                Action::Response { key, response, .. } => {
                    self.handle_outcome(key, Outcome::Response(response), now);
                }
                Action::TimedOut { key } => self.handle_outcome(key, Outcome::TimedOut, now),
                Action::TransportFailed { key } => {
                    self.handle_outcome(key, Outcome::TransportFailed, now);
                }
            }
        }
    }

    fn handle_request(&mut self, key: ServerKey, request: Request, flow: Flow, now: Mono) {
        if let Err(refusal) = check_request(&request) {
            return self.stack.respond(key, *refusal, now);
        }
        if let Some(tag) = request.headers.to_tag() {
            return match self.tags.get(tag).copied() {
                Some(leg) => self.in_leg(leg, |leg, stack| {
                    leg.handle_request(stack, key, request, flow, now);
                }),
                None => self.stack.reply(key, &request, 481, now),
            };
        }
        match request.method {
            Method::Invite => self.handle_invite(key, request, flow, now),
            Method::Options | Method::Register => {
                self.stack
                    .events
                    .push_back(Event::Request { key, request, flow });
            }
            Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Update
            | Method::Info
            | Method::Prack
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish
            | Method::Other(_) => {
                self.stack.reply(key, &request, 481, now);
            }
        }
    }

    fn handle_ack(&mut self, ack: &Request, now: Mono) {
        let tag = ack.headers.to_tag().unwrap_or_default();
        if let Some(leg) = self.tags.get(tag).copied() {
            self.in_leg(leg, |leg, stack| leg.handle_ack(stack, ack, now));
        }
    }

    fn handle_outcome(&mut self, key: ClientKey, outcome: Outcome, now: Mono) {
        let Some(client) = self.stack.clients.get(&key).copied() else {
            return;
        };
        match client {
            Client::Outside(id) if !outcome.is_provisional() => {
                self.stack.clients.remove(&key);
                let response = match outcome {
                    Outcome::Response(response) => Some(Box::new(response)),
                    Outcome::TimedOut | Outcome::TransportFailed => None,
                };
                self.stack
                    .events
                    .push_back(Event::Response { id, response });
            }
            Client::Outside(_) => {}
            Client::Leg(leg, purpose) => {
                let may_repeat = purpose.is_invite() && outcome.status() < 300;
                if !self.legs.contains_key(&leg) || !outcome.is_provisional() && !may_repeat {
                    self.stack.clients.remove(&key);
                }
                self.in_leg(leg, |leg, stack| {
                    leg.handle_outcome(stack, (key, purpose), outcome, now);
                });
            }
        }
    }

    /// Makes what a request outside dialogs must have (RFC 3261 §8.1.1) and has not.
    fn complete(&mut self, request: &mut Request) {
        let random = &mut self.stack.random;
        let headers = &mut request.headers;
        if !headers.contains("Max-Forwards") {
            headers.push("Max-Forwards", 70);
        }
        if headers.from_tag().is_none() {
            let from = headers.value("From").unwrap_or_default().to_owned();
            headers.replace("From", format_args!("{from};tag={}", random.token()));
        }
        if !headers.contains("Call-ID") {
            headers.push("Call-ID", random.token());
        }
        if !headers.contains("CSeq") {
            headers.push("CSeq", format_args!("1 {}", request.method));
        }
        if !headers.contains("User-Agent") {
            self.stack.introduce(&mut request.headers);
        }
    }
}
