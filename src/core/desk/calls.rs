//! Calls at the desk: who is rung by which, who talks, and which wait for somebody.

use super::people::Person;
use super::{Action, Arrival, Desk, OfferEnd};
use crate::core::id::{CallId, RandomSource};
use crate::core::name::{ChannelName, UserName};
use crate::core::routing::{
    Attempt, Cause, Code, ContactFacts, Decision, DeviceFacts, Facts, Known, Outcome, Request,
    Selection, Way,
};
use crate::core::snapshot::{Kind, RuleName, Snapshot, Strategy};
use crate::core::time::Now;

/// One call as the desk sees it.
#[derive(Clone, Debug)]
pub(super) struct Party {
    pub arrival: Arrival,
    /// Where the last decision left it.
    pub place: Option<(ChannelName, RuleName, usize)>,
    pub offers: Vec<UserName>,
    pub talkers: Vec<UserName>,
    pub seeks: Vec<UserName>,
    /// The contact who calls.
    pub contact: Option<ContactFacts>,
}

impl Desk {
    /// Who calls is a known contact. Tell it before the call asks for the first time.
    pub fn caller_known(&mut self, call: CallId, contact: ContactFacts) {
        self.party(call).contact = Some(contact);
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
        let contact = self
            .calls
            .get(&call)
            .and_then(|party| party.contact.clone());
        let mut facts = self.facts(&way, contact, devices, seed, now);
        let place = (way.channel().name.clone(), way.rule_name());
        let decision = way.decide(&facts, now);
        way.keep_considered(&mut facts, &decision);
        self.claim(call, place, &decision);
        (facts, decision)
    }

    /// A user's offer of this call is over, and the user did not take it.
    pub fn offer_ended(&mut self, call: CallId, user: &UserName, end: OfferEnd, now: Now) {
        match end {
            OfferEnd::Failed(Attempt::TimedOut) => self.offer_missed(user, now),
            OfferEnd::Failed(Attempt::Declined) => self.person(user).missed = 0,
            OfferEnd::Failed(Attempt::Unreachable | Attempt::TakenBack) | OfferEnd::Withdrawn => {}
        }
        self.release_offer(call, user);
    }

    /// The user talks to the caller, and the conversation is the user's. Every other offer of this
    /// call is over.
    pub fn accepted(&mut self, call: CallId, user: &UserName, now: Now) {
        let place = self.calls.get(&call).and_then(|party| party.place.clone());
        if let Some((channel, rule, step)) = place {
            self.took_turn(&channel, rule, step, user);
        }
        self.talks(call, user);
        let person = self.person(user);
        person.missed = 0;
        person.load.open.call = person.load.open.call.saturating_add(1);
        person.load.last_assigned = Some(now.wall);
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

    /// The conversation of a call that the user accepted is closed.
    pub fn conversation_closed(&mut self, user: &UserName) {
        self.unload(user, Kind::Call);
    }

    /// A device of this user came or went.
    pub fn reachability_changed(&mut self, user: &UserName) {
        self.let_go(user);
    }

    /// The next call to be let select again.
    pub(super) fn poll_call(&mut self) -> Option<Action> {
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

    /// How many calls it knows of.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether nobody rings for the call, and nobody whom it seeks is being rung by another. Who is
    /// free would ring for it, but for want of a phone, of room, or of being there.
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

    /// What is known of those whom the way may lead to.
    pub(super) fn facts(
        &mut self,
        way: &Way<'_>,
        contact: Option<ContactFacts>,
        devices: &dyn Fn(&UserName) -> DeviceFacts,
        seed: u64,
        now: Now,
    ) -> Facts {
        let people = way.people(contact.as_ref());
        let mut users = Known::with_capacity(people.len());
        for user in people {
            let look = |person: &mut Person| {
                person.wrap_up = user.wrap_up;
                person.facts(devices(&user.name), now)
            };
            let facts = match self.people.get_mut(&user.name) {
                Some(person) => look(person),
                None => look(self.person(&user.name)),
            };
            users.add(user.name.clone(), facts);
        }
        let round = (way.channel().name.clone(), way.rule_name());
        let round = self.rounds.get(&round);
        Facts {
            users,
            round_robin_last: round.map_or_else(Vec::new, |round| {
                round.iter().take(way.steps()).cloned().collect()
            }),
            contact,
            older_waiting: false,
            seed,
        }
    }

    /// The user got what this step had to give, and is last in its round.
    pub(super) fn took_turn(
        &mut self,
        channel: &ChannelName,
        rule: RuleName,
        step: usize,
        user: &UserName,
    ) {
        let round = self.rounds.entry((channel.clone(), rule)).or_default();
        if round.len() <= step {
            round.resize(step + 1, None);
        }
        if let Some(last) = round.get_mut(step) {
            *last = Some(user.clone());
        }
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
        let stopped = person.talks.is_empty();
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
        if stopped {
            self.stopped_talking(user);
        }
    }

    /// The user may be free now: those who seek the user are to be asked, from the first.
    pub(super) fn let_go(&mut self, user: &UserName) {
        if self.sought.contains_key(user) {
            self.freed.insert(user.clone(), 0);
        }
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
                contact: None,
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
        Code::Ringing
        | Code::OnCall
        | Code::WrapUp
        | Code::NoDevice
        | Code::Away
        | Code::OutsideOwnHours
        | Code::AtCapacity => true,
        Code::Chosen
        | Code::NoSeat
        | Code::NoInboxAccess
        | Code::ExtraMember
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
