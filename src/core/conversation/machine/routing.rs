//! What the router decides, and when it is asked again.

use super::words::called;
use super::{Conversations, Stands, Timer, holder};
use crate::core::conversation::event::{Happening, Outgoing};
use crate::core::conversation::permission::may_keep;
use crate::core::conversation::record::{
    Assignee, Author, ConversationRecord, Delivery, MessageKind, Status,
};
use crate::core::id::{ConversationId, DecisionId};
use crate::core::name::UserName;
use crate::core::record::{AssignmentRecord, Record};
use crate::core::routing::{
    Cause, Code, ContactFacts, Decision, FoundBy, Outcome, Progress, Request, Selection, To,
    UnassignedReason, Via,
};
use crate::core::snapshot::{Channel, Kind, Rule, Snapshot, Target};
use crate::core::text::{LARGEST_TEXT, clean_text, first_words};
use crate::core::time::Now;

impl Conversations {
    /// What the desk is to be asked for a conversation, and what is known of its contact; `None`: it
    /// is not there any more.
    pub fn question(&self, id: ConversationId) -> Option<(Request, Option<ContactFacts>)> {
        let row = &self.held.get(&id)?.row;
        let selection = match &row.progress {
            Some(progress) => Selection::Next(progress.clone()),
            None => Selection::First,
        };
        let sender = match &row.contact_address {
            Some(address) if *address != row.contact_name => {
                format!("{} <{address}>", row.contact_name)
            }
            Some(_) | None => row.contact_name.clone(),
        };
        let request = Request {
            kind: row.kind,
            to: To::Channel(row.channel.clone()),
            from: row.from.clone(),
            sender: Some(sender),
            trunk: None,
            selection,
        };
        let contact = row.contact.zip(row.found_by);
        let contact = contact.and_then(|(contact, by)| self.contacts.facts(contact, by));
        Some((request, contact))
    }

