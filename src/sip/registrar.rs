//! The registrar (RFC 3261 §10): which phones each user has, and over which flow they are reached.
//!
//! A machine: hand it a REGISTER and send what it returns; drain the actions; wait until
//! `next_timeout`. Whoever has not shown a right password leaves no trace but a count beside a user
//! who exists, so strangers cannot make it grow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::core::id::RandomSource;
use crate::core::name::UserName;
use crate::core::record::{Record, RegistrationRecord};
use crate::core::routing::DeviceFacts;
use crate::core::snapshot::{Protocol, Snapshot};
use crate::core::time::{Mono, Now, Wall};
use crate::sip::digest::{Challenger, Shown, Verdict};
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::message::{Contacts, Method, NameAddr, Request, Response, Scheme, Uri};

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
    instance: Option<(String, u32)>,
    call_id: String,
    cseq: u32,
    ends: Mono,
    /// When it is to be pinged next; `None`: not behind a NAT.
    ping_at: Option<Mono>,
}

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

/// What one Contact of a REGISTER asks for.
struct Wanted {
    contact: Uri,
    instance: Option<(String, u32)>,
    /// Seconds; 0 takes the binding away.
    expires: u32,
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

    /// Handles a REGISTER that came over `flow`, and says what to answer.
    pub fn handle_register(
        &mut self,
        request: &Request,
        flow: Flow,
        snapshot: &Snapshot,
        now: Now,
    ) -> Response {
        let user = match self.authenticate(request, snapshot, now) {
            Ok(user) => user,
            Err(challenge) => return *challenge,
        };
        match self.update(&user, request, flow, now) {
            Ok(()) => self.accepted(&user, request, now),
            Err(refusal) => *refusal,
        }
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

    /// All or nothing: every Contact is looked at before any binding changes (RFC 3261 §10.3 step 7).
    fn update(
        &mut self,
        user: &UserName,
        request: &Request,
        flow: Flow,
        now: Now,
    ) -> Result<(), Box<Response>> {
        let refuse = |registrar: &mut Registrar, status: u16, reason: &str| {
            Box::new(registrar.response(request, status).with_reason(reason))
        };
        let headers = &request.headers;
        let (Ok(to), Ok(cseq), Ok(call_id)) = (headers.to(), headers.cseq(), headers.call_id())
        else {
            return Err(refuse(self, 400, "Bad Request - To, CSeq or Call-ID"));
        };
        if to.uri.user.as_deref() != Some(&**user) {
            let reason = "Forbidden - To names another user than the credentials";
            return Err(refuse(self, 403, reason));
        }
        let contacts = match headers.contacts() {
            Ok(contacts) => contacts,
            Err(problem) => {
                return Err(refuse(self, 400, &format!("Bad Request - {problem}")));
            }
        };
        let in_order = |binding: &Binding| binding.call_id != call_id || binding.cseq < cseq.number;
        let out_of_order = "Server Internal Error - CSeq is not higher than before";
        let list = match contacts {
            Contacts::Star => {
                if headers.expires() != Ok(Some(0)) {
                    return Err(refuse(
                        self,
                        400,
                        "Bad Request - Contact * without Expires 0",
                    ));
                }
                if !self.devices_of(user).all(in_order) {
                    return Err(refuse(self, 500, out_of_order));
                }
                self.unbind_all(user, now);
                return Ok(());
            }
            Contacts::List(list) => list,
        };
        if list.len() > MAX_BINDINGS_PER_USER {
            return Err(refuse(self, 400, "Bad Request - too many Contacts"));
        }
        let too_long = |text: &str| text.len() > MAX_KEPT_OCTETS;
        if too_long(call_id) || headers.list("Contact").any(too_long) {
            return Err(refuse(
                self,
                400,
                "Bad Request - Contact or Call-ID too long",
            ));
        }
        let default = match headers.expires() {
            Ok(Some(seconds)) => seconds,
            // What cannot be read is as good as not there (RFC 3261 §10.2.1.1).
            Ok(None) | Err(_) => DEFAULT_EXPIRES,
        };
        let wanted: Vec<Wanted> = list
            .into_iter()
            .map(|contact| Wanted::of(contact, default))
            .collect();
        for one in &wanted {
            if one.contact.scheme != Scheme::Sip {
                return Err(refuse(self, 400, "Bad Request - Contact is not a sip: URI"));
            }
            if (1..MIN_EXPIRES).contains(&one.expires) {
                let response = self.response(request, 423);
                return Err(Box::new(response.with_header("Min-Expires", MIN_EXPIRES)));
            }
            if let Some(binding) = self.bound(user, one).and_then(|id| self.bindings.get(&id))
                && !in_order(binding)
            {
                return Err(refuse(self, 500, out_of_order));
            }
        }
        let user_agent = headers.value("User-Agent").map(short);
        for one in wanted {
            let earlier = self.bound(user, &one);
            if one.expires == 0 {
                if let Some(id) = earlier {
                    self.unbind(id, now, "it was signed off");
                }
                continue;
            }
            let lifetime = Duration::from_secs(u64::from(one.expires.min(MAX_EXPIRES)));
            let ping_at = is_behind_nat(&one.contact, &flow).then(|| now.mono + PING_INTERVAL);
            self.renew(
                earlier,
                Binding {
                    user: user.clone(),
                    contact: one.contact,
                    flow,
                    user_agent: user_agent.clone(),
                    registered: now.wall,
                    expires: now.wall + lifetime,
                    instance: one.instance,
                    call_id: call_id.to_owned(),
                    cseq: cseq.number,
                    ends: now.mono + lifetime,
                    ping_at,
                },
                now,
            );
        }
        Ok(())
    }

    /// The binding that a Contact is about: the same instance and registration (RFC 5626 §6), else the
    /// same address.
    fn bound(&self, user: &UserName, wanted: &Wanted) -> Option<u64> {
        let ids = &self.users.get(user)?.bindings;
        let find = |is_it: &dyn Fn(&Binding) -> bool| {
            ids.iter()
                .copied()
                .find(|id| self.bindings.get(id).is_some_and(is_it))
        };
        let by_instance = wanted
            .instance
            .as_ref()
            .and_then(|instance| find(&|binding| binding.instance.as_ref() == Some(instance)));
        by_instance.or_else(|| find(&|binding| binding.contact.equivalent(&wanted.contact)))
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

    /// 200 with all bindings of the user (RFC 3261 §10.3 step 8). Phones set their clocks by Date.
    fn accepted(&mut self, user: &UserName, request: &Request, now: Now) -> Response {
        let mut response = self.response(request, 200);
        for binding in self.devices_of(user) {
            let mut contact = NameAddr::new(binding.contact.clone());
            let seconds = binding.ends.since(now.mono).as_secs().to_string();
            contact.params.set("expires", Some(&seconds));
            if let Some((instance, reg_id)) = &binding.instance {
                contact.params.set("+sip.instance", Some(instance));
                contact.params.set("reg-id", Some(&reg_id.to_string()));
            }
            response.headers.push("Contact", contact);
        }
        let date = now.wall.to_utc().format("%a, %d %b %Y %H:%M:%S GMT");
        response.headers.push("Date", date);
        response
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

impl Binding {
    /// When it is to be looked at next.
    fn wakes(&self) -> Mono {
        self.ping_at.map_or(self.ends, |ping| ping.min(self.ends))
    }

    fn record(&self) -> RegistrationRecord {
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

impl Wanted {
    fn of(contact: NameAddr, default_expires: u32) -> Wanted {
        let expires = match contact.params.value("expires") {
            None => default_expires,
            Some(text) => text.parse().unwrap_or(DEFAULT_EXPIRES),
        };
        let reg_id = contact
            .params
            .value("reg-id")
            .and_then(|id| id.parse().ok());
        let instance = contact
            .params
            .value("+sip.instance")
            .map(str::to_owned)
            .zip(reg_id);
        let mut uri = contact.uri;
        // Headers of a URI cannot stand in a Request-URI, which is what the URI becomes.
        uri.headers.clear();
        Wanted {
            contact: uri,
            instance,
            expires,
        }
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Udp => "udp",
        Protocol::Tcp => "tcp",
    }
}

/// A phone that is reached at another address than it believes to have.
fn is_behind_nat(contact: &Uri, flow: &Flow) -> bool {
    flow.protocol == Protocol::Udp && contact.socket_address() != Some(flow.remote)
}

fn is_for_this_request(shown: &Shown, request: &Request) -> bool {
    if request.method == Method::Register {
        return true;
    }
    let user_of = |uri: &str| uri.parse::<Uri>().ok().and_then(|uri| uri.user);
    shown.uri == request.uri.as_str() || user_of(&shown.uri) == user_of(request.uri.as_str())
}

/// What phones say of themselves is shown and stored, so not at any length.
fn short(text: &str) -> String {
    const LONGEST: usize = 120;
    text.chars()
        .filter(|character| !character.is_control())
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests;
