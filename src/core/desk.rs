//! The desk: who is free, who is being rung, who talks. It is the single writer of offers, so that
//! nobody is rung by two calls at once, and it outlives reloads: everything is kept by name.
//!
//! A call asks with [`Desk::select`]; when the decision is to ring, the users are claimed in the same
//! turn, and the call dials their devices. It then says how each of these offers ended
//! ([`Desk::offer_ended`], [`Desk::accepted`]) and that the call itself has ([`Desk::call_ended`]).
//! Somebody who becomes free while calls wait leads to [`Action::Reselect`], oldest call first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::id::{CallId, RandomSource};
use crate::core::name::{ChannelName, UserName};
use crate::core::routing::{
    Attempt, Busy, Cause, Code, Decision, DeviceFacts, Facts, Outcome, Request, Selection,
    UserFacts, Way,
};
use crate::core::snapshot::{PerKind, RuleName, Snapshot, Strategy};
use crate::core::time::{Mono, Now, Wall};

/// How an offer ended without the user taking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferEnd {
    /// The user, or the user's phones, did not take it.
    Failed(Attempt),
    /// Taken back: somebody else answered, or the caller hung up.
    Withdrawn,
}

/// What the desk wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody whom this call looks for became free, or nobody can become so any more: let it
    /// select again with this cause.
    Reselect {
        /// The call.
        call: CallId,
        /// What to put into its progress.
        cause: Cause,
    },
}

/// What is known of a user from before the desk began: read from the store at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Open conversations assigned to the user, by kind.
    pub open: PerKind<u32>,
    /// When something was last assigned to the user.
    pub last_assigned: Option<Wall>,
    /// When the user's last call ended.
    pub last_call_ended: Option<Wall>,
}

/// The desk. Its size is bounded by the users of the configuration and the calls under way.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    people: BTreeMap<UserName, Person>,
    calls: BTreeMap<CallId, Party>,
    /// Calls by arrival, for those that seek somebody.
    arrivals: BTreeMap<Arrival, CallId>,
    next_arrival: Arrival,
    /// Which calls would ring a user who became free.
    sought: BTreeMap<UserName, BTreeSet<Arrival>>,
    /// Users who became free, with the first arrival that has not been asked about them.
    freed: BTreeMap<UserName, Arrival>,
    /// Calls that waited for somebody who took another call.
    passed_over: BTreeSet<Arrival>,
    /// When wrap-up times end.
    wrapping_up: BTreeSet<(Mono, UserName)>,
    /// Who was assigned last, by channel, rule and step.
    rounds: BTreeMap<(ChannelName, RuleName), Vec<Option<UserName>>>,
}

/// Counts calls up in the order in which they first asked.
type Arrival = u64;

/// One user as the desk sees the person.
#[derive(Clone, Debug, Default)]
struct Person {
    /// The call whose offer rings.
    offer: Option<CallId>,
    /// The calls that the person talks in: one, unless a second was placed meanwhile.
    talks: Vec<CallId>,
    wrap_up_until: Option<Mono>,
    /// As the last snapshot that looked said.
    wrap_up: Duration,
    load: Load,
}

/// One call as the desk sees it.
#[derive(Clone, Debug)]
struct Party {
    arrival: Arrival,
    /// Where the last decision left it.
    place: Option<(ChannelName, RuleName, usize)>,
    offers: Vec<UserName>,
    talkers: Vec<UserName>,
    seeks: Vec<UserName>,
}

impl Person {
    fn busy(&self) -> Busy {
        match (self.talks.first(), self.offer) {
            (Some(call), _) => Busy::OnCall(*call),
            (None, Some(call)) => Busy::Ringing(call),
            (None, None) => Busy::Free,
        }
    }

    fn is_free(&self) -> bool {
        self.busy() == Busy::Free && self.wrap_up_until.is_none()
    }

    fn facts(&self, devices: DeviceFacts, now: Now) -> UserFacts {
        UserFacts {
            presence: Default::default(),
            devices,
            busy: self.busy(),
            wrap_up_until: self
                .wrap_up_until
                .map(|until| now.wall + until.since(now.mono)),
            presence_detail: String::new(),
            open: self.load.open,
            last_assigned: self.load.last_assigned,
            last_call_ended: self.load.last_call_ended,
        }
    }
}

