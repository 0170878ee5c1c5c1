//! What people and programs do: reply, note, assign, close, delete, read.

use super::arriving::{clean, fill, preview};
use super::words::{author, author_name, called, said_by};
use super::{Action, Conversations, Reply, holder, invalid};
use crate::core::conversation::command::{Actor, Command, NewMessage, Refusal, RefusalKind};
use crate::core::conversation::event::{Happening, Outgoing};
use crate::core::conversation::permission::{
    Act, may, may_change_contacts, may_set_presence, not_found,
};
use crate::core::conversation::record::{
    Assignee, Author, ConversationRecord, Delivery, MessageKind, MessageRecord, SeenRecord, Status,
};
use crate::core::id::ConversationId;
use crate::core::name::UserName;
use crate::core::record::{AssignmentRecord, Record, VoicemailRecord};
use crate::core::snapshot::{Kind, Snapshot};
use crate::core::time::{Now, Wall};

impl Conversations {
    pub(super) fn command(
        &mut self,
        command: Command,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        match command {
            Command::Arrived(arrival) => self.arrived(*arrival, snapshot, now),
            Command::Recalled(row) => {
                self.recall(*row, snapshot, now);
                Ok(Reply::Nothing)
            }
            Command::Replied {
                conversation,
                by,
                message,
            } => self.replied(conversation, &by, message, snapshot, now),
            Command::Noted {
                conversation,
                by,
                message,
            } => self.noted(conversation, &by, message, snapshot, now),
            Command::Assigned {
                conversation,
                by,
                to,
            } => self.assigned_by_hand(conversation, &by, to, snapshot, now),
            Command::StatusChanged {
                conversation,
                by,
                status,
            } => self.status_changed(conversation, &by, status, snapshot, now),
            Command::Deleted { conversation, by } => self.deleted(conversation, &by, snapshot, now),
            Command::Seen {
                conversation,
                user,
                at,
                // What has not been written yet cannot have been read.
            } => self.seen(conversation, user, at.min(now.wall), snapshot, now),
            Command::Unseen { conversation, user } => {
                self.seen(conversation, user, SeenRecord::NOTHING, snapshot, now)
            }
            Command::VoicemailDeleted {
                voicemail,
                message,
                by,
            } => self.voicemail_deleted(*voicemail, message, &by, snapshot, now),
            Command::DeliveryChanged { message, delivery } => {
                self.delivery_changed(*message, delivery, snapshot, now)
            }
            Command::VisitorLeft { conversation } => {
                self.visitor_left(conversation, now);
                Ok(Reply::Nothing)
            }
            Command::Typing {
                conversation,
                author,
            } => self.typing(conversation, author, snapshot, now),
            Command::AgentReplied {
                conversation,
                agent,
                reply,
            } => self.agent_replied(conversation, &agent, reply, snapshot, now),
            Command::PresenceChanged { user, presence, by } => {
                may_set_presence(snapshot, &by, &user)?;
                self.actions
                    .push_back(Action::SetPresence { user, presence });
                Ok(Reply::Nothing)
            }
            Command::ContactChanged { change, by } => {
                may_change_contacts(snapshot, &by)?;
                self.change_contact(change, snapshot, now)
            }
        }
    }

    fn replied(
        &mut self,
        id: ConversationId,
        by: &Actor,
        message: NewMessage,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let row = self.allowed(id, by, Act::Reply, snapshot)?.clone();
        let message = clean(message);
        refuse_empty(&message)?;
        if let Some(reply) = self.repeated_by(&row, &message, snapshot) {
            return Ok(reply);
        }
        let outgoing = self.way_out(&row)?;
        // A customer agent and a person do not answer at the same time.
        let takes = matches!(row.assignee, None | Some(Assignee::CustomerAgent(_)));
        if let (true, Actor::User(user)) = (takes, by) {
            self.give(id, Some(Assignee::User(user.clone())), by, now);
        }
        let row = self.edit(id, |row| {
            row.last_message = now.wall;
            row.preview = preview(&message);
            row.awaits_reply_since = None;
            row.replied = true;
            if let Some(progress) = &mut row.progress {
                progress.answered();
            }
            if row.closed.take().is_some() {
                row.status = Status::Open;
            }
        });
        let mut record = self.blank(id, MessageKind::Sent, author(by), now.wall);
        record.author_name = author_name(by, snapshot);
        record.delivery = Delivery::Pending;
        let record = fill(record, message);
        if let Some(row) = &row {
            self.remember(&row.channel.clone(), &record);
        }
        let message = self.add(record, Some(outgoing));
        self.stand(id);
        self.arm_answer(id, snapshot, now, now);
        self.arm_idle(id, snapshot, now, now);
        Ok(Reply::message(message))
    }

