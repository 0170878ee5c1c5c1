//! Calls in the inbox: each is a message in the conversation of its caller and channel.
//!
//! A call joins the conversation of the same number, or of the same contact, in the same channel,
//! while that one is not closed; else it begins one. Callers who do not show their number get one
//! each. It stands there as a missed call from the moment it arrives, so that whatever happens next
//! it is there to be seen; several missed calls of one caller within `missed_calls_together` are one
//! message that counts them.
//!
//! Whoever answers has the conversation, and has answered with it what was missed before; it is
//! closed when the call ends, unless another call was missed meanwhile. Missed calls and voicemails
//! stay with whoever has the conversation. Where nobody has it they stay unassigned, but for a
//! channel whose rules seek the contact's owner: the owner gets them.

use super::{Action, Caller, Conversations, Opening, Timer};
use crate::core::conversation::command::ContactHint;
use crate::core::conversation::event::Happening;
use crate::core::conversation::permission::may_have;
use crate::core::conversation::record::{
    Assignee, Author, ConversationRecord, ItemKind, MessageKind, MessageRecord, Status,
};
use crate::core::id::{CallId, ContactId, ConversationId, DecisionId, MessageId};
use crate::core::name::UserName;
use crate::core::number::PhoneNumber;
use crate::core::record::{AssignmentRecord, CallOutcome, Record, VoicemailRecord};
use crate::core::routing::{ContactFacts, FoundBy};
use crate::core::snapshot::{Channel, Kind, Snapshot, Target};
use crate::core::text::{LARGEST_TEXT, LONGEST_NAME, clean_line, clean_text};
use crate::core::time::{Now, Wall};

/// Missed calls that one message keeps links to: more than anybody looks at one by one.
const EARLIER_CALLS: usize = 100;

/// A call that arrives.
#[derive(Clone, Debug)]
pub struct IncomingCall<'a> {
    /// Its key.
    pub call: CallId,
    /// The channel of the number that was dialled.
    pub channel: &'a Channel,
    /// The caller's number, if shown.
    pub from: Option<&'a PhoneNumber>,
    /// The caller's name, if shown.
    pub from_name: Option<&'a str>,
}

/// A call under way.
#[derive(Clone, Debug)]
pub(super) struct CallUnderWay {
    pub(super) conversation: ConversationId,
    /// The message that stands for it.
    message: MessageRecord,
    /// What that message was before this call was counted into it.
    before: Option<MessageRecord>,
    answered_by: Option<UserName>,
}

impl Conversations {
    /// A call arrives: where it stands in the inbox, and what is known of the caller.
    pub fn call_arrived(
        &mut self,
        incoming: &IncomingCall<'_>,
        snapshot: &Snapshot,
        now: Now,
    ) -> (ConversationId, Option<ContactFacts>) {
        let hint = hint_of(incoming.from, incoming.from_name);
        let found = self.recognise(&hint, snapshot, now);
        let contact = found.map(|(contact, _)| contact);
        let id = match self.call_to_join(incoming, contact) {
            Some(id) => {
                self.join(id, found, now);
                id
            }
            None => self.begin_with_call(incoming, found, now),
        };
        self.note_missed(id, incoming, snapshot, now);
        let facts = found.and_then(|(contact, by)| self.contacts.facts(contact, by));
        (id, facts)
    }

    /// Somebody talks to the caller.
    pub fn call_answered(
        &mut self,
        call: CallId,
        user: &UserName,
        decision: Option<DecisionId>,
        now: Now,
    ) {
        let Some(mut under_way) = self.calls.remove(&call) else {
            return;
        };
        let id = under_way.conversation;
        self.stand_alone(&mut under_way, call, now);
        under_way.message.kind = MessageKind::Call;
        under_way.answered_by = Some(user.clone());
        let message = under_way.message.clone();
        self.calls.insert(call, under_way);
        self.disarm(id, Timer::TakeBack);
        let before = self
            .held
            .get(&id)
            .and_then(|held| held.row.assignee.clone());
        let row = self.edit(id, |row| {
            row.assignee = Some(Assignee::User(user.clone()));
            row.assigned = Some(now.wall);
            row.unassigned = None;
            row.decision = decision;
            row.awaits_reply_since = None;
            row.replied = true;
            row.item = Some(ItemKind::Call);
            row.last_message = now.wall;
            row.preview = "Call".to_owned();
        });
        if let Some(held) = self.held.get_mut(&id) {
            held.missed = None;
        }
        // While they talk the desk counts the call itself.
        self.stand(id);
        self.store(Record::Assignment(AssignmentRecord {
            conversation: id,
            to: Some(Assignee::User(user.clone())),
            by: "rule".to_owned(),
            at: now.wall,
            decision,
        }));
        self.message_changed(message, now);
        if let Some(row) = row {
            let what = Happening::Assigned {
                conversation: Box::new(row.clone()),
                before,
                decision: None,
            };
            self.publish(row.inbox, what, now.wall);
        }
    }