impl Desk {
    /// A desk at which everybody is free.
    pub fn new() -> Desk {
        Desk::default()
    }

    /// Takes in what the store knows of a user. At start.
    pub fn restore(&mut self, user: &UserName, load: Load) {
        self.person(user).load = load;
    }

    /// Decides for a call and claims whom the decision rings. The facts are those it acted on.
    ///
    /// Offers of this call to users who are not in the request's `ringing` are over afterwards, as
    /// are all of them unless the outcome is to ring or to wait.
    pub fn select(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        call: CallId,
        devices: &dyn Fn(&UserName) -> DeviceFacts,
        random: &mut RandomSource,
        now: Now,
    ) -> (Facts, Decision) {
        let ringing = match &request.selection {
            Selection::First => &[],
            Selection::Next(progress) => progress.ringing.as_slice(),
        };
        self.release_offers(call, ringing);
        let seed = random.next_u64();
        let way = match Way::find(snapshot, request, now) {
            Ok(way) => way,
            Err(refusal) => {
                self.leave(call);
                return (Facts::default(), *refusal);
            }
        };
        let mut facts = self.facts(snapshot, &way, devices, seed, now);
        let place = (way.channel().name.clone(), way.rule_name());
        let decision = way.decide(&facts, now);
        facts.keep_considered(&decision);
        self.claim(call, place, &decision);
        (facts, decision)
    }

    /// A user's offer of this call is over, and the user did not take it.
    pub fn offer_ended(&mut self, call: CallId, user: &UserName, end: OfferEnd) {
        match end {
            OfferEnd::Failed(Attempt::Declined | Attempt::TimedOut | Attempt::Unreachable)
            | OfferEnd::Withdrawn => self.release_offer(call, user),
        }
    }

    /// The user talks to the caller, and the conversation is the user's. Every other offer of this
    /// call is over.
    pub fn accepted(&mut self, call: CallId, user: &UserName, now: Now) {
        let place = self.calls.get(&call).and_then(|party| party.place.clone());
        if let Some((channel, rule, step)) = place {
            let round = self.rounds.entry((channel, rule)).or_default();
            if round.len() <= step {
                round.resize(step + 1, None);
            }
            if let Some(last) = round.get_mut(step) {
                *last = Some(user.clone());
            }
        }
        self.talks(call, user);
        let load = &mut self.person(user).load;
        load.open.call = load.open.call.saturating_add(1);
        load.last_assigned = Some(now.wall);
        self.release_offers(call, &[]);
        self.seek(call, Vec::new());
    }

    /// The user is the caller of this call, from one of our own phones.
    pub fn placed(&mut self, call: CallId, user: &UserName) {
        self.talks(call, user);
    }

    /// The call is over: its offers, whoever talked in it, and its place among those that wait.
    pub fn call_ended(&mut self, call: CallId, now: Now) {
        self.release_offers(call, &[]);
        self.seek(call, Vec::new());
        let Some(party) = self.calls.remove(&call) else {
            return;
        };
        self.arrivals.remove(&party.arrival);
        for user in &party.talkers {
            self.hang_up(call, user, now);
        }
    }

    /// A conversation that was the user's is closed.
    pub fn conversation_closed(&mut self, user: &UserName) {
        let load = &mut self.person(user).load;
        load.open.call = load.open.call.saturating_sub(1);
    }

    /// A device of this user came or went.
    pub fn reachability_changed(&mut self, user: &UserName) {
        self.let_go(user);
    }

    /// Forgets what it knows of users and channels that are gone, once nothing of theirs is under
    /// way.
    pub fn snapshot_changed(&mut self, snapshot: &Snapshot) {
        self.people
            .retain(|name, person| snapshot.user(name).is_some() || !person.is_free());
        self.rounds
            .retain(|(channel, _), _| snapshot.channel(channel).is_some());
    }

    /// What to do next. Drain until `None`.
    ///
    /// A call that is let select again claims before the next one is asked, so what is returned
    /// here must be done before the next poll.
    pub fn poll_action(&mut self) -> Option<Action> {
        while let Some((user, from)) = self.freed.pop_first() {
            if !self.people.get(&user).is_none_or(Person::is_free) {
                continue;
            }
            let next = self
                .sought
                .get(&user)
                .and_then(|seekers| seekers.range(from..).next().copied());
            let Some(arrival) = next else {
                continue;
            };
            self.freed.insert(user, arrival.saturating_add(1));
            if let Some(call) = self.arrivals.get(&arrival) {
                return Some(Action::Reselect {
                    call: *call,
                    cause: Cause::BecameFree,
                });
            }
        }
        while let Some(arrival) = self.passed_over.pop_first() {
            if let Some(call) = self.arrivals.get(&arrival)
                && self.waits_in_vain(*call)
            {
                return Some(Action::Reselect {
                    call: *call,
                    cause: Cause::BecameBusy,
                });
            }
        }
        None
    }