    fn noted(
        &mut self,
        id: ConversationId,
        by: &Actor,
        message: NewMessage,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let row = self.allowed(id, by, Act::Note, snapshot)?.clone();
        let message = clean(message);
        refuse_empty(&message)?;
        if let Some(reply) = self.repeated_by(&row, &message, snapshot) {
            return Ok(reply);
        }
        let mut record = self.blank(id, MessageKind::Note, author(by), now.wall);
        record.author_name = author_name(by, snapshot);
        let record = fill(record, message);
        self.remember(&row.channel, &record);
        let message = self.add(record, None);
        Ok(Reply::message(message))
    }

    fn assigned_by_hand(
        &mut self,
        id: ConversationId,
        by: &Actor,
        to: Option<Assignee>,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let before = self
            .allowed(id, by, Act::Assign(to.as_ref()), snapshot)?
            .assignee
            .clone();
        let whole = Reply::conversation(id);
        if before == to && before.is_some() {
            return Ok(whole);
        }
        self.give(id, to.clone(), by, now);
        let who = author_name(by, snapshot);
        let text = match &to {
            Some(to) => format!("{who} assigned it to {}.", called(to, snapshot)),
            None => format!("{who} assigned it to nobody."),
        };
        self.tell(id, author(by), text, now);
        self.stand(id);
        self.arm_answer(id, snapshot, now, now);
        Ok(whole)
    }

