//! Conversations of messages at the desk: who has which, and giving them out.

use super::{Action, Desk};
use crate::core::id::{ConversationId, RandomSource};
use crate::core::name::UserName;
use crate::core::routing::{
    Attempt, Cause, ContactFacts, Decision, DeviceFacts, Facts, Outcome, Progress, Request,
    Selection, UnassignedReason, Way,
};
use crate::core::snapshot::{Kind, Snapshot};
use crate::core::time::{Now, Wall};

use super::waiting::{Place, Terms};

/// A question about a conversation of messages.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// What is asked, with how far its rule has come ([`Progress`]).
    pub request: &'a Request,
    /// The conversation.
    pub conversation: ConversationId,
    /// When it began: older ones come first.
    pub began: Wall,
    /// The contact on the other side, where known.
    pub contact: Option<ContactFacts>,
}

/// One open conversation.
#[derive(Clone, Debug)]
pub(super) struct Item {
    kind: Kind,
    /// The user whose load it counts in.
    holder: Option<UserName>,
    /// Its place among those that wait; with a holder, for somebody else.
    place: Option<Place>,
}

impl Desk {
    /// Decides for a conversation and claims in the same turn: who gets it has it from now on, and
    /// whoever had it before has not. One that nobody is available for waits, and is let ask again
    /// ([`Action::ReselectMessage`]) when somebody may take it, the oldest first.
    ///
    /// Ask when a conversation begins, and again with its progress after
    /// [`Progress::not_answered`], [`Progress::taken_back`], [`Progress::handed_over`], or with the
    /// cause of a [`Action::ReselectMessage`]. The facts are those it acted on.
    pub fn assign(
        &mut self,
        snapshot: &Snapshot,
        ask: &Ask<'_>,
        random: &mut RandomSource,
        now: Now,
    ) -> (Facts, Decision) {
        self.look_at_clocks(now);
        let seed = random.next_u64();
        let way = match Way::find(snapshot, ask.request, now) {
            Ok(way) => way,
            Err(refusal) => {
                self.closed(ask.conversation);
                return (Facts::default(), *refusal);
            }
        };
        let contact = ask.contact.clone();
        let mut facts = self.facts(&way, contact, &phones, seed, now);
        let mut decision = way.decide(&facts, now);
        if let Outcome::Assign { user, .. } = &decision.outcome
            && cause(ask.request) != Some(Cause::BecameAvailable)
            && self.waiting.older_seeks(ask.place(), user)
        {
            facts.older_waiting = true;
            decision = way.decide(&facts, now);
        }
        way.keep_considered(&mut facts, &decision);
        self.claim_message(snapshot, ask, &way, &facts, &decision, now);
        (facts, decision)
    }

    /// Takes in a conversation that waits for somebody, without deciding: at start, and when what it
    /// waits for has changed. `holder` has it meanwhile, and has not answered in time.
    pub fn restore_waiting(
        &mut self,
        snapshot: &Snapshot,
        ask: &Ask<'_>,
        holder: Option<&UserName>,
        now: Now,
    ) {
        if let Ok(way) = Way::find(snapshot, ask.request, now) {
            self.let_wait(snapshot, ask, &way, holder, true);
        }
    }

    /// Takes in an open conversation that a user had before the desk began. At start.
    pub fn restore_conversation(
        &mut self,
        conversation: ConversationId,
        kind: Kind,
        holder: Option<&UserName>,
    ) {
        self.hold(conversation, kind, holder);
    }

    /// Somebody gave an open conversation by hand: to a user, or with `None` to a team, a customer
    /// agent or nobody. It waits for nobody any more. Of calls, those that nobody answered: who
    /// answered one has it by [`Desk::accepted`].
    pub fn given(
        &mut self,
        conversation: ConversationId,
        kind: Kind,
        to: Option<&UserName>,
        now: Now,
    ) {
        self.hold(conversation, kind, to);
        if let Some(user) = to {
            self.person(user).load.last_assigned = Some(now.wall);
        }
    }

    /// A conversation that was closed, or waited for the other side, is open again, and counts in
    /// the load of the user who has it.
    pub fn reopened(
        &mut self,
        conversation: ConversationId,
        kind: Kind,
        holder: Option<&UserName>,
    ) {
        self.hold(conversation, kind, holder);
    }

    /// A conversation is closed or deleted, or waits for the other side: it is nobody's load and
    /// seeks nobody.
    pub fn closed(&mut self, conversation: ConversationId) {
        self.let_go_of(conversation);
        self.items.remove(&conversation);
    }

    /// Who has an open conversation, as far as the desk gave it or was told.
    pub fn holder(&self, conversation: ConversationId) -> Option<&UserName> {
        let item = self.items.get(&conversation)?;
        item.holder.as_ref()
    }

    /// Whether a conversation waits for somebody to become available, with nobody or with one who
    /// has not answered in time.
    pub fn waits(&self, conversation: ConversationId) -> bool {
        let item = self.items.get(&conversation);
        item.is_some_and(|item| item.place.is_some())
    }

