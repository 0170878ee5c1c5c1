//! Messages from outside: whom they are from, what they continue, what they begin.

use super::{Conversations, Opening, Reply, invalid};
use crate::core::contact::clean_cookie;
use crate::core::conversation::command::{
    Arrival, ContactHint, NewMessage, Origin, Refusal, RefusalKind,
};
use crate::core::conversation::event::Happening;
use crate::core::conversation::permission::may_keep;
use crate::core::conversation::record::{
    Assignee, Author, ConversationRecord, MessageKind, MessageRecord, Status,
};
use crate::core::id::{ContactId, ConversationId};
use crate::core::record::Record;
use crate::core::routing::FoundBy;
use crate::core::snapshot::{Channel, Kind, Snapshot};
use crate::core::text::{
    LARGEST_TEXT, LONGEST_NAME, LONGEST_SUBJECT, clean_address, clean_line, clean_text, first_words,
};
use crate::core::time::Now;

/// The largest HTML of a message, in octets; text stands beside it, and what is larger is left out.
const LARGEST_HTML: usize = 1024 * 1024;

/// Answers of one form or chatflow.
const FIELDS: usize = 100;

/// Files of one message.
const ATTACHMENTS: usize = 100;

/// The longest name of a message elsewhere, in characters: a line of mail (RFC 5322 §2.1.1).
const LONGEST_EXTERNAL: usize = 998;

impl Conversations {
    pub(super) fn arrived(
        &mut self,
        arrival: Arrival,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let Some(channel) = snapshot.channel(&arrival.channel) else {
            return Err(Refusal {
                kind: RefusalKind::NotFound,
                text: format!("There is no channel {:?}.", &*arrival.channel),
            });
        };
        let message = clean(arrival.message);
        if let Some(continued) = arrival.continues {
            let id = continued.id;
            self.recall(*continued, snapshot, now);
            if let Some(reply) = self.repeated(channel, &message) {
                return Ok(reply);
            }
            let found = self.recognise(&arrival.contact, snapshot, now);
            if self.held.contains_key(&id) {
                let said = Said {
                    message,
                    contact: arrival.contact,
                    found,
                    awaits: !arrival.automatic,
                };
                return Ok(self.continued(id, channel, said, snapshot, now));
            }
            let reply = may_reply(arrival.origin, arrival.automatic);
            let said = Said {
                message,
                contact: arrival.contact,
                found,
                awaits: !arrival.automatic,
            };
            return self.begun(channel, said, reply, snapshot, now);
        }
        if let Some(reply) = self.repeated(channel, &message) {
            return Ok(reply);
        }
        let found = self.recognise(&arrival.contact, snapshot, now);
        let said = Said {
            message,
            contact: arrival.contact,
            found,
            awaits: !arrival.automatic,
        };
        match self.chat_under_way(channel, &said.contact) {
            Some(id) => Ok(self.continued(id, channel, said, snapshot, now)),
            None => {
                let reply = may_reply(arrival.origin, arrival.automatic);
                self.begun(channel, said, reply, snapshot, now)
            }
        }
    }

    /// What a message that was taken in before led to. Of the message itself only its key, its time
    /// and its names are known.
    pub(super) fn repeated(&mut self, channel: &Channel, message: &NewMessage) -> Option<Reply> {
        let name = message.external_id.as_deref()?;
        let taken_in = self.taken_in(&channel.name, name)?;
        let id = taken_in.conversation;
        let mut known = self.blank(id, MessageKind::Received, Author::Contact, taken_in.at);
        known.id = taken_in.message;
        known.external_id = Some(name.to_owned());
        if !self.held.contains_key(&id) {
            return Some(Reply::Repeated(Box::new(known)));
        }
        Some(Reply::Conversation {
            id,
            message: Some(Box::new(known)),
            repeated: true,
        })
    }

    pub(super) fn recognise(
        &mut self,
        hint: &ContactHint,
        snapshot: &Snapshot,
        now: Now,
    ) -> Option<(ContactId, FoundBy)> {
        let lookup = snapshot.settings.contacts;
        let recognised = self
            .contacts
            .recognise(hint, lookup, &mut self.random, now.wall);
        if let Some(contact) = recognised.changed {
            self.contact_changed(contact, now);
        }
        recognised.contact
    }

    /// A visitor has one chat at a time: the cookie finds it.
    fn chat_under_way(&self, channel: &Channel, hint: &ContactHint) -> Option<ConversationId> {
        let theirs = self
            .by_visitor
            .get(&clean_cookie(hint.cookie.as_deref()?)?)?;
        theirs.iter().rev().copied().find(|id| {
            self.held.get(id).is_some_and(|held| {
                held.row.kind == Kind::Chat
                    && held.row.channel == channel.name
                    && held.row.status != Status::Closed
            })
        })
    }