    /// Assigns by hand, which ends what a rule does with it.
    fn give(&mut self, id: ConversationId, to: Option<Assignee>, by: &Actor, now: Now) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        held.opening = None;
        let before = held.row.assignee.clone();
        self.disarm(id, super::Timer::GiveToNext);
        self.disarm(id, super::Timer::TakeBack);
        let row = self.edit(id, |row| {
            row.assigned = to.as_ref().map(|_| now.wall);
            row.assignee = to.clone();
            row.unassigned = None;
            row.decision = None;
            row.progress = None;
            row.replied = false;
        });
        let Some(row) = row else {
            return;
        };
        self.store(Record::Assignment(AssignmentRecord {
            conversation: id,
            to,
            by: said_by(by),
            at: now.wall,
            decision: None,
        }));
        let what = Happening::Assigned {
            conversation: Box::new(row.clone()),
            before,
            decision: None,
        };
        self.publish(row.inbox, what, now.wall);
    }

    fn status_changed(
        &mut self,
        id: ConversationId,
        by: &Actor,
        status: Status,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let before = self.allowed(id, by, Act::SetStatus, snapshot)?.status;
        if before != status {
            let who = author_name(by, snapshot);
            let text = match status {
                Status::Open => format!("{who} opened it again."),
                Status::Waiting => format!("{who} lets it wait for an answer."),
                Status::Closed => format!("{who} closed it."),
            };
            let gone = before == Status::Closed && !self.keeps_assignee(id, snapshot);
            let left_alone = status == Status::Open && self.lost_its_assignee(id);
            self.set_status(id, status, author(by), text, snapshot, now);
            if gone || left_alone {
                self.unassign(id, None, now);
            }
            if left_alone {
                self.ask(id, None, snapshot, now);
            }
        }
        Ok(Reply::conversation(id))
    }

    /// Opens, closes or lets wait, and says so in the conversation.
    pub(super) fn set_status(
        &mut self,
        id: ConversationId,
        status: Status,
        author: Author,
        text: String,
        snapshot: &Snapshot,
        now: Now,
    ) {
        let row = self.edit(id, |row| {
            row.status = status;
            row.closed = (status == Status::Closed).then_some(now.wall);
            if status != Status::Open {
                row.awaits_reply_since = None;
                if let Some(progress) = &mut row.progress {
                    progress.answered();
                }
            }
        });
        self.tell(id, author, text, now);
        if let Some(row) = row {
            self.changed(row, now);
        }
        self.stand(id);
        self.arm_answer(id, snapshot, now, now);
        self.arm_idle(id, snapshot, now, now);
    }

    fn deleted(
        &mut self,
        id: ConversationId,
        by: &Actor,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        self.allowed(id, by, Act::Delete, snapshot)?;
        if self.calls.values().any(|call| call.conversation == id) {
            return Err(Refusal {
                kind: RefusalKind::Conflict,
                text: "A call is under way in it. Delete it when that is over.".to_owned(),
            });
        }
        // It counts for nobody first; its row need not be kept once more for that.
        if let Some(held) = self.held.get_mut(&id) {
            let after = super::Stands::default();
            if held.stands != after {
                let before = std::mem::replace(&mut held.stands, after).user;
                let standing = super::Standing {
                    conversation: id,
                    kind: held.row.kind,
                    before,
                    now: None,
                    seeks: false,
                };
                self.actions.push_back(Action::Stand(standing));
            }
        }
        if let Some(row) = self.forget(id) {
            self.remember_deleted(id);
            self.store(Record::ConversationDeleted(id));
            self.publish(row.inbox, Happening::Deleted(id), now.wall);
        }
        Ok(Reply::Nothing)
    }

    fn seen(
        &mut self,
        id: ConversationId,
        user: UserName,
        at: Wall,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let by = Actor::User(user.clone());
        let inbox = self.allowed(id, &by, Act::See, snapshot)?.inbox.clone();
        self.store(Record::Seen(SeenRecord {
            conversation: id,
            user: user.clone(),
            at,
        }));
        let what = Happening::Seen {
            conversation: id,
            user,
            at,
        };
        self.publish(inbox, what, now.wall);
        Ok(Reply::Nothing)
    }

    fn typing(
        &mut self,
        id: ConversationId,
        author: Author,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let row = match &author {
            Author::User(user) => {
                let by = Actor::User(user.clone());
                self.allowed(id, &by, Act::See, snapshot)?
            }
            Author::Contact | Author::CustomerAgent(_) | Author::Automatic => self.row(id)?,
        };
        let inbox = row.inbox.clone();
        let what = Happening::Typing {
            conversation: id,
            author,
        };
        self.publish(inbox, what, now.wall);
        Ok(Reply::Nothing)
    }

    /// A voicemail and its recording are deleted: the call stays, and the conversation says who did it.
    fn voicemail_deleted(
        &mut self,
        voicemail: VoicemailRecord,
        message: Option<Box<MessageRecord>>,
        by: &Actor,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let id = voicemail.conversation;
        self.allowed(id, by, Act::Delete, snapshot)?;
        self.store(Record::Voicemail(VoicemailRecord {
            kept: false,
            ..voicemail
        }));
        let held = message.filter(|message| message.conversation == id);
        if let Some(mut message) = held.filter(|message| message.voicemail.is_some()) {
            message.voicemail = None;
            self.message_changed(*message, now);
        }
        let text = format!("{} deleted the voicemail.", author_name(by, snapshot));
        self.tell(id, author(by), text, now);
        Ok(Reply::conversation(id))
    }

    /// A sentence in the conversation about what happened.
    pub(super) fn tell(&mut self, id: ConversationId, author: Author, text: String, now: Now) {
        let mut record = self.blank(id, MessageKind::Event, author, now.wall);
        record.text = text;
        self.add(record, None);
    }

    pub(super) fn row(&self, id: ConversationId) -> Result<&ConversationRecord, Refusal> {
        let held = self.held.get(&id).ok_or_else(|| not_found(id))?;
        Ok(&held.row)
    }

    fn allowed(
        &self,
        id: ConversationId,
        by: &Actor,
        act: Act<'_>,
        snapshot: &Snapshot,
    ) -> Result<&ConversationRecord, Refusal> {
        let row = self.row(id)?;
        may(snapshot, by, row, act)?;
        Ok(row)
    }

    fn repeated_by(
        &mut self,
        row: &ConversationRecord,
        message: &NewMessage,
        snapshot: &Snapshot,
    ) -> Option<Reply> {
        let channel = snapshot.channel(&row.channel)?;
        self.repeated(channel, message)
    }

    /// How an answer reaches the other side.
    pub(super) fn way_out(&self, row: &ConversationRecord) -> Result<Outgoing, Refusal> {
        let gone = self.held.get(&row.id).is_some_and(|held| held.visitor_gone);
        let has_address = row.contact_address.is_some();
        match row.kind {
            Kind::Chat if gone && has_address => Ok(Outgoing::Email),
            Kind::Chat => Ok(Outgoing::Chat),
            Kind::Email | Kind::Form if has_address => Ok(Outgoing::Email),
            Kind::Email | Kind::Form => Err(invalid(
                "The sender left no mail address, so that nothing can be sent. Write a note.",
            )),
            Kind::Call => Err(invalid(
                "A call cannot be answered in writing. Call back, or write a note.",
            )),
        }
    }

    /// Somebody went or came: what they have not answered may be taken back, or stays with them.
    pub(super) fn presence(
        &mut self,
        user: &UserName,
        presence: crate::core::routing::Presence,
        snapshot: &Snapshot,
        now: Now,
    ) {
        use crate::core::routing::Presence;
        use crate::core::snapshot::WhenAway;
        match presence {
            Presence::Available => self.away.remove(user),
            Presence::Away => self.away.insert(user.clone()),
        };
        let theirs = self.by_user.get(user).into_iter().flatten();
        for id in theirs.copied().collect::<Vec<_>>() {
            let Some(row) = self.held.get(&id).map(|held| &held.row) else {
                continue;
            };
            let when_away = snapshot
                .channel(&row.channel)
                .map(|channel| channel.when_away);
            let unanswered = row.kind != Kind::Call
                && row.status == Status::Open
                && !row.replied
                && holder(row).is_some();
            match (presence, when_away) {
                (Presence::Away, Some(WhenAway::TakeBack { grace })) if unanswered => {
                    self.arm(id, super::Timer::TakeBack, now.mono + grace);
                }
                (Presence::Away, Some(WhenAway::TakeBack { .. } | WhenAway::Keep) | None)
                | (Presence::Available, _) => self.disarm(id, super::Timer::TakeBack),
            }
        }
    }
}

/// What is neither text nor file is no message.
pub(super) fn refuse_empty(message: &NewMessage) -> Result<(), Refusal> {
    if message.text.is_empty() && message.attachments.is_empty() {
        return Err(invalid("The message is empty."));
    }
    Ok(())
}
