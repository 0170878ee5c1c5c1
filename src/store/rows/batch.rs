//! Records that become rows together, of each row the latest.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{QueryBuilder, SqliteConnection};

use super::deletion::Removal;
use super::{calls, contacts, deletion, execute, in_parts, inbox, signed};
use crate::core::conversation::{
    AuditRecord, ContactRecord, ConversationRecord, MessageRecord, PresenceRecord, SeenRecord,
    SessionRecord,
};
use crate::core::id::{CallId, ContactId, ConversationId, LegId, MessageId, VoicemailId};
use crate::core::name::UserName;
use crate::core::record::{
    AssignmentRecord, CallRecord, DecisionRecord, HeardRecord, LegRecord, Record,
    RegistrationRecord, VoicemailRecord,
};
use crate::store::journal::Position;

/// A batch of records, of each row the latest.
#[derive(Debug, Default)]
pub(in crate::store) struct Batch {
    calls: BTreeMap<CallId, CallRecord>,
    legs: BTreeMap<LegId, LegRecord>,
    conversations: BTreeMap<ConversationId, ConversationRecord>,
    messages: Messages,
    voicemails: BTreeMap<VoicemailId, VoicemailRecord>,
    heard: BTreeMap<VoicemailId, HeardRecord>,
    assignments: Vec<(Position, AssignmentRecord)>,
    decisions: Vec<DecisionRecord>,
    contacts: BTreeMap<ContactId, ContactRecord>,
    presence: BTreeMap<UserName, PresenceRecord>,
    seen: BTreeMap<(UserName, ConversationId), SeenRecord>,
    sessions: BTreeMap<String, SessionRecord>,
    audit: Vec<(Position, AuditRecord)>,
    deleted: BTreeSet<ConversationId>,
    /// Files that only records in this batch knew of.
    removals: BTreeSet<Removal>,
    /// By user and contact; `None`: the registration ended.
    registrations: BTreeMap<(String, String), Option<RegistrationRecord>>,
}

/// Messages in the order in which they came, which is the order in which they are shown.
#[derive(Debug, Default)]
struct Messages {
    rows: Vec<Option<MessageRecord>>,
    places: HashMap<MessageId, usize>,
}

impl Messages {
    fn put(&mut self, message: MessageRecord) {
        let place = *self.places.entry(message.id).or_insert(self.rows.len());
        match self.rows.get_mut(place) {
            Some(row) => *row = Some(message),
            None => self.rows.push(Some(message)),
        }
    }

    /// Takes out the messages of which that is true.
    fn take(&mut self, taken: impl Fn(&MessageRecord) -> bool) -> Vec<MessageRecord> {
        (self.rows.iter_mut())
            .filter(|row| row.as_ref().is_some_and(&taken))
            .filter_map(Option::take)
            .collect()
    }

    fn all(&self) -> Vec<&MessageRecord> {
        self.rows.iter().flatten().collect()
    }
}

impl Batch {
    /// Takes a record in that ends at `place` in the journal; a later one of the same row replaces
    /// it.
    pub fn add(&mut self, record: Record, place: Position) {
        match record {
            Record::Call(call) => {
                self.calls.insert(call.id, call);
            }
            Record::Leg(leg) => {
                self.legs.insert(leg.id, leg);
            }
            Record::Item(conversation) => self.put_conversation(*conversation),
            Record::Message(message) => self.messages.put(*message),
            Record::ConversationDeleted(id) => self.delete(id),
            Record::Contact(contact) => {
                let newest = self.contacts.get(&contact.id);
                if newest.is_none_or(|newest| newest.revision <= contact.revision) {
                    self.contacts.insert(contact.id, *contact);
                }
            }
            Record::Presence(presence) => {
                self.presence.insert(presence.user.clone(), presence);
            }
            Record::Seen(seen) => {
                let key = (seen.user.clone(), seen.conversation);
                let latest = self.seen.get(&key);
                let goes_on = |latest: &SeenRecord| latest.at < seen.at;
                if latest.is_none_or(goes_on) || seen.at == SeenRecord::NOTHING {
                    self.seen.insert(key, seen);
                }
            }
            Record::Session(session) => {
                self.sessions.insert(session.key.clone(), session);
            }
            Record::Audit(audit) => self.audit.push((place, *audit)),
            Record::Voicemail(voicemail) => {
                self.voicemails.insert(voicemail.id, voicemail);
            }
            Record::Heard(heard) => {
                self.heard.insert(heard.voicemail, heard);
            }
            Record::Assignment(assignment) => self.assignments.push((place, assignment)),
            Record::Decision(decision) => self.decisions.push(*decision),
            // Whoever tells of it reads it from the journal.
            Record::Event(_) => {}
            Record::Registered(registration) => {
                let key = (registration.user.to_string(), registration.contact.clone());
                self.registrations.insert(key, Some(registration));
            }
            Record::Unregistered { user, contact } => {
                self.registrations.insert((user.to_string(), contact), None);
            }
        }
    }

    fn put_conversation(&mut self, conversation: ConversationRecord) {
        let newest = self.conversations.get(&conversation.id);
        if newest.is_none_or(|newest| newest.revision <= conversation.revision) {
            self.conversations.insert(conversation.id, conversation);
        }
    }