    fn begun(
        &mut self,
        channel: &Channel,
        said: Said,
        reply: bool,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        if channel.kind() == Kind::Call {
            return Err(invalid("Calls come over SIP."));
        }
        if !self.has_room() {
            return Err(Refusal {
                kind: RefusalKind::Busy,
                text: "Too many conversations are open. Close some of them.".to_owned(),
            });
        }
        let id = ConversationId(self.random.uuid(now.wall));
        let row = self.new_row(id, channel, &said, now);
        let address = row.contact_address.clone();
        self.hold(row.clone(), Opening::default());
        let message = Box::new(self.received(id, said, address.as_deref(), now));
        self.remember(&channel.name, &message);
        // The message first: what stops in between leaves no conversation without one, and whoever
        // brought the message brings it again.
        self.store(Record::Message(message.clone()));
        self.store(Record::Item(Box::new(row.clone())));
        let inbox = row.inbox.clone();
        self.publish(inbox, Happening::Created(Box::new(row)), now.wall);
        self.tell_of(&message, None);
        let mails_owner = channel.form().is_some_and(|form| form.mail_owner);
        if let Some(held) = self.held.get_mut(&id) {
            held.opening = Some(Opening {
                reply,
                submission: mails_owner.then(|| message.clone()),
            });
        }
        self.arm_idle(id, snapshot, now, now);
        self.ask(id, None, snapshot, now);
        Ok(Reply::message(message))
    }

    fn new_row(
        &self,
        id: ConversationId,
        channel: &Channel,
        said: &Said,
        now: Now,
    ) -> ConversationRecord {
        let message = &said.message;
        let subject = message.subject.clone().unwrap_or_default();
        let subject = if subject.is_empty() {
            first_words(&message.text)
        } else {
            subject
        };
        ConversationRecord {
            inbox: channel.inbox.clone(),
            subject,
            contact: said.found.map(|(contact, _)| contact),
            contact_name: self.display_name(said),
            contact_address: said.contact.address.as_deref().and_then(clean_address),
            found_by: said.found.map(|(_, by)| by),
            visitor: said.contact.cookie.as_deref().and_then(clean_cookie),
            preview: preview(message),
            awaits_reply_since: said.awaits.then_some(now.wall),
            ..ConversationRecord::begun(id, channel.kind(), channel.name.clone(), now.wall)
        }
    }

    fn continued(
        &mut self,
        id: ConversationId,
        channel: &Channel,
        said: Said,
        snapshot: &Snapshot,
        now: Now,
    ) -> Reply {
        let before = self.held.get(&id).map(|held| held.row.status);
        let keeps = self.keeps_assignee(id, snapshot);
        let left_alone = self.lost_its_assignee(id);
        let known_before = self.held.get(&id).and_then(|held| held.row.contact);
        let name = self.display_name(&said);
        let address = said.contact.address.as_deref().and_then(clean_address);
        let row = self.edit(id, |row| {
            row.last_message = now.wall;
            row.preview = preview(&said.message);
            if said.awaits && row.awaits_reply_since.is_none() {
                row.awaits_reply_since = Some(now.wall);
            }
            let same = row.contact.is_some() && row.contact == said.found.map(|(id, _)| id);
            if row.contact.is_none() {
                row.contact = said.found.map(|(contact, _)| contact);
                row.found_by = said.found.map(|(_, by)| by);
                row.contact_name = name;
            }
            let known = same
                && said
                    .found
                    .is_some_and(|(_, by)| by != FoundBy::UnverifiedSender);
            if row.contact_address.is_none() || (known && said.awaits && address.is_some()) {
                row.contact_address = address.or(row.contact_address.take());
            }
            row.status = Status::Open;
            if row.closed.take().is_some() {
                row.replied = false;
                if keeps {
                    row.assigned = row.assignee.as_ref().map(|_| now.wall);
                    if let Some(progress) = &mut row.progress {
                        progress.tried.clear();
                        progress.earlier.clear();
                    }
                }
            }
        });
        if let Some(held) = self.held.get_mut(&id) {
            held.visitor_gone = false;
        }
        let row_contact = row.as_ref().and_then(|row| row.contact);
        let reopened = before != Some(Status::Open);
        let address = row.as_ref().and_then(|row| row.contact_address.clone());
        let message = self.received(id, said, address.as_deref(), now);
        self.remember(&channel.name, &message);
        let message = self.add(message, None);
        if let Some(row) = row.filter(|_| reopened) {
            self.changed(row, now);
        }
        self.arm_idle(id, snapshot, now, now);
        if left_alone || before == Some(Status::Closed) && !keeps {
            self.unassign(id, None, now);
            self.ask(id, None, snapshot, now);
        } else {
            self.stand(id);
            self.arm_answer(id, snapshot, now, now);
            if known_before != row_contact {
                self.wait_anew(id);
            }
        }
        Reply::message(message)
    }

