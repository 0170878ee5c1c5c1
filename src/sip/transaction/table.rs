//! All transactions of the daemon: matching, timers, and what needs no state machine.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::machine::{ClientMachine, ServerMachine};
use super::matching::{self, ClientMatch, ServerMatch};
use super::output::{ClientOutput, ServerOutput};
use super::server_invite::{AckFor, ServerInvite};
use super::server_non_invite::ServerNonInvite;
use super::stateless::{add_to_tag, overloaded};
use super::timers::Timers;
use super::via::{self, ResponseRoute};
use super::{Action, ClientKey, ServerKey};
use crate::core::id::RandomSource;
use crate::core::snapshot::Protocol;
use crate::core::time::Mono;
use crate::sip::flow::Flow;
use crate::sip::message::{Message, Method, Request, Response, Via};

/// Live server transactions at most. Each may stay 32 s after its answer (timer J), so this is over
/// 1,000 requests a second, and some 50 MB.
pub const SERVER_TRANSACTIONS_MAX: usize = 40_000;

/// From this many on, a new call is refused, so that the calls there are can still be ended.
pub const SERVER_TRANSACTIONS_FOR_NEW_CALLS: usize = 30_000;

/// Live client transactions at most; one more fails as if it could not be sent.
pub const CLIENT_TRANSACTIONS_MAX: usize = 40_000;

/// The transaction layer (RFC 3261 §17): one table for all transactions.
pub struct Transactions {
    timers: Timers,
    pub(super) room: Room,
    last_key: u64,
    clients: HashMap<ClientKey, Client>,
    servers: HashMap<ServerKey, Server>,
    client_matches: HashMap<ClientMatch, ClientKey>,
    server_matches: HashMap<ServerMatch, ServerKey>,
    unmerged: HashMap<Arc<str>, ServerKey>,
    deadlines: BTreeSet<(Mono, Owner)>,
    remotes: BTreeSet<(SocketAddr, Owner)>,
    actions: VecDeque<Action>,
}

/// How many transactions there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub clients: usize,
    pub servers: usize,
    pub servers_for_new_calls: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Client(ClientKey),
    Server(ServerKey),
}

struct Client {
    machine: ClientMachine,
    flow: Flow,
    matched: ClientMatch,
    /// A CANCEL, whose fate its INVITE tells.
    is_silent: bool,
    deadline: Option<Mono>,
}

struct Server {
    machine: ServerMachine,
    route: ResponseRoute,
    matched: ServerMatch,
    merge_key: Option<Arc<str>>,
    /// The tag of our To, once a response had one: the answer to a CANCEL has the same.
    to_tag: Option<Box<str>>,
    deadline: Option<Mono>,
}

impl Transactions {
    /// An empty table.
    pub fn new(timers: Timers) -> Transactions {
        Transactions {
            timers,
            room: Room {
                clients: CLIENT_TRANSACTIONS_MAX,
                servers: SERVER_TRANSACTIONS_MAX,
                servers_for_new_calls: SERVER_TRANSACTIONS_FOR_NEW_CALLS,
            },
            last_key: 0,
            clients: HashMap::new(),
            servers: HashMap::new(),
            client_matches: HashMap::new(),
            server_matches: HashMap::new(),
            unmerged: HashMap::new(),
            deadlines: BTreeSet::new(),
            remotes: BTreeSet::new(),
            actions: VecDeque::new(),
        }
    }

    /// A message has come. What cannot belong anywhere is dropped.
    pub fn handle_message(&mut self, message: Message, flow: Flow, now: Mono) {
        match message {
            Message::Request(request) => self.handle_request(request, flow, now),
            Message::Response(response) => self.handle_response(response, flow, now),
        }
    }

    /// Something could not be sent over `flow`, or its connection has closed.
    ///
    /// Requests of ours that wait for a first answer fail. Responses of ours take the way that the
    /// top Via names (RFC 3261 §18.2.2).
    pub fn handle_transport_error(&mut self, flow: Flow, now: Mono) {
        let range = (flow.remote, Owner::FIRST)..=(flow.remote, Owner::LAST);
        let owners: Vec<Owner> = self.remotes.range(range).map(|(_, owner)| *owner).collect();
        for owner in owners {
            match owner {
                Owner::Client(key) => {
                    if self
                        .clients
                        .get(&key)
                        .is_some_and(|it| is_lost(&it.flow, &flow))
                    {
                        self.drive_client(key, now, |machine, out| {
                            machine.handle_transport_error(out);
                        });
                    }
                }
                Owner::Server(key) => self.reroute(key, flow),
            }
        }
    }