    /// What came before is not written; what comes after meets the row that says so.
    fn delete(&mut self, id: ConversationId) {
        self.deleted.insert(id);
        self.forget(&BTreeSet::from([id]));
    }

    /// Drops what belongs to these conversations, and remembers its files.
    fn forget(&mut self, gone: &BTreeSet<ConversationId>) {
        self.conversations.retain(|id, _| !gone.contains(id));
        self.seen.retain(|(_, id), _| !gone.contains(id));
        self.assignments
            .retain(|(_, assignment)| !gone.contains(&assignment.conversation));
        self.decisions.retain(|decision| {
            let conversation = decision.conversation.filter(|_| decision.call.is_none());
            conversation.is_none_or(|id| !gone.contains(&id))
        });
        for message in self
            .messages
            .take(|message| gone.contains(&message.conversation))
        {
            self.removals.extend(deletion::files_of_message(&message));
        }
        let removals = &mut self.removals;
        self.voicemails.retain(|_, voicemail| {
            let stays = !gone.contains(&voicemail.conversation);
            if !stays {
                removals.insert(deletion::file_of_voicemail(voicemail));
            }
            stays
        });
    }

    /// True if files are to be removed once this is written.
    pub fn removes_files(&self) -> bool {
        !self.deleted.is_empty() || !self.removals.is_empty()
    }

    /// Writes all rows, and that the journal was applied up to `applied`. To be called in a
    /// transaction. Doing it again changes nothing.
    pub async fn write(
        &mut self,
        connection: &mut SqliteConnection,
        applied: Position,
    ) -> Result<(), sqlx::Error> {
        for id in &self.deleted {
            deletion::delete(connection, *id).await?;
        }
        let late = deletion::deleted_among(connection, &self.conversations_named()).await?;
        if !late.is_empty() {
            self.forget(&late);
        }
        deletion::remember(connection, &self.removals).await?;
        self.write_calls(connection).await?;
        self.write_inbox(connection).await?;
        let contacts: Vec<&ContactRecord> = self.contacts.values().collect();
        contacts::write(connection, &contacts).await?;
        let mut place = QueryBuilder::new("INSERT INTO journal (id, segment, place) VALUES (1, ");
        place
            .push_bind(signed(applied.segment))
            .push(", ")
            .push_bind(signed(applied.offset));
        place.push(
            ") ON CONFLICT (id) DO UPDATE SET segment = excluded.segment, place = excluded.place",
        );
        execute(connection, place, true).await?;
        Ok(())
    }

    fn conversations_named(&self) -> Vec<ConversationId> {
        let named: BTreeSet<ConversationId> = (self.conversations.keys().copied())
            .chain(self.messages.all().iter().map(|row| row.conversation))
            .chain(self.voicemails.values().map(|row| row.conversation))
            .chain(self.seen.keys().map(|(_, id)| *id))
            .chain(self.assignments.iter().map(|(_, row)| row.conversation))
            .chain(self.decisions.iter().filter_map(|row| row.conversation))
            .collect();
        named.into_iter().collect()
    }

    async fn write_calls(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<_> = self.calls.values().collect();
        in_parts(connection, &rows, calls::calls).await?;
        let rows: Vec<_> = self.legs.values().collect();
        in_parts(connection, &rows, calls::legs).await?;
        let rows: Vec<_> = self.voicemails.values().collect();
        in_parts(connection, &rows, calls::voicemails).await?;
        let rows: Vec<_> = self.decisions.iter().collect();
        in_parts(connection, &rows, calls::decisions).await?;
        for ((user, contact), registration) in &self.registrations {
            let statement = calls::registration(user, contact, registration.as_ref());
            execute(connection, statement, true).await?;
        }
        Ok(())
    }

    async fn write_inbox(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<_> = self.conversations.values().collect();
        in_parts(connection, &rows, inbox::conversations).await?;
        let messages = inbox::older_first(connection, self.messages.all()).await?;
        in_parts(connection, &messages, inbox::messages).await?;
        let rows: Vec<_> = (messages.iter())
            .flat_map(|message| message.attachments.iter().map(move |file| (file, *message)))
            .collect();
        in_parts(connection, &rows, inbox::attachments).await?;
        let calls = |message: &MessageRecord| message.earlier_calls.clone();
        let rows: Vec<_> = (messages.iter())
            .flat_map(|message| calls(message).into_iter().map(move |call| (call, *message)))
            .collect();
        in_parts(connection, &rows, inbox::earlier_calls).await?;
        in_parts(connection, &self.assignments, inbox::assignments).await?;
        let rows: Vec<_> = self.presence.values().collect();
        in_parts(connection, &rows, inbox::presence).await?;
        let rows: Vec<_> = self.seen.values().collect();
        in_parts(connection, &rows, inbox::seen).await?;
        let rows: Vec<_> = self.sessions.values().collect();
        in_parts(connection, &rows, inbox::sessions).await?;
        if let Some(now) = rows.iter().map(|session| session.began).max() {
            execute(connection, inbox::sessions_over(now), true).await?;
        }
        in_parts(connection, &self.audit, inbox::audit).await?;
        for heard in self.heard.values() {
            execute(connection, inbox::heard(heard), true).await?;
        }
        Ok(())
    }
}