    /// The desk has decided, and has claimed whom it chose.
    pub fn decided(
        &mut self,
        id: ConversationId,
        decision_id: DecisionId,
        decision: &Decision,
        snapshot: &Snapshot,
        now: Now,
    ) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let opening = held.opening.take();
        let before = held.row.assignee.clone();
        let cause = held.row.progress.as_ref().map(|progress| progress.cause);
        // Whoever became available takes it from one who has not answered in time.
        let cause = match cause {
            Some(Cause::BecameAvailable) if before.is_some() => Some(Cause::NotAnswered),
            other => other,
        };
        let progress = advance(held.row.progress.take(), decision, now);
        let (assignee, unassigned) = match &decision.outcome {
            Outcome::Assign { user, .. } => (Some(Assignee::User(user.clone())), None),
            Outcome::CustomerAgent { agent, .. } => {
                (Some(Assignee::CustomerAgent(agent.clone())), None)
            }
            Outcome::Unassigned { .. } if cause == Some(Cause::NotAnswered) => {
                (before.clone(), None)
            }
            Outcome::Unassigned { reason } => (None, Some(*reason)),
            Outcome::Ring(_)
            | Outcome::Wait { .. }
            | Outcome::Voicemail { .. }
            | Outcome::Refuse { .. } => (None, Some(UnassignedReason::NobodyNamed)),
        };
        self.disarm(id, Timer::GiveToNext);
        self.disarm(id, Timer::TakeBack);
        let stays = assignee.is_some() && assignee == before;
        let row = self.edit(id, |row| {
            if !stays {
                row.assigned = assignee.as_ref().map(|_| now.wall);
                row.replied = false;
            }
            row.assignee = assignee.clone();
            row.unassigned = unassigned;
            row.decision = Some(decision_id);
            row.progress = progress;
        });
        let Some(row) = row else {
            return;
        };
        if let Some(held) = self.held.get_mut(&id) {
            // The desk has claimed in the same turn.
            let stays_with = before.as_ref().filter(|_| stays);
            held.stands = as_claimed(decision, stays_with.and_then(Assignee::user));
        }
        self.stand(id);
        if !stays {
            self.follow(&row, before, cause, decision_id, decision, snapshot, now);
            self.arm_answer(id, snapshot, now, now);
        }
        if let Some(opening) = opening {
            self.opened(&row, opening, decision, snapshot, now);
        }
    }

    /// Somebody whom this conversation may seek became available, or has room again. False: it
    /// does not wait.
    pub fn give_out(
        &mut self,
        id: ConversationId,
        cause: Cause,
        snapshot: &Snapshot,
        now: Now,
    ) -> bool {
        let waits = self.held.get(&id).is_some_and(|held| held.stands.seeks);
        if waits {
            self.ask(id, Some(cause), snapshot, now);
        }
        waits
    }

    /// It was let ask again, and nobody could take it after all.
    pub fn still_waits(&mut self, id: ConversationId) {
        let held = self.held.get_mut(&id);
        if let Some(progress) = held.and_then(|held| held.row.progress.as_mut()) {
            progress.cause = Cause::OfferEnded;
        }
    }

    /// Another configuration is in force. What is with somebody who is gone, or has no seat or no
    /// access any more, is assigned to nobody, and what is open goes by its rule again.
    pub fn snapshot_changed(&mut self, snapshot: &Snapshot, now: Now) {
        let lost: Vec<ConversationId> = self
            .held
            .values()
            .filter(|held| held.row.status != Status::Closed)
            .filter(|held| {
                let row = &held.row;
                let assignee = row.assignee.as_ref();
                assignee.is_some_and(|who| !may_keep(snapshot, row.inbox.as_ref(), who))
            })
            .map(|held| held.row.id)
            .collect();
        for id in lost {
            let Some(row) = self.held.get(&id).map(|held| held.row.clone()) else {
                continue;
            };
            let Some(assignee) = &row.assignee else {
                continue;
            };
            let was_agent = matches!(assignee, Assignee::CustomerAgent(_));
            let text = format!(
                "{} can have it no more: gone from the configuration, or without seat or access.",
                called(assignee, snapshot)
            );
            self.tell(id, Author::Automatic, text, now);
            if was_agent && row.status == Status::Open {
                self.hand_over(id, snapshot, now);
            } else {
                // What waits for the other side is sought for once it opens again.
                let open = row.status == Status::Open;
                let why = (!open).then_some(UnassignedReason::NobodyAvailable);
                self.unassign(id, why, now);
                if open {
                    self.ask(id, None, snapshot, now);
                }
            }
        }
        self.away.retain(|user| snapshot.user(user).is_some());
    }

    /// Lets the desk decide: from the beginning without a cause, else going on from where the rule
    /// has come.
    pub(super) fn ask(
        &mut self,
        id: ConversationId,
        cause: Option<Cause>,
        snapshot: &Snapshot,
        now: Now,
    ) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        // Calls are decided while they ring.
        if held.row.kind == Kind::Call {
            return;
        }
        if snapshot.channel(&held.row.channel).is_none() {
            self.unassign(id, Some(UnassignedReason::NobodyNamed), now);
            return;
        }
        match (cause, &mut held.row.progress) {
            (Some(cause), Some(progress)) => progress.cause = cause,
            (None, _) | (Some(_), None) => held.row.progress = None,
        }
        if !std::mem::replace(&mut held.asks, true) {
            self.to_select.push_back(id);
        }
    }

    /// Whether nobody has had it since a reload took it from somebody while it waited for the other
    /// side. Its rule has not been asked since.
    pub(super) fn lost_its_assignee(&self, id: ConversationId) -> bool {
        self.held.get(&id).is_some_and(|held| {
            let row = &held.row;
            row.unassigned == Some(UnassignedReason::NobodyAvailable) && row.progress.is_none()
        })
    }

    /// Nobody has it.
    pub(super) fn unassign(&mut self, id: ConversationId, why: Option<UnassignedReason>, now: Now) {
        let Some(held) = self.held.get(&id) else {
            return;
        };
        let before = held.row.assignee.clone();
        self.disarm(id, Timer::GiveToNext);
        self.disarm(id, Timer::TakeBack);
        let row = self.edit(id, |row| {
            row.assignee = None;
            row.assigned = None;
            row.unassigned = why;
            row.decision = None;
            row.progress = None;
            row.replied = false;
        });
        self.stand(id);
        if let Some(row) = row
            && before.is_some()
        {
            self.store(Record::Assignment(AssignmentRecord {
                conversation: id,
                to: None,
                by: "ringdesk".to_owned(),
                at: now.wall,
                decision: None,
            }));
            let inbox = row.inbox.clone();
            let what = Happening::Assigned {
                conversation: Box::new(row),
                before,
                decision: None,
            };
            self.publish(inbox, what, now.wall);
        }
    }

    /// Its assignee has not answered in time.
    pub(super) fn give_to_next(&mut self, id: ConversationId) {
        self.ask_for_another(id, Progress::not_answered);
    }

    /// Its assignee went away, did not come back in time, and had not answered.
    pub(super) fn take_back(&mut self, id: ConversationId) {
        self.ask_for_another(id, Progress::taken_back);
    }

    fn ask_for_another(&mut self, id: ConversationId, given_up: fn(&mut Progress, &UserName)) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let Some(user) = holder(&held.row).filter(|_| held.row.status == Status::Open) else {
            return;
        };
        if let Some(progress) = &mut held.row.progress {
            given_up(progress, &user);
        }
        if !std::mem::replace(&mut held.asks, true) {
            self.to_select.push_back(id);
        }
    }

    /// Nobody wrote for so long: the chat is closed, unless the visitor still waits for an answer
    /// that can be sent by mail.
    pub(super) fn close_idle(&mut self, id: ConversationId, snapshot: &Snapshot, now: Now) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let row = &held.row;
        held.visitor_gone = true;
        if row.awaits_reply_since.is_some() && row.contact_address.is_some() {
            return;
        }
        let text = "Closed: nobody wrote any more.".to_owned();
        self.set_status(id, Status::Closed, Author::Automatic, text, snapshot, now);
    }

    /// Keeps and tells to whom a decision has given it.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different part of one decision"
    )]
    fn follow(
        &mut self,
        row: &ConversationRecord,
        before: Option<Assignee>,
        cause: Option<Cause>,
        decision_id: DecisionId,
        decision: &Decision,
        snapshot: &Snapshot,
        now: Now,
    ) {
        if before.is_some() || row.assignee.is_some() {
            self.store(Record::Assignment(AssignmentRecord {
                conversation: row.id,
                to: row.assignee.clone(),
                by: "rule".to_owned(),
                at: now.wall,
                decision: Some(decision_id),
            }));
        }
        let lost = before.as_ref().and_then(Assignee::user);
        let why = lost.and_then(|user| why_taken(cause, user, snapshot));
        if let Some(why) = why {
            let now_with = match &row.assignee {
                Some(assignee) => format!("{} has it now.", called(assignee, snapshot)),
                None => "It waits for somebody to become available.".to_owned(),
            };
            self.tell(row.id, Author::Automatic, format!("{why} {now_with}"), now);
        }
        let what = Happening::Assigned {
            conversation: Box::new(row.clone()),
            before,
            decision: Some(Box::new(decision.clone())),
        };
        self.publish(row.inbox.clone(), what, now.wall);
    }

    /// What the first decision leads to: the rule's automatic reply, and the mail to an owner who
    /// does not have it.
    fn opened(
        &mut self,
        row: &ConversationRecord,
        opening: super::Opening,
        decision: &Decision,
        snapshot: &Snapshot,
        now: Now,
    ) {
        let channel = snapshot.channel(&row.channel);
        let rule = channel.and_then(|channel| rule_of(channel, decision));
        let reply = rule.and_then(|rule| rule.reply.as_deref());
        if let (Some(reply), true) = (reply, opening.reply) {
            self.reply_automatically(row, reply, channel, now);
        }
        let Some(message) = opening.submission else {
            return;
        };
        let sought = rule.is_some_and(|rule| {
            let mut steps = rule.steps.iter();
            steps.any(|step| step.target == Target::ContactOwner)
        });
        let contact = row
            .contact
            .and_then(|contact| self.contacts.contact(contact));
        let owner = contact.and_then(|contact| contact.owner.clone());
        let trusted = row
            .found_by
            .is_some_and(|by| by != FoundBy::UnverifiedSender);
        let Some(owner) = owner.filter(|_| sought && trusted) else {
            return;
        };
        let may_read =
            snapshot.user(&owner).is_some() && snapshot.has_access(&owner, row.inbox.as_ref());
        if is_offline(&owner, decision) && may_read {
            let what = Happening::MailOwner {
                owner,
                conversation: Box::new(row.clone()),
                message,
            };
            self.publish(row.inbox.clone(), what, now.wall);
        }
    }

    /// The other side still waits for an answer of a person.
    fn reply_automatically(
        &mut self,
        row: &ConversationRecord,
        reply: &str,
        channel: Option<&Channel>,
        now: Now,
    ) {
        let outgoing: Outgoing = match self.way_out(row) {
            Ok(outgoing) => outgoing,
            Err(_) => return,
        };
        let text = clean_text(reply, LARGEST_TEXT);
        self.edit(row.id, |row| {
            row.last_message = now.wall;
            row.preview = first_words(&text);
        });
        let mut message = self.blank(row.id, MessageKind::Sent, Author::Automatic, now.wall);
        message.author_name = channel.map(sender_name).unwrap_or_default();
        message.delivery = Delivery::Pending;
        message.text = text;
        self.add(message, Some(outgoing));
    }
}