    /// Sends a request of ours. Via, with a new branch and `rport`, is added here; `sent_by` is our
    /// address as the other side sees it.
    ///
    /// For every method but ACK ([`Transactions::send_ack`]) and CANCEL ([`Transactions::cancel`]).
    pub fn send_request(
        &mut self,
        mut request: Request,
        flow: Flow,
        sent_by: SocketAddr,
        random: &mut RandomSource,
        now: Mono,
    ) -> ClientKey {
        let key = self.new_client_key();
        if self.clients.len() >= self.room.clients {
            self.actions.push_back(Action::TransportFailed { key });
            return key;
        }
        let branch = via::add(&mut request, flow.protocol, sent_by, random);
        self.start_client(key, request, branch, flow, false, now);
        key
    }

    /// Sends the ACK to a 2xx, which no transaction watches over. Returns its octets: to be sent
    /// again, as they are, each time the 2xx comes again (RFC 3261 §13.2.2.4).
    pub fn send_ack(
        &mut self,
        mut ack: Request,
        flow: Flow,
        sent_by: SocketAddr,
        random: &mut RandomSource,
    ) -> Bytes {
        via::add(&mut ack, flow.protocol, sent_by, random);
        let bytes = ack.to_bytes();
        self.actions.push_back(Action::Transmit {
            flow,
            bytes: bytes.clone(),
        });
        bytes
    }

    /// Cancels an INVITE of ours (RFC 3261 §9.1), with this value of Reason: at once if a provisional
    /// response has come, else at the first one, and never after a final one. The INVITE still ends
    /// as it does: with 487, with a 2xx that crossed, or by timing out.
    pub fn cancel(&mut self, key: &ClientKey, reason: Option<&str>, now: Mono) {
        self.drive_client(*key, now, |machine, _| machine.cancel(reason));
    }