    /// Whether a closed conversation that is opened again stays with whom it had: a person with
    /// seat and access (for chats: who is not away), or a team with access.
    pub(super) fn keeps_assignee(&self, id: ConversationId, snapshot: &Snapshot) -> bool {
        let Some(row) = self.held.get(&id).map(|held| &held.row) else {
            return false;
        };
        match &row.assignee {
            None | Some(Assignee::CustomerAgent(_)) => false,
            Some(assignee) => {
                let away = assignee.user().is_some_and(|user| self.away.contains(user));
                may_keep(snapshot, row.inbox.as_ref(), assignee)
                    && !(away && row.kind == Kind::Chat)
            }
        }
    }

    fn received(
        &mut self,
        id: ConversationId,
        said: Said,
        address: Option<&str>,
        now: Now,
    ) -> MessageRecord {
        let author = self.blank(id, MessageKind::Received, Author::Contact, now.wall);
        let name = said.contact.name.as_deref().unwrap_or_default();
        let name = clean_line(name, LONGEST_NAME);
        let address = said
            .contact
            .address
            .as_deref()
            .and_then(clean_address)
            .or(address.filter(|_| name.is_empty()).map(str::to_owned));
        let author_name = match (name.is_empty(), address) {
            (false, Some(address)) => format!("{name} <{address}>"),
            (true, Some(address)) => address,
            (_, None) => name,
        };
        MessageRecord {
            author_name,
            ..fill(author, said.message)
        }
    }

    /// How the person is called: by the contact's name, by what the message says, by an address.
    fn display_name(&self, said: &Said) -> String {
        let known = said
            .found
            .and_then(|(id, _)| self.contacts.contact(id))
            .map(|contact| contact.name.clone());
        let own = said.contact.name.as_deref();
        let own = own.map(|name| clean_line(name, LONGEST_NAME));
        let address = said.contact.address.as_deref().and_then(clean_address);
        let number = said.contact.number.as_ref().map(ToString::to_string);
        [known, own, address, number]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| "Visitor".to_owned())
    }
}

/// A message from outside with its sender.
struct Said {
    message: NewMessage,
    contact: ContactHint,
    found: Option<(ContactId, FoundBy)>,
    /// Whether an answer is sought.
    awaits: bool,
}

fn may_reply(origin: Origin, automatic: bool) -> bool {
    match origin {
        Origin::Person => !automatic,
        Origin::NoAutomaticReply => false,
    }
}

/// Puts a message into a record that has nothing in it yet.
pub(super) fn fill(record: MessageRecord, message: NewMessage) -> MessageRecord {
    MessageRecord {
        subject: message.subject,
        text: message.text,
        quoted: message.quoted,
        html: message.html,
        fields: message.fields,
        attachments: message.attachments,
        external_id: message.external_id,
        raw: message.raw,
        ..record
    }
}

/// Makes a message safe to keep and to show: bounded, without control characters.
pub(super) fn clean(message: NewMessage) -> NewMessage {
    let line = |text: String, limit| Some(clean_line(&text, limit)).filter(|line| !line.is_empty());
    let mut attachments = message.attachments;
    attachments.truncate(ATTACHMENTS);
    NewMessage {
        subject: message
            .subject
            .and_then(|subject| line(subject, LONGEST_SUBJECT)),
        text: clean_text(&message.text, LARGEST_TEXT),
        quoted: message
            .quoted
            .map(|quoted| clean_text(&quoted, LARGEST_TEXT))
            .filter(|quoted| !quoted.is_empty()),
        html: message.html.filter(|html| html.len() <= LARGEST_HTML),
        fields: message
            .fields
            .into_iter()
            .take(FIELDS)
            .map(|(name, value)| {
                (
                    clean_line(&name, LONGEST_NAME),
                    clean_text(&value, LARGEST_TEXT / 4),
                )
            })
            .collect(),
        attachments,
        external_id: message
            .external_id
            .and_then(|name| line(name, LONGEST_EXTERNAL)),
        raw: message.raw,
    }
}

/// The first words of a message: of its text, its answers, or the names of its files.
pub(super) fn preview(message: &NewMessage) -> String {
    let text = first_words(&message.text);
    if !text.is_empty() {
        return text;
    }
    let fields: Vec<&str> = message
        .fields
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    let fields = first_words(&fields.join(" · "));
    if !fields.is_empty() {
        return fields;
    }
    let files = message.attachments.iter();
    let files: Vec<&str> = files.map(|file| file.file_name.as_str()).collect();
    first_words(&files.join(", "))
}