/// How a conversation stands with the desk after its decision. `kept_by` has it still.
fn as_claimed(decision: &Decision, kept_by: Option<&UserName>) -> Stands {
    let mut stands = Stands {
        open: true,
        user: kept_by.cloned(),
        seeks: false,
    };
    match &decision.outcome {
        Outcome::Assign { user, .. } => stands.user = Some(user.clone()),
        Outcome::Unassigned { reason } => {
            stands.seeks = *reason == UnassignedReason::NobodyAvailable;
        }
        Outcome::CustomerAgent { .. } => {}
        Outcome::Ring(_)
        | Outcome::Wait { .. }
        | Outcome::Voicemail { .. }
        | Outcome::Refuse { .. } => stands.open = false,
    }
    stands
}

/// The name under which a channel writes by itself.
fn sender_name(channel: &Channel) -> String {
    match (channel.email(), channel.chat(), channel.form()) {
        (Some(email), _, _) => email.sender_name.clone(),
        (_, Some(chat), _) => chat.title.clone(),
        (_, _, Some(form)) => form.title.clone(),
        (None, None, None) => channel.name.to_string(),
    }
}

/// Why somebody has it no more, as colleagues read it.
fn why_taken(cause: Option<Cause>, user: &UserName, snapshot: &Snapshot) -> Option<String> {
    let name = snapshot.name_of_user(user);
    match cause? {
        Cause::NotAnswered => Some(format!("{name} has not answered in time.")),
        Cause::TakenBack => Some(format!("{name} went away without an answer.")),
        Cause::OfferEnded
        | Cause::AddOne
        | Cause::BecameFree
        | Cause::BecameBusy
        | Cause::StepEnded
        | Cause::BecameAvailable
        | Cause::HandedOver => None,
    }
}

/// Whether the owner was asked for, and was not there.
fn is_offline(owner: &UserName, decision: &Decision) -> bool {
    let steps = decision.trace.steps.iter();
    let mut asked = steps.flat_map(|step| &step.candidates);
    asked.any(|candidate| {
        let gone = matches!(candidate.code, Code::Away | Code::OutsideOwnHours);
        gone && candidate.via == Via::Owner && candidate.user == *owner
    })
}

fn rule_of<'a>(channel: &'a Channel, decision: &Decision) -> Option<&'a Rule> {
    decision.trace.rule.map(|name| channel.rule(name))
}

/// How far the rule has come with this decision.
fn advance(before: Option<Box<Progress>>, decision: &Decision, now: Now) -> Option<Box<Progress>> {
    if let Some(mut progress) = before {
        progress.advance(decision, now);
        progress.cause = Cause::OfferEnded;
        return Some(progress);
    }
    Progress::begin(decision, now).map(Box::new)
}