    /// Answers a request of theirs. A 2xx to an INVITE may be given again for 64×T1: sending it until
    /// its ACK comes is the transaction user's work (RFC 3261 §13.3.1.4). After a final response to
    /// anything else, and after the transaction is gone, nothing happens.
    pub fn respond(&mut self, key: &ServerKey, response: Response, now: Mono) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        if server.to_tag.is_none() {
            server.to_tag = response.headers.to_tag().map(Box::from);
        }
        let bytes = response.to_bytes();
        self.drive_server(*key, |machine, out| {
            machine.respond(response.status, bytes, now, out);
        });
    }

    /// What is to be done; to be asked until it says `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Transactions::handle_timeout`] is wanted next.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Time has come to `now`: everything that is due happens.
    pub fn handle_timeout(&mut self, now: Mono) {
        while let Some((at, owner)) = self.deadlines.first().copied() {
            if at > now {
                return;
            }
            match owner {
                Owner::Client(key) => self.drive_client(key, now, |machine, out| {
                    if let Some((timer, _)) = machine.next_timeout() {
                        machine.handle_timeout(timer, now, out);
                    }
                }),
                Owner::Server(key) => self.drive_server(key, |machine, out| {
                    if let Some((timer, _)) = machine.next_timeout() {
                        machine.handle_timeout(timer, now, out);
                    }
                }),
            }
        }
    }

    /// How many transactions live.
    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// True where none lives.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn handle_response(&mut self, response: Response, flow: Flow, now: Mono) {
        let Some(matched) = matching::of_response(&response) else {
            return;
        };
        let Some(key) = self.client_matches.get(&matched).copied() else {
            return;
        };
        self.drive_client(key, now, |machine, out| {
            machine.handle_response(response, flow, now, out);
        });
    }

    fn handle_request(&mut self, mut request: Request, flow: Flow, now: Mono) {
        let Ok(mut via) = request.headers.top_via() else {
            return;
        };
        let common = matching::common_part(&request, &via);
        via::stamp(&mut request.headers, &mut via, flow.remote);
        match request.method {
            Method::Ack => self.handle_ack(request, common, flow, now),
            Method::Cancel => self.handle_cancel(&request, common, &via, flow),
            _ => self.handle_new_or_repeated(request, common, &via, flow, now),
        }
    }

    fn handle_ack(&mut self, request: Request, common: Arc<str>, flow: Flow, now: Mono) {
        let mut whose = AckFor::User;
        if let Some(key) = self.server_matches.get(&(common, Method::Invite)).copied() {
            self.drive_server(key, |machine, _| whose = machine.handle_ack(now));
        }
        match whose {
            AckFor::User => self.actions.push_back(Action::Ack { request, flow }),
            AckFor::Layer => {}
        }
    }

    /// Answers a CANCEL. It needs no transaction of its own: a retransmission is answered alike.
    fn handle_cancel(&mut self, cancel: &Request, common: Arc<str>, via: &Via, flow: Flow) {
        let found = self.server_matches.get(&(common, Method::Invite)).copied();
        let invite = found.and_then(|key| Some((key, self.servers.get_mut(&key)?)));
        let Some((key, server)) = invite else {
            let mut response = cancel.response(481);
            add_to_tag(&mut response, None);
            return self.answer(&response, via::response_route(via, flow).flow);
        };
        let mut response = cancel.response(200);
        add_to_tag(&mut response, server.to_tag.as_deref());
        let is_in_time = server.machine.handle_cancel();
        self.answer(&response, via::response_route(via, flow).flow);
        if is_in_time {
            self.actions.push_back(Action::Cancelled { key });
        }
    }

    fn handle_new_or_repeated(
        &mut self,
        request: Request,
        common: Arc<str>,
        via: &Via,
        flow: Flow,
        now: Mono,
    ) {
        let matched = (common, request.method.clone());
        if let Some(key) = self.server_matches.get(&matched).copied() {
            return self.drive_server(key, |machine, out| machine.handle_retransmission(out));
        }
        let route = via::response_route(via, flow);
        if self.is_full_for(&request) {
            return self.shed(&request, route.flow);
        }
        let merge_key = matching::merge_key(&request);
        let is_merged = merge_key
            .as_ref()
            .is_some_and(|it| self.unmerged.contains_key(it));
        let merge_key = merge_key.filter(|_| !is_merged);
        let key = self.start_server(&request.method, matched, merge_key, route, now);
        if is_merged {
            let mut response = request.response(482);
            add_to_tag(&mut response, None);
            return self.respond(&key, response, now);
        }
        if request.method == Method::Invite {
            self.respond(&key, request.response(100), now);
        }
        self.actions
            .push_back(Action::Request { key, request, flow });
    }

    fn is_full_for(&self, request: &Request) -> bool {
        let is_new_call = request.method == Method::Invite && request.headers.to_tag().is_none();
        let most = if is_new_call {
            self.room.servers_for_new_calls
        } else {
            self.room.servers
        };
        self.servers.len() >= most
    }

    /// Refuses a request without a transaction (RFC 3261 §8.2.7).
    fn shed(&mut self, request: &Request, flow: Flow) {
        self.answer(&overloaded(request), flow);
    }

    fn answer(&mut self, response: &Response, flow: Flow) {
        self.actions.push_back(Action::Transmit {
            flow,
            bytes: response.to_bytes(),
        });
    }

    fn start_server(
        &mut self,
        method: &Method,
        matched: ServerMatch,
        merge_key: Option<Arc<str>>,
        route: ResponseRoute,
        now: Mono,
    ) -> ServerKey {
        self.last_key += 1;
        let key = ServerKey(self.last_key);
        let reliable = is_reliable(route.flow.protocol);
        let machine = match method {
            Method::Invite => ServerMachine::Invite(ServerInvite::new(reliable, self.timers)),
            _ => ServerMachine::NonInvite(ServerNonInvite::new(reliable, self.timers, now)),
        };
        self.server_matches.insert(matched.clone(), key);
        if let Some(merge_key) = &merge_key {
            self.unmerged.insert(merge_key.clone(), key);
        }
        self.remotes.insert((route.flow.remote, Owner::Server(key)));
        let deadline = machine.next_timeout().map(|(_, at)| at);
        move_deadline(&mut self.deadlines, Owner::Server(key), None, deadline);
        let server = Server {
            machine,
            route,
            matched,
            merge_key,
            to_tag: None,
            deadline,
        };
        self.servers.insert(key, server);
        key
    }

    fn start_client(
        &mut self,
        key: ClientKey,
        request: Request,
        branch: Arc<str>,
        flow: Flow,
        is_silent: bool,
        now: Mono,
    ) {
        let reliable = is_reliable(flow.protocol);
        let matched = (branch, request.method.clone());
        let bytes = request.to_bytes();
        let out = &mut ClientOutput {
            key,
            flow,
            is_silent,
            actions: &mut self.actions,
        };
        let machine = if request.method == Method::Invite {
            let start = ClientInvite::start(request, bytes, reliable, self.timers, now, out);
            ClientMachine::Invite(start)
        } else {
            let start = ClientNonInvite::start(bytes, reliable, self.timers, now, out);
            ClientMachine::NonInvite(start)
        };
        let deadline = machine.next_timeout().map(|(_, at)| at);
        move_deadline(&mut self.deadlines, Owner::Client(key), None, deadline);
        self.client_matches.insert(matched.clone(), key);
        self.remotes.insert((flow.remote, Owner::Client(key)));
        self.clients.insert(
            key,
            Client {
                machine,
                flow,
                matched,
                is_silent,
                deadline,
            },
        );
    }

    /// Hands something to a client transaction, and follows what became of it.
    fn drive_client(
        &mut self,
        key: ClientKey,
        now: Mono,
        event: impl FnOnce(&mut ClientMachine, &mut ClientOutput<'_>),
    ) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let (flow, is_silent) = (client.flow, client.is_silent);
        event(
            &mut client.machine,
            &mut ClientOutput {
                key,
                flow,
                is_silent,
                actions: &mut self.actions,
            },
        );
        let cancel = client.machine.take_cancel(now);
        let branch = client.matched.0.clone();
        let deadline = client.machine.next_timeout().map(|(_, at)| at);
        if deadline != client.deadline {
            let before = std::mem::replace(&mut client.deadline, deadline);
            move_deadline(&mut self.deadlines, Owner::Client(key), before, deadline);
        }
        if client.machine.is_terminated() {
            self.client_matches.remove(&client.matched);
            self.remotes.remove(&(flow.remote, Owner::Client(key)));
            self.clients.remove(&key);
        }
        if let Some(cancel) = cancel {
            let key = self.new_client_key();
            self.start_client(key, cancel, branch, flow, true, now);
        }
    }

    /// Hands something to a server transaction, and follows what became of it.
    fn drive_server(
        &mut self,
        key: ServerKey,
        event: impl FnOnce(&mut ServerMachine, &mut ServerOutput<'_>),
    ) {
        let Some(server) = self.servers.get_mut(&key) else {
            return;
        };
        let flow = server.route.flow;
        event(
            &mut server.machine,
            &mut ServerOutput {
                flow,
                actions: &mut self.actions,
            },
        );
        let deadline = server.machine.next_timeout().map(|(_, at)| at);
        if deadline != server.deadline {
            let before = std::mem::replace(&mut server.deadline, deadline);
            move_deadline(&mut self.deadlines, Owner::Server(key), before, deadline);
        }
        if server.machine.is_terminated() {
            self.server_matches.remove(&server.matched);
            if let Some(merge_key) = &server.merge_key {
                self.unmerged.remove(merge_key);
            }
            self.remotes.remove(&(flow.remote, Owner::Server(key)));
            self.servers.remove(&key);
        }
    }

    /// Sends the responses of a server transaction whose connection is gone another way.
    fn reroute(&mut self, key: ServerKey, lost: Flow) {
        let Some(server) = self.servers.get_mut(&key) else {
            return;
        };
        let is_of_connection = server.route.flow.connection.is_some();
        let Some(remote) = server.route.without_connection else {
            return;
        };
        if !is_of_connection || !is_lost(&server.route.flow, &lost) {
            return;
        }
        self.remotes
            .remove(&(server.route.flow.remote, Owner::Server(key)));
        self.remotes.insert((remote, Owner::Server(key)));
        server.route.flow = Flow {
            remote,
            connection: None,
            ..server.route.flow
        };
        self.drive_server(key, |machine, out| machine.handle_rerouting(out));
    }

    fn new_client_key(&mut self) -> ClientKey {
        self.last_key += 1;
        ClientKey(self.last_key)
    }
}

impl Owner {
    const FIRST: Owner = Owner::Client(ClientKey(0));
    const LAST: Owner = Owner::Server(ServerKey(u64::MAX));
}

fn move_deadline(
    deadlines: &mut BTreeSet<(Mono, Owner)>,
    owner: Owner,
    before: Option<Mono>,
    after: Option<Mono>,
) {
    if let Some(at) = before {
        deadlines.remove(&(at, owner));
    }
    if let Some(at) = after {
        deadlines.insert((at, owner));
    }
}

/// Whether what happened to `lost` concerns a transaction over `flow`.
fn is_lost(flow: &Flow, lost: &Flow) -> bool {
    if flow.protocol != lost.protocol || flow.remote != lost.remote {
        return false;
    }
    match flow.protocol {
        Protocol::Udp => flow.local == lost.local,
        Protocol::Tcp => flow.connection.is_none() || flow.connection == lost.connection,
    }
}

fn is_reliable(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Udp => false,
        Protocol::Tcp => true,
    }
}