    /// The caller has left a message that counts.
    pub fn voicemail_kept(&mut self, call: CallId, voicemail: &VoicemailRecord, now: Now) {
        let Some(mut under_way) = self.calls.remove(&call) else {
            return;
        };
        let id = under_way.conversation;
        self.stand_alone(&mut under_way, call, now);
        under_way.message.kind = MessageKind::Voicemail;
        under_way.message.voicemail = Some(voicemail.id);
        let message = under_way.message.clone();
        self.calls.insert(call, under_way);
        if let Some(held) = self.held.get_mut(&id) {
            held.missed = None;
        }
        self.edit(id, |row| {
            row.item = Some(ItemKind::Voicemail);
            row.last_message = now.wall;
            row.preview = words_of_voicemail(voicemail.seconds);
        });
        self.message_changed(message, now);
    }

    /// A call is over: `detail` says why, as people read it.
    pub fn call_ended(
        &mut self,
        call: CallId,
        outcome: CallOutcome,
        detail: &str,
        snapshot: &Snapshot,
        now: Now,
    ) {
        let Some(mut under_way) = self.calls.remove(&call) else {
            return;
        };
        let id = under_way.conversation;
        under_way.message.text = clean_text(detail, LARGEST_TEXT);
        let message = under_way.message.clone();
        if message.kind == MessageKind::MissedCall
            && let Some(held) = self.held.get_mut(&id)
        {
            held.missed = Some((message.clone(), now.wall));
        }
        let others = self.calls.values().any(|other| other.conversation == id);
        let answered = under_way.answered_by.is_some() && outcome == CallOutcome::Answered;
        let done =
            |row: &ConversationRecord| answered && !others && row.awaits_reply_since.is_none();
        let row = self.edit(id, |row| {
            if done(row) {
                row.status = Status::Closed;
                row.closed = Some(now.wall);
            } else if !answered {
                // Somebody may have closed it while it rang.
                row.status = Status::Open;
                row.closed = None;
                row.awaits_reply_since = row.awaits_reply_since.or(Some(now.wall));
            }
        });
        self.message_changed(message, now);
        if let Some(row) = row {
            self.changed(row.clone(), now);
            if !answered && row.assignee.is_none() {
                self.give_to_owner(&row, snapshot, now);
            }
        }
        self.stand(id);
    }

    /// A recording that the last run did not complete is a voicemail: its conversation says so.
    pub fn voicemail_recovered(
        &mut self,
        voicemail: &VoicemailRecord,
        channel: Option<&Channel>,
        snapshot: &Snapshot,
        now: Now,
    ) {
        let id = voicemail.conversation;
        if !self.held.contains_key(&id) {
            let from = voicemail.from.as_ref();
            let from_name = voicemail.from_name.as_deref();
            let found = self.recognise(&hint_of(from, from_name), snapshot, now);
            let mut row = blank_row(id, voicemail, name_of_caller(from, from_name));
            row.contact = found.map(|(contact, _)| contact);
            row.found_by = found.map(|(_, by)| by);
            row.inbox = channel.and_then(|channel| channel.inbox.clone());
            self.hold(row, Opening::default());
        }
        let row = self.edit(id, |row| {
            row.item = Some(ItemKind::Voicemail);
            row.preview = words_of_voicemail(voicemail.seconds);
            row.awaits_reply_since = row.awaits_reply_since.or(Some(voicemail.began));
        });
        let Some(row) = row else {
            return;
        };
        let mut message = self.blank(id, MessageKind::Voicemail, Author::Contact, voicemail.began);
        message.id = MessageId(voicemail.call.0);
        message.author_name = author_name(voicemail.from.as_ref(), voicemail.from_name.as_deref());
        message.call = Some(voicemail.call);
        message.voicemail = Some(voicemail.id);
        message.text = "The daemon was restarted, and the recording ends there.".to_owned();
        self.message_changed(message, now);
        self.changed(row, now);
        self.stand(id);
    }

