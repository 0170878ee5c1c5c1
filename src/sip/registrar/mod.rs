//! The registrar (RFC 3261 §10): which phones each user has, and over which flow they are reached.
//!
//! A machine: hand it a REGISTER and send what it returns; drain the actions; wait until
//! `next_timeout`. Whoever has not shown a right password leaves no trace but a count beside a user
//! who exists, so strangers cannot make it grow.

mod binding;
mod register;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use binding::Binding;

use crate::core::id::RandomSource;
use crate::core::name::UserName;
use crate::core::record::{Record, RegistrationRecord};
use crate::core::routing::DeviceFacts;
use crate::core::snapshot::{Protocol, Snapshot};
use crate::core::time::{Mono, Now, Wall};
use crate::sip::digest::{Challenger, Shown, Verdict};
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::message::{Method, Request, Response, Uri};
use binding::{is_behind_nat, protocol_name};

/// The lifetime of a binding where the phone names none, in seconds (RFC 3261 §10.2.1.1).
pub const DEFAULT_EXPIRES: u32 = 3_600;

/// The shortest lifetime, in seconds. Phones behind a NAT renew about once a minute; more often costs
/// a hash per phone and gains nothing, since we keep the NAT open ourselves.
pub const MIN_EXPIRES: u32 = 60;

/// The longest lifetime, in seconds: a phone that vanished is known to be gone after two hours.
pub const MAX_EXPIRES: u32 = 7_200;

/// Bindings of one user at a time. A person has a few phones; one that comes back under another
/// address pushes out the binding that would end first.
pub const MAX_BINDINGS_PER_USER: usize = 10;

/// The longest Contact URI, Call-ID and instance that are kept, in octets. Ones in use are under 200.
pub const MAX_KEPT_OCTETS: usize = 1_024;

/// How often a phone behind a NAT is pinged: under the 30 s after which common routers forget a UDP
/// mapping.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);

/// What the registrar wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Keep this, so that registrations outlive a restart.
    Store(Record),
    /// Send an OPTIONS, whose answer does not matter.
    Ping {
        /// The flow to keep open.
        flow: Flow,
        /// The Request-URI.
        uri: Uri,
    },
    /// A user who had no phone has one now, or the other way round.
    ReachabilityChanged {
        /// Who.
        user: UserName,
    },
    /// A line for whoever watches.
    Tell {
        /// The line.
        text: String,
    },
}

/// Everything about who is registered where.
pub struct Registrar {
    random: RandomSource,
    challenger: Challenger,
    users: BTreeMap<UserName, Registrations>,
    bindings: BTreeMap<u64, Binding>,
    last_binding: u64,
    /// What is to be looked at when: one entry for each binding.
    due: BTreeSet<(Mono, u64)>,
    connections: BTreeSet<(ConnectionId, u64)>,
    /// How many bindings came from each address.
    sources: BTreeMap<IpAddr, usize>,
    actions: VecDeque<Action>,
}

#[derive(Debug, Default)]
struct Registrations {
    bindings: Vec<u64>,
    lost: Option<(Wall, SocketAddr)>,
    wrong_passwords: u32,
}

impl Registrar {
    /// Nobody is registered.
    pub fn new(mut random: RandomSource) -> Registrar {
        Registrar {
            challenger: Challenger::new(&mut random),
            random,
            users: BTreeMap::new(),
            bindings: BTreeMap::new(),
            last_binding: 0,
            due: BTreeSet::new(),
            connections: BTreeSet::new(),
            sources: BTreeMap::new(),
            actions: VecDeque::new(),
        }
    }

    /// Takes the bindings of an earlier run. One that ran out meanwhile is remembered as lost.
    pub fn restore(&mut self, records: Vec<RegistrationRecord>, now: Now) {
        for record in records {
            let (Ok(contact), Ok(local), Ok(remote)) = (
                record.contact.parse::<Uri>(),
                record.local.parse(),
                record.remote.parse::<SocketAddr>(),
            ) else {
                continue;
            };
            // A connection does not outlive the process that held it.
            let gone = record.protocol != "udp" || record.expires <= now.wall;
            if gone {
                let lost = (record.expires.min(now.wall), remote);
                let entry = self.users.entry(record.user.clone()).or_default();
                entry.lost = entry.lost.max(Some(lost));
                self.actions.push_back(Action::Store(Record::Unregistered {
                    user: record.user,
                    contact: record.contact,
                }));
                continue;
            }
            let flow = Flow {
                protocol: Protocol::Udp,
                local,
                remote,
                connection: None,
            };
            // Spread, so that not every phone is pinged in the same instant.
            let spread = self.last_binding % PING_INTERVAL.as_secs();
            self.bind(Binding {
                ends: now.mono + record.expires.since(now.wall),
                ping_at: is_behind_nat(&contact, &flow)
                    .then(|| now.mono + Duration::from_secs(spread)),
                user: record.user,
                contact,
                flow,
                user_agent: record.user_agent,
                registered: record.registered,
                expires: record.expires,
                instance: None,
                call_id: record.call_id,
                cseq: record.cseq,
            });
        }
    }