    /// When the next user's wrap-up time ends.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.wrapping_up.first().map(|(until, _)| *until)
    }

    /// Lets those go whose wrap-up time is over.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((until, user)) = self.wrapping_up.pop_first() {
            if until > now.mono {
                self.wrapping_up.insert((until, user));
                return;
            }
            self.person(&user).wrap_up_until = None;
            self.let_go(&user);
        }
    }

    /// What a user is doing.
    pub fn busy(&self, user: &UserName) -> Busy {
        self.people.get(user).map_or(Busy::Free, Person::busy)
    }

    /// How many calls it knows of.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether nobody rings for the call, and nobody whom it seeks is being rung by another. Who is
    /// free would ring for it, but for want of a phone.
    fn waits_in_vain(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|party| {
            let is_rung = |user| {
                self.people
                    .get(user)
                    .is_some_and(|person| person.offer.is_some())
            };
            party.offers.is_empty() && !party.seeks.is_empty() && !party.seeks.iter().any(is_rung)
        })
    }

    fn facts(
        &mut self,
        snapshot: &Snapshot,
        way: &Way<'_>,
        devices: &dyn Fn(&UserName) -> DeviceFacts,
        seed: u64,
        now: Now,
    ) -> Facts {
        let mut facts = Facts {
            users: BTreeMap::new(),
            round_robin_last: Vec::new(),
            contact: None,
            seed,
        };
        for name in way.people() {
            let Some(user) = snapshot.user(name) else {
                continue;
            };
            if !facts.users.contains_key(name) {
                let person = self.person(name);
                person.wrap_up = user.wrap_up;
                facts
                    .users
                    .insert(name.clone(), person.facts(devices(name), now));
            }
        }
        let round = (way.channel().name.clone(), way.rule_name());
        if let Some(round) = self.rounds.get(&round) {
            facts.round_robin_last = round.iter().take(way.steps()).cloned().collect();
        }
        facts
    }

    fn claim(
        &mut self,
        call: CallId,
        (channel, rule): (ChannelName, RuleName),
        decision: &Decision,
    ) {
        let step = match &decision.outcome {
            Outcome::Ring(ring) => {
                for user in &ring.users {
                    self.person(user).offer = Some(call);
                }
                let offers = ring.users.iter().cloned();
                self.party(call).offers.extend(offers);
                ring.step
            }
            Outcome::Wait { step, .. } => *step,
            Outcome::Voicemail { .. }
            | Outcome::Assign { .. }
            | Outcome::CustomerAgent { .. }
            | Outcome::Unassigned { .. }
            | Outcome::Refuse { .. } => return self.leave(call),
        };
        let party = self.party(call);
        party.place = Some((channel, rule, step));
        let others_only = party.offers.is_empty();
        let seeks = sought(decision, others_only, &party.offers);
        self.seek(call, seeks);
    }

    /// The call looks for nobody any more, and holds nobody but those who talk in it.
    fn leave(&mut self, call: CallId) {
        self.release_offers(call, &[]);
        self.seek(call, Vec::new());
        let idle = self
            .calls
            .get(&call)
            .is_some_and(|party| party.talkers.is_empty());
        if idle && let Some(party) = self.calls.remove(&call) {
            self.arrivals.remove(&party.arrival);
        }
    }

    fn seek(&mut self, call: CallId, users: Vec<UserName>) {
        let Some(party) = self.calls.get_mut(&call) else {
            return;
        };
        let arrival = party.arrival;
        for user in std::mem::replace(&mut party.seeks, users.clone()) {
            if let Some(seekers) = self.sought.get_mut(&user) {
                seekers.remove(&arrival);
                if seekers.is_empty() {
                    self.sought.remove(&user);
                }
            }
        }
        for user in users {
            self.sought.entry(user).or_default().insert(arrival);
        }
    }

    /// Ends every offer of the call but those to `kept`.
    fn release_offers(&mut self, call: CallId, kept: &[UserName]) {
        let over: Vec<UserName> = self.calls.get(&call).map_or_else(Vec::new, |party| {
            let offers = party.offers.iter();
            offers
                .filter(|user| !kept.contains(user))
                .cloned()
                .collect()
        });
        for user in &over {
            self.release_offer(call, user);
        }
    }

    fn release_offer(&mut self, call: CallId, user: &UserName) {
        if let Some(party) = self.calls.get_mut(&call) {
            party.offers.retain(|offered| offered != user);
        }
        let Some(person) = self.people.get_mut(user) else {
            return;
        };
        if person.offer == Some(call) {
            person.offer = None;
            self.let_go(user);
        }
    }

    fn talks(&mut self, call: CallId, user: &UserName) {
        let party = self.party(call);
        party.offers.retain(|offered| offered != user);
        if !party.talkers.contains(user) {
            party.talkers.push(user.clone());
        }
        let person = self.person(user);
        if person.offer == Some(call) {
            person.offer = None;
        }
        if !person.talks.contains(&call) {
            person.talks.push(call);
        }
        let seekers = self.sought.get(user).into_iter().flatten();
        self.passed_over.extend(seekers);
    }

    fn hang_up(&mut self, call: CallId, user: &UserName, now: Now) {
        let person = self.person(user);
        person.talks.retain(|talk| *talk != call);
        person.load.last_call_ended = Some(now.wall);
        let before = person.wrap_up_until.take();
        let until = (!person.wrap_up.is_zero()).then(|| now.mono + person.wrap_up);
        person.wrap_up_until = until;
        if let Some(before) = before {
            self.wrapping_up.remove(&(before, user.clone()));
        }
        match until {
            Some(until) => {
                self.wrapping_up.insert((until, user.clone()));
            }
            None => self.let_go(user),
        }
    }

    /// The user may be free now: those who seek the user are to be asked, from the first.
    fn let_go(&mut self, user: &UserName) {
        if self.sought.contains_key(user) {
            self.freed.insert(user.clone(), 0);
        }
    }

    fn person(&mut self, user: &UserName) -> &mut Person {
        self.people.entry(user.clone()).or_default()
    }

    fn party(&mut self, call: CallId) -> &mut Party {
        let next = &mut self.next_arrival;
        let arrivals = &mut self.arrivals;
        self.calls.entry(call).or_insert_with(|| {
            let arrival = *next;
            *next = next.saturating_add(1);
            arrivals.insert(arrival, call);
            Party {
                arrival,
                place: None,
                offers: Vec::new(),
                talkers: Vec::new(),
                seeks: Vec::new(),
            }
        })
    }
}