    /// The conversation that a call belongs to: of the same number, else of the same contact, the
    /// latest that is not closed.
    fn call_to_join(
        &self,
        incoming: &IncomingCall<'_>,
        contact: Option<ContactId>,
    ) -> Option<ConversationId> {
        let number = Caller::Number(incoming.from?.clone());
        let latest = |caller| {
            let key = (incoming.channel.name.clone(), caller);
            self.by_caller.get(&key).and_then(|ids| ids.last().copied())
        };
        latest(number).or_else(|| latest(Caller::Contact(contact?)))
    }

    fn begin_with_call(
        &mut self,
        incoming: &IncomingCall<'_>,
        found: Option<(ContactId, FoundBy)>,
        now: Now,
    ) -> ConversationId {
        let id = ConversationId(self.random.uuid(now.wall));
        let contact = found.and_then(|(contact, _)| self.contacts.contact(contact));
        let name = contact.map(|contact| contact.name.clone());
        let name = name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| name_of_caller(incoming.from, incoming.from_name));
        let row = ConversationRecord {
            inbox: incoming.channel.inbox.clone(),
            subject: name_of_caller(incoming.from, incoming.from_name),
            contact: found.map(|(contact, _)| contact),
            contact_name: name,
            contact_address: incoming.from.map(ToString::to_string),
            found_by: found.map(|(_, by)| by),
            from: incoming.from.cloned(),
            item: Some(ItemKind::MissedCall),
            preview: "Missed call".to_owned(),
            awaits_reply_since: Some(now.wall),
            ..ConversationRecord::begun(id, Kind::Call, incoming.channel.name.clone(), now.wall)
        };
        self.hold(row.clone(), Opening::default());
        self.store(Record::Item(Box::new(row.clone())));
        let inbox = row.inbox.clone();
        self.publish(inbox, Happening::Created(Box::new(row)), now.wall);
        id
    }

    fn join(&mut self, id: ConversationId, found: Option<(ContactId, FoundBy)>, now: Now) {
        let row = self.edit(id, |row| {
            if row.contact.is_none() {
                row.contact = found.map(|(contact, _)| contact);
                row.found_by = found.map(|(_, by)| by);
            }
            row.status = Status::Open;
            row.item = Some(ItemKind::MissedCall);
            row.last_message = now.wall;
            row.preview = "Missed call".to_owned();
            row.awaits_reply_since = row.awaits_reply_since.or(Some(now.wall));
        });
        if let Some(row) = row {
            self.changed(row, now);
        }
        self.stand(id);
    }

    /// The call stands in its conversation as missed, counted into an earlier one of the same caller
    /// a short while ago.
    fn note_missed(
        &mut self,
        id: ConversationId,
        incoming: &IncomingCall<'_>,
        snapshot: &Snapshot,
        now: Now,
    ) {
        let together = snapshot.settings.routing.missed_calls_together;
        let author_name = author_name(incoming.from, incoming.from_name);
        let missed = self.held.get_mut(&id).and_then(|held| held.missed.take());
        let before = missed.and_then(|(message, at)| {
            let same = message.author_name == author_name && incoming.from.is_some();
            (same && now.wall.since(at) <= together).then_some(message)
        });
        let message = match &before {
            Some(before) => {
                let mut message = before.clone();
                message.count = message.count.saturating_add(1);
                message.earlier_calls.extend(message.call);
                let spare = message.earlier_calls.len().saturating_sub(EARLIER_CALLS);
                message.earlier_calls.drain(..spare);
                message.call = Some(incoming.call);
                message.at = now.wall;
                let words = format!("Missed call ({} times)", message.count);
                self.edit(id, |row| row.preview = words);
                self.message_changed(message.clone(), now);
                message
            }
            None => {
                let mut message =
                    self.blank(id, MessageKind::MissedCall, Author::Contact, now.wall);
                message.id = MessageId(incoming.call.0);
                message.author_name = author_name;
                message.call = Some(incoming.call);
                self.add(message.clone(), None);
                message
            }
        };
        let under_way = CallUnderWay {
            conversation: id,
            message,
            before,
            answered_by: None,
        };
        self.calls.insert(incoming.call, under_way);
        self.stand(id);
    }

    /// A call that turns out to be more than a missed one gets a message of its own.
    fn stand_alone(&mut self, under_way: &mut CallUnderWay, call: CallId, now: Now) {
        let Some(before) = under_way.before.take() else {
            return;
        };
        let own = MessageRecord {
            id: MessageId(call.0),
            count: 1,
            earlier_calls: Vec::new(),
            text: String::new(),
            ..under_way.message.clone()
        };
        self.message_changed(before, now);
        self.add(own.clone(), None);
        under_way.message = own;
    }

    /// The owner of the contact gets what nobody answered, where the channel's rules seek owners.
    fn give_to_owner(&mut self, row: &ConversationRecord, snapshot: &Snapshot, now: Now) {
        let Some(channel) = snapshot.channel(&row.channel) else {
            return;
        };
        let rules = [
            Some(&channel.working_hours),
            channel.break_.as_ref(),
            channel.after_hours.as_ref(),
        ];
        let mut steps = rules.into_iter().flatten().flat_map(|rule| &rule.steps);
        let sought = steps.any(|step| step.target == Target::ContactOwner)
            && snapshot.settings.contacts.by_number;
        let contact = row
            .contact
            .and_then(|contact| self.contacts.contact(contact));
        let owner = contact.and_then(|contact| contact.owner.clone());
        let Some(owner) = owner.filter(|_| sought).map(Assignee::User) else {
            return;
        };
        if may_have(snapshot, row.inbox.as_ref(), &owner).is_err() {
            return;
        }
        let row = self.edit(row.id, |row| {
            row.assignee = Some(owner.clone());
            row.assigned = Some(now.wall);
            row.replied = false;
        });
        if let Some(row) = row {
            self.store(Record::Assignment(AssignmentRecord {
                conversation: row.id,
                to: Some(owner),
                by: "rule".to_owned(),
                at: now.wall,
                decision: None,
            }));
            let what = Happening::Assigned {
                conversation: Box::new(row.clone()),
                before: None,
                decision: None,
            };
            self.publish(row.inbox, what, now.wall);
        }
    }

    pub(super) fn message_changed(&mut self, message: MessageRecord, now: Now) {
        let message = Box::new(message);
        self.actions
            .push_back(Action::Store(Box::new(Record::Message(message.clone()))));
        let Some(row) = self.held.get(&message.conversation).map(|held| &held.row) else {
            return;
        };
        let what = Happening::MessageChanged {
            conversation: Box::new(row.clone()),
            message,
        };
        self.publish(row.inbox.clone(), what, now.wall);
    }
}