    /// Who sent `request`, or the 401 that asks for a password. The digest of an INVITE counts only
    /// for the user part that it was made for, so that it cannot be turned to another number; hosts
    /// are not compared, since phones differ in how they write the port.
    pub fn authenticate(
        &mut self,
        request: &Request,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<UserName, Box<Response>> {
        let settings = &snapshot.settings.sip;
        let shown = Shown::find(&request.headers, "Authorization", &settings.realm);
        let mut stale = false;
        if let Some(shown) = shown {
            let user = snapshot.user(&shown.username);
            let password = user
                .and_then(|user| user.sip_password.as_ref())
                .map(|secret| secret.0.as_str());
            let verdict = self.challenger.verify(
                &shown,
                &request.method,
                password,
                settings.digest,
                now.mono,
            );
            match (verdict, user) {
                (Verdict::Right, Some(user)) if is_for_this_request(&shown, request) => {
                    return Ok(user.name.clone());
                }
                (Verdict::Stale, _) => stale = true,
                (Verdict::Wrong, Some(user)) => self.count_wrong_password(&user.name),
                (Verdict::Right | Verdict::Wrong, _) => {}
            }
        }
        let mut response = self.response(request, 401);
        let challenges = self.challenger.challenge(
            settings.digest,
            &settings.realm,
            stale,
            &mut self.random,
            now.mono,
        );
        for challenge in challenges {
            response.headers.push("WWW-Authenticate", challenge);
        }
        Err(Box::new(response))
    }

    /// The bindings of `user`, the one that was renewed last at the end.
    pub fn devices_of(&self, user: &UserName) -> impl Iterator<Item = &Binding> {
        self.users
            .get(user)
            .into_iter()
            .flat_map(|entry| &entry.bindings)
            .filter_map(|id| self.bindings.get(id))
    }

    /// What routing is told of the phones that `user` has registered.
    pub fn device_facts(&self, user: &UserName) -> DeviceFacts {
        let none = Registrations::default();
        let entry = self.users.get(user).unwrap_or(&none);
        DeviceFacts {
            reachable: u32::try_from(entry.bindings.len()).unwrap_or(u32::MAX),
            lost: entry.lost,
            wrong_passwords: entry.wrong_passwords,
        }
    }

    /// True where a phone is registered from that address.
    pub fn knows_source(&self, address: IpAddr) -> bool {
        self.sources.contains_key(&address)
    }

    /// A connection was closed: what was reached over it is reached no more. A UDP flow that could
    /// not be sent to may work again a moment later, and keeps its bindings.
    pub fn flow_failed(&mut self, flow: Flow, now: Now) {
        let Some(connection) = flow.connection else {
            return;
        };
        let over_it: Vec<u64> = self
            .connections
            .range((connection, 0)..=(connection, u64::MAX))
            .map(|(_, id)| *id)
            .collect();
        for id in over_it {
            self.unbind(id, now, "its connection closed");
        }
    }

    /// A configuration was loaded: who is in it no more, or has no password, has no phones.
    pub fn snapshot_changed(&mut self, snapshot: &Snapshot, now: Now) {
        let may_register = |name: &UserName| {
            snapshot
                .user(name)
                .is_some_and(|user| user.sip_password.is_some())
        };
        let gone: Vec<UserName> = self
            .users
            .keys()
            .filter(|name| !may_register(name))
            .cloned()
            .collect();
        for name in gone {
            let bindings = self
                .users
                .get(&name)
                .map(|entry| entry.bindings.clone())
                .unwrap_or_default();
            for id in bindings {
                self.unbind(
                    id,
                    now,
                    "the configuration has no such user with a password",
                );
            }
            self.users.remove(&name);
        }
    }

    /// What is to be done next; drain until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When a binding is to be pinged or runs out.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Pings what is to be pinged, and takes away what has run out.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((at, id)) = self.due.first().copied() {
            if at > now.mono {
                break;
            }
            self.due.remove(&(at, id));
            let Some(binding) = self.bindings.get_mut(&id) else {
                continue;
            };
            if binding.ends <= now.mono {
                self.unbind(id, now, "it ran out");
                continue;
            }
            if binding.ping_at.is_some_and(|at| at <= now.mono) {
                binding.ping_at = Some(now.mono + PING_INTERVAL);
                self.actions.push_back(Action::Ping {
                    flow: binding.flow,
                    uri: binding.contact.clone(),
                });
            }
            self.due.insert((binding.wakes(), id));
        }
    }

    fn renew(&mut self, earlier: Option<u64>, mut binding: Binding, now: Now) {
        let user = binding.user.clone();
        let was_reachable = self.is_reachable(&user);
        match earlier.and_then(|id| self.take(id)) {
            Some(old) => {
                binding.registered = old.registered;
                let same_row = binding.flow.protocol == Protocol::Udp
                    && old.contact.to_string() == binding.contact.to_string();
                if !same_row {
                    self.forget_row(&old);
                }
                if old.flow != binding.flow {
                    self.tell_registered(&binding, now);
                }
            }
            None => {
                self.make_room(&user, now);
                self.tell_registered(&binding, now);
            }
        }
        if binding.flow.protocol == Protocol::Udp {
            self.actions
                .push_back(Action::Store(Record::Registered(binding.record())));
        }
        self.bind(binding);
        if let Some(entry) = self.users.get_mut(&user) {
            entry.wrong_passwords = 0;
        }
        if !was_reachable {
            self.actions.push_back(Action::ReachabilityChanged { user });
        }
    }

    fn make_room(&mut self, user: &UserName, now: Now) {
        while self.devices_of(user).count() >= MAX_BINDINGS_PER_USER {
            let first_to_end = self
                .users
                .get(user)
                .into_iter()
                .flat_map(|entry| &entry.bindings)
                .copied()
                .min_by_key(|id| self.bindings.get(id).map(|binding| binding.ends));
            match first_to_end {
                Some(id) => self.unbind(id, now, "the user has too many phones"),
                None => return,
            }
        }
    }

    fn bind(&mut self, binding: Binding) {
        self.last_binding += 1;
        let id = self.last_binding;
        self.due.insert((binding.wakes(), id));
        if let Some(connection) = binding.flow.connection {
            self.connections.insert((connection, id));
        }
        *self.sources.entry(binding.flow.remote.ip()).or_default() += 1;
        self.users
            .entry(binding.user.clone())
            .or_default()
            .bindings
            .push(id);
        self.bindings.insert(id, binding);
    }

    /// Takes a binding out of every table.
    fn take(&mut self, id: u64) -> Option<Binding> {
        let binding = self.bindings.remove(&id)?;
        self.due.remove(&(binding.wakes(), id));
        if let Some(connection) = binding.flow.connection {
            self.connections.remove(&(connection, id));
        }
        let address = binding.flow.remote.ip();
        if let Some(count) = self.sources.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sources.remove(&address);
            }
        }
        if let Some(entry) = self.users.get_mut(&binding.user) {
            entry.bindings.retain(|other| *other != id);
        }
        Some(binding)
    }

    fn unbind_all(&mut self, user: &UserName, now: Now) {
        let ids = self
            .users
            .get(user)
            .map(|entry| entry.bindings.clone())
            .unwrap_or_default();
        for id in ids {
            self.unbind(id, now, "it was signed off");
        }
    }

    /// Ends a binding and remembers it as the latest that was lost.
    fn unbind(&mut self, id: u64, now: Now, why: &str) {
        let Some(binding) = self.take(id) else {
            return;
        };
        self.forget_row(&binding);
        let Binding { user, flow, .. } = binding;
        if let Some(entry) = self.users.get_mut(&user) {
            entry.lost = Some((now.wall, flow.remote));
            entry.wrong_passwords = 0;
        }
        let text = format!("{user}: phone at {} is gone: {why}", flow.remote);
        self.actions.push_back(Action::Tell { text });
        if !self.is_reachable(&user) {
            self.actions.push_back(Action::ReachabilityChanged { user });
        }
    }

    fn forget_row(&mut self, binding: &Binding) {
        if binding.flow.protocol == Protocol::Udp {
            self.actions.push_back(Action::Store(Record::Unregistered {
                user: binding.user.clone(),
                contact: binding.contact.to_string(),
            }));
        }
    }

    fn tell_registered(&mut self, binding: &Binding, now: Now) {
        let text = format!(
            "{}: phone at {} registered over {}, {} s{}",
            binding.user,
            binding.flow.remote,
            protocol_name(binding.flow.protocol),
            binding.expires.since(now.wall).as_secs(),
            match &binding.user_agent {
                Some(user_agent) => format!(", {user_agent}"),
                None => String::new(),
            }
        );
        self.actions.push_back(Action::Tell { text });
    }

    fn is_reachable(&self, user: &UserName) -> bool {
        self.users
            .get(user)
            .is_some_and(|entry| !entry.bindings.is_empty())
    }

    /// Told at 1, 10, 100 …, so that guessing does not fill the log.
    fn count_wrong_password(&mut self, user: &UserName) {
        let entry = self.users.entry(user.clone()).or_default();
        entry.wrong_passwords = entry.wrong_passwords.saturating_add(1);
        let count = entry.wrong_passwords;
        if 10u32.checked_pow(count.ilog10()) == Some(count) {
            let text = format!("{user}: wrong password, {count} since the last registration");
            self.actions.push_back(Action::Tell { text });
        }
    }

    /// A final response has a tag in To (RFC 3261 §8.2.6.2).
    fn response(&mut self, request: &Request, status: u16) -> Response {
        let mut response = request.response(status);
        if let (None, Some(to)) = (request.headers.to_tag(), request.headers.value("To")) {
            let tagged = format!("{to};tag={}", self.random.token());
            response.headers.replace("To", tagged);
        }
        response
    }
}

fn is_for_this_request(shown: &Shown, request: &Request) -> bool {
    if request.method == Method::Register {
        return true;
    }
    let user_of = |uri: &str| uri.parse::<Uri>().ok().and_then(|uri| uri.user);
    shown.uri == request.uri.as_str() || user_of(&shown.uri) == user_of(request.uri.as_str())
}

#[cfg(test)]
mod tests;