    /// How many conversations wait for somebody to become available.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next conversation to be let ask again.
    pub(super) fn poll_message(&mut self) -> Option<Action> {
        let conversation = self.waiting.poll()?;
        Some(Action::ReselectMessage {
            conversation,
            cause: Cause::BecameAvailable,
        })
    }

    fn claim_message(
        &mut self,
        snapshot: &Snapshot,
        ask: &Ask<'_>,
        way: &Way<'_>,
        facts: &Facts,
        decision: &Decision,
        now: Now,
    ) {
        let kind = way.channel().kind();
        match &decision.outcome {
            Outcome::Assign { step, user } => {
                self.hold(ask.conversation, kind, Some(user));
                self.person(user).load.last_assigned = Some(now.wall);
                self.took_turn(&way.channel().name, way.rule_name(), *step, user);
            }
            Outcome::Unassigned {
                reason: UnassignedReason::NobodyAvailable,
            } => {
                // What was handed over looked from the next step on only.
                let handed_over = cause(ask.request) == Some(Cause::HandedOver);
                let may_find = facts.older_waiting || handed_over;
                let holder = self.keeps(ask);
                self.let_wait(snapshot, ask, way, holder.as_ref(), may_find);
            }
            Outcome::CustomerAgent { .. }
            | Outcome::Unassigned {
                reason: UnassignedReason::NobodyNamed | UnassignedReason::Nobody,
            } => self.hold(ask.conversation, kind, None),
            Outcome::Ring(_)
            | Outcome::Wait { .. }
            | Outcome::Voicemail { .. }
            | Outcome::Refuse { .. } => self.closed(ask.conversation),
        }
    }

    /// This user has it, or nobody, and it seeks nobody.
    fn hold(&mut self, conversation: ConversationId, kind: Kind, holder: Option<&UserName>) {
        self.let_go_of(conversation);
        let item = Item {
            kind,
            holder: holder.cloned(),
            place: None,
        };
        self.items.insert(conversation, item);
        if let Some(user) = holder {
            self.load(user, kind);
        }
    }

    /// Who has not answered in time keeps it until there is somebody else.
    fn keeps(&self, ask: &Ask<'_>) -> Option<UserName> {
        match cause(ask.request)? {
            Cause::NotAnswered | Cause::BecameAvailable => self.holder(ask.conversation).cloned(),
            Cause::OfferEnded
            | Cause::AddOne
            | Cause::BecameFree
            | Cause::BecameBusy
            | Cause::StepEnded
            | Cause::TakenBack
            | Cause::HandedOver => None,
        }
    }

    fn let_wait(
        &mut self,
        snapshot: &Snapshot,
        ask: &Ask<'_>,
        way: &Way<'_>,
        holder: Option<&UserName>,
        may_find: bool,
    ) {
        let place = ask.place();
        let kind = way.channel().kind();
        let same = |item: &Item| item.holder.as_ref() == holder && item.place == Some(place);
        if !self.items.get(&ask.conversation).is_some_and(same) {
            self.let_go_of(ask.conversation);
            if let Some(user) = holder {
                self.load(user, kind);
            }
        }
        let item = Item {
            kind,
            holder: holder.cloned(),
            place: Some(place),
        };
        self.items.insert(ask.conversation, item);
        let progress = match &ask.request.selection {
            Selection::First => None,
            Selection::Next(progress) => Some(progress.as_ref()),
        };
        let terms = Terms {
            channel: way.channel().name.clone(),
            rule: way.rule_name(),
            owner: way.owner(ask.contact.as_ref()).ok().cloned(),
            step: progress.map_or(0, |progress| progress.step),
            tried: progress.map_or_else(Vec::new, tried),
        };
        self.waiting.insert(snapshot, place, terms, may_find);
    }

    /// Whoever had it has not any more, and it seeks nobody.
    fn let_go_of(&mut self, conversation: ConversationId) {
        let Some(item) = self.items.get_mut(&conversation) else {
            return;
        };
        let (kind, holder, place) = (item.kind, item.holder.take(), item.place.take());
        if let Some(place) = place {
            self.waiting.remove(place);
        }
        if let Some(user) = holder {
            self.unload(&user, kind);
        }
    }
}

impl Ask<'_> {
    fn place(&self) -> Place {
        (self.began, self.conversation)
    }
}

/// No message needs a phone.
fn phones(_: &UserName) -> DeviceFacts {
    DeviceFacts::default()
}

fn cause(request: &Request) -> Option<Cause> {
    match &request.selection {
        Selection::First => None,
        Selection::Next(progress) => Some(progress.cause),
    }
}

/// Who is passed over whenever somebody becomes available.
fn tried(progress: &Progress) -> Vec<UserName> {
    let attempts = progress.earlier.iter().chain(&progress.tried);
    let holds = attempts.filter(|(_, attempt)| *attempt != Attempt::TakenBack);
    let mut tried: Vec<UserName> = holds.map(|(user, _)| user.clone()).collect();
    tried.sort();
    tried.dedup();
    tried
}