impl CallUnderWay {
    /// Whether somebody talks in it: the desk counts it by itself then.
    pub(super) fn is_talking(&self) -> bool {
        self.answered_by.is_some()
    }
}

/// What a call says of its caller.
fn hint_of(number: Option<&PhoneNumber>, name: Option<&str>) -> ContactHint {
    ContactHint {
        number: number.cloned(),
        called: true,
        // A name alone is nobody.
        name: number.and(name).map(str::to_owned),
        ..ContactHint::default()
    }
}

fn words_of_voicemail(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) => format!("Voicemail, {seconds:.0} s"),
        None => "Voicemail".to_owned(),
    }
}

fn name_of_caller(number: Option<&PhoneNumber>, name: Option<&str>) -> String {
    let name = name.map(|name| clean_line(name, LONGEST_NAME));
    match (name.filter(|name| !name.is_empty()), number) {
        (Some(name), _) => name,
        (None, Some(number)) => number.to_string(),
        (None, None) => "anonymous".to_owned(),
    }
}

fn author_name(number: Option<&PhoneNumber>, name: Option<&str>) -> String {
    let called = name_of_caller(number, name);
    match number {
        Some(number) if called != number.as_str() => format!("{called} <{number}>"),
        Some(_) | None => called,
    }
}

/// The conversation of a voicemail of which nothing else was kept.
fn blank_row(id: ConversationId, voicemail: &VoicemailRecord, name: String) -> ConversationRecord {
    let began: Wall = voicemail.began;
    ConversationRecord {
        revision: 0,
        subject: name.clone(),
        contact_name: name,
        contact_address: voicemail.from.as_ref().map(ToString::to_string),
        from: voicemail.from.clone(),
        item: Some(ItemKind::Voicemail),
        awaits_reply_since: Some(began),
        ..ConversationRecord::begun(id, Kind::Call, voicemail.channel.clone(), began)
    }
}