/// Whom the call would ring at once if they became free: those of its step who are held up by
/// something that passes, unless the step has no use for one more now.
fn sought(decision: &Decision, rings_nobody: bool, ringing: &[UserName]) -> Vec<UserName> {
    let Some(step) = decision.trace.steps.last() else {
        return Vec::new();
    };
    let any = |code| {
        step.candidates
            .iter()
            .any(|candidate| candidate.code == code)
    };
    let one_more = match step.strategy {
        Strategy::RingAll => !any(Code::OverLimit),
        Strategy::Progressive => !any(Code::OverLimit) && !any(Code::NotNeeded),
        Strategy::Sequential
        | Strategy::RoundRobin
        | Strategy::LeastBusy
        | Strategy::LongestIdle
        | Strategy::Random => rings_nobody,
    };
    let held_up = |code| match code {
        Code::Ringing | Code::OnCall | Code::WrapUp | Code::NoDevice => true,
        Code::Chosen
        | Code::NoSeat
        | Code::NoInboxAccess
        | Code::ExtraMember
        | Code::Away
        | Code::OutsideOwnHours
        | Code::AtCapacity
        | Code::Declined
        | Code::NoAnswer
        | Code::Unreachable
        | Code::OverLimit
        | Code::LostTie
        | Code::NotNeeded => false,
    };
    step.candidates
        .iter()
        .filter(|candidate| one_more && held_up(candidate.code))
        .filter(|candidate| !ringing.contains(&candidate.user))
        .map(|candidate| candidate.user.clone())
        .collect()
}

#[cfg(test)]
mod storms;
#[cfg(test)]
mod tests;
