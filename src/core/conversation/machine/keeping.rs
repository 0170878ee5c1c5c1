//! What is in memory: rows with their indexes and timers, what was closed or deleted lately, names of
//! messages that were taken in.

use super::{
    Action, Conversations, Held, OPEN, Opening, RECENTLY_CLOSED, REMEMBERED, Standing, Stands,
    TakenIn, Timer, callers, holder, is_undecided, stands,
};
use crate::core::conversation::record::{
    Author, ContactRecord, ConversationRecord, MessageKind, MessageRecord, Status,
};
use crate::core::id::{ConversationId, MessageId};
use crate::core::name::{ChannelName, UserName};
use crate::core::record::Record;
use crate::core::routing::Presence;
use crate::core::snapshot::{Channel, Kind, Snapshot};
use crate::core::time::{Mono, Now, Wall};

/// A chat in which nothing was said for so long before a start has no visitor any more.
const VISITOR_STAYS: std::time::Duration = std::time::Duration::from_secs(600);

impl Conversations {
    /// Takes in what the store knows of a contact. At start, before conversations.
    pub fn restore_contact(&mut self, record: ContactRecord) {
        self.contacts.restore(record);
    }

    /// Takes in an open or waiting conversation from the store. At start. Where the last run stopped
    /// before it was decided whose it is, that is decided now.
    pub fn restore(&mut self, row: ConversationRecord, snapshot: &Snapshot, now: Now) {
        if self.held.contains_key(&row.id) {
            return;
        }
        let id = row.id;
        let visitor_gone = row.kind == Kind::Chat
            && row.contact_address.is_some()
            && now.wall.since(row.last_message) > VISITOR_STAYS;
        let (assigned, last_message) = (row.assigned, row.last_message);
        let undecided = is_undecided(&row);
        let stands = match undecided {
            true => Stands::default(),
            false => stands(&row),
        };
        self.hold(row, Opening::default());
        if let Some(held) = self.held.get_mut(&id) {
            held.opening = None;
            held.visitor_gone = visitor_gone;
            held.stands = stands;
        }
        if undecided {
            self.ask(id, None, snapshot, now);
        }
        let passed = |since: Wall| Now::new(now.mono, since);
        self.arm_answer(id, snapshot, passed(assigned.unwrap_or(now.wall)), now);
        self.arm_idle(id, snapshot, passed(last_message), now);
    }

    /// The restored conversations that are open and wait for nobody, with whoever has them, for the
    /// desk.
    pub fn restored(&self) -> impl Iterator<Item = (ConversationId, Kind, Option<&UserName>)> {
        let open = |held: &&Held| held.stands.open && !held.stands.seeks;
        self.held
            .values()
            .filter(open)
            .map(|held| (held.row.id, held.row.kind, held.stands.user.as_ref()))
    }

    /// Restored conversations that wait for somebody to become available, oldest first.
    pub fn restored_seekers(&self) -> Vec<ConversationId> {
        let mut seekers: Vec<(Wall, ConversationId)> = self
            .held
            .values()
            .filter(|held| held.stands.seeks)
            .map(|held| (held.row.began, held.row.id))
            .collect();
        seekers.sort_unstable();
        seekers.into_iter().map(|(_, id)| id).collect()
    }

    /// A user's presence as it was before the start. After the conversations.
    pub fn restore_presence(
        &mut self,
        user: &UserName,
        presence: Presence,
        snapshot: &Snapshot,
        now: Now,
    ) {
        self.presence(user, presence, snapshot, now);
    }

    /// Whether another conversation may begin.
    pub(super) fn has_room(&self) -> bool {
        self.held.len().saturating_sub(self.closed.len()) < OPEN
    }

    /// Takes a conversation into memory, as it is.
    pub(super) fn hold(&mut self, mut row: ConversationRecord, opening: Opening) {
        let id = row.id;
        // It may have been read from before its contact was merged.
        row.contact = row.contact.map(|contact| self.contacts.survivor(contact));
        if let Some(contact) = row.contact {
            self.by_contact.entry(contact).or_default().insert(id);
        }
        if let Some(user) = holder(&row) {
            self.by_user.entry(user).or_default().insert(id);
        }
        if let Some(visitor) = row.visitor.clone() {
            self.by_visitor.entry(visitor).or_default().insert(id);
        }
        for caller in callers(&row) {
            self.by_caller.entry(caller).or_default().insert(id);
        }
        let is_closed = row.status == Status::Closed;
        let held = Held {
            row,
            due: Default::default(),
            stands: Stands::default(),
            visitor_gone: false,
            opening: Some(opening),
            asks: false,
            missed: None,
            closed_as: None,
        };
        self.held.insert(id, held);
        if is_closed {
            self.keep_closed(id);
        }
    }

    /// Takes a row that was read from the store, where memory has none and it was not deleted since.
    pub(super) fn recall(&mut self, row: ConversationRecord, snapshot: &Snapshot, now: Now) {
        let id = row.id;
        if !self.held.contains_key(&id) && !self.deleted.contains(&id) {
            self.restore(row, snapshot, now);
            if let Some(held) = self.held.get_mut(&id) {
                held.stands = Stands::default();
            }
            self.stand(id);
        }
    }

    /// Changes a row, keeps it, and follows with indexes. Answers it as it is then.
    pub(super) fn edit(
        &mut self,
        id: ConversationId,
        edit: impl FnOnce(&mut ConversationRecord),
    ) -> Option<ConversationRecord> {
        let held = self.held.get_mut(&id)?;
        let before = (held.row.contact, holder(&held.row), held.row.status);
        let callers_before = callers(&held.row);
        edit(&mut held.row);
        held.row.revision = held.row.revision.saturating_add(1);
        let row = held.row.clone();
        if before.0 != row.contact {
            if let Some(contact) = before.0 {
                remove(&mut self.by_contact, &contact, id);
            }
            if let Some(contact) = row.contact {
                self.by_contact.entry(contact).or_default().insert(id);
            }
        }
        let user = holder(&row);
        if before.1 != user {
            if let Some(user) = before.1 {
                remove(&mut self.by_user, &user, id);
            }
            if let Some(user) = user {
                self.by_user.entry(user).or_default().insert(id);
            }
        }
        let callers = callers(&row);
        if callers_before != callers {
            for caller in callers_before {
                remove(&mut self.by_caller, &caller, id);
            }
            for caller in callers {
                self.by_caller.entry(caller).or_default().insert(id);
            }
        }
        match (before.2 == Status::Closed, row.status == Status::Closed) {
            (false, true) => self.keep_closed(id),
            (true, false) => self.keep_open(id),
            (true, true) | (false, false) => {}
        }
        self.store(Record::Item(Box::new(row.clone())));
        Some(row)
    }

    /// Tells the desk how a conversation stands, where that has changed.
    pub(super) fn stand(&mut self, id: ConversationId) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let mut calls = self.calls.values();
        let talks = held.row.kind == Kind::Call
            && calls.any(|call| call.conversation == id && call.is_talking());
        let mut after = stands(&held.row);
        // Who talks in a call has it at the desk by that.
        after.user = after.user.filter(|_| !talks);
        if held.stands == after {
            return;
        }
        let before = std::mem::replace(&mut held.stands, after.clone());
        let standing = Standing {
            conversation: id,
            kind: held.row.kind,
            before: before.user,
            now: after.user,
            seeks: after.seeks,
        };
        self.actions.push_back(Action::Stand(standing));
    }

    /// Tells the desk again of a conversation that waits: its contact, or the contact's owner, may be
    /// another one now.
    pub(super) fn wait_anew(&mut self, id: ConversationId) {
        let Some(held) = self.held.get(&id).filter(|held| held.stands.seeks) else {
            return;
        };
        let user = held.stands.user.clone();
        let standing = Standing {
            conversation: id,
            kind: held.row.kind,
            before: user.clone(),
            now: user,
            seeks: true,
        };
        self.actions.push_back(Action::Stand(standing));
    }

    /// Forgets a conversation altogether.
    pub(super) fn forget(&mut self, id: ConversationId) -> Option<ConversationRecord> {
        self.disarm_all(id);
        let held = self.held.remove(&id)?;
        if let Some(contact) = held.row.contact {
            remove(&mut self.by_contact, &contact, id);
        }
        if let Some(user) = holder(&held.row) {
            remove(&mut self.by_user, &user, id);
        }
        for caller in callers(&held.row) {
            remove(&mut self.by_caller, &caller, id);
        }
        if let Some(visitor) = &held.row.visitor {
            remove(&mut self.by_visitor, visitor, id);
        }
        if let Some(place) = held.closed_as {
            self.closed.remove(&place);
        }
        Some(held.row)
    }

    /// Remembers that a conversation was deleted.
    pub(super) fn remember_deleted(&mut self, id: ConversationId) {
        self.deleted.insert(id);
        self.deleted_order.push_back(id);
        if self.deleted_order.len() > RECENTLY_CLOSED
            && let Some(oldest) = self.deleted_order.pop_front()
        {
            self.deleted.remove(&oldest);
        }
    }

    /// What a message of that name led to, if it was taken in a short while ago.
    pub(super) fn taken_in(&self, channel: &ChannelName, message: &str) -> Option<TakenIn> {
        let key = (channel.clone(), message.to_owned());
        self.taken_in.get(&key).copied()
    }

    /// Remembers that a message was taken in.
    pub(super) fn remember(&mut self, channel: &ChannelName, message: &MessageRecord) {
        let Some(name) = &message.external_id else {
            return;
        };
        let key = (channel.clone(), name.clone());
        let taken_in = TakenIn {
            conversation: message.conversation,
            message: message.id,
            at: message.at,
        };
        if self.taken_in.insert(key.clone(), taken_in).is_none() {
            self.taken_in_order.push_back(key);
        }
        if self.taken_in_order.len() > REMEMBERED
            && let Some(oldest) = self.taken_in_order.pop_front()
        {
            self.taken_in.remove(&oldest);
        }
    }

    /// A message without anything in it.
    pub(super) fn blank(
        &mut self,
        conversation: ConversationId,
        kind: MessageKind,
        author: Author,
        at: Wall,
    ) -> MessageRecord {
        MessageRecord::new(
            MessageId(self.random.uuid(at)),
            conversation,
            at,
            kind,
            author,
        )
    }

    pub(super) fn arm(&mut self, id: ConversationId, timer: Timer, at: Mono) {
        self.disarm(id, timer);
        if let Some(held) = self.held.get_mut(&id) {
            held.due.insert(timer, at);
            self.deadlines.insert((at, id, timer));
        }
    }

    pub(super) fn disarm(&mut self, id: ConversationId, timer: Timer) {
        if let Some(held) = self.held.get_mut(&id)
            && let Some(at) = held.due.remove(&timer)
        {
            self.deadlines.remove(&(at, id, timer));
        }
    }

    pub(super) fn disarm_all(&mut self, id: ConversationId) {
        for timer in [Timer::GiveToNext, Timer::TakeBack, Timer::CloseIdle] {
            self.disarm(id, timer);
        }
    }

    /// Whoever has it by rule has so long to answer, counted from `since`, unless that runs already.
    pub(super) fn arm_answer(
        &mut self,
        id: ConversationId,
        snapshot: &Snapshot,
        since: Now,
        now: Now,
    ) {
        let Some(held) = self.held.get(&id) else {
            return;
        };
        let row = &held.row;
        let within = row.progress.as_ref().and_then(|progress| {
            let channel = snapshot.channel(&row.channel)?;
            channel.rule(progress.rule).answer_within
        });
        let awaited = row.status == Status::Open
            && !row.replied
            && row.awaits_reply_since.is_some()
            && row.decision.is_some()
            && holder(row).is_some();
        match within.filter(|_| awaited) {
            None => self.disarm(id, Timer::GiveToNext),
            Some(_) if held.due.contains_key(&Timer::GiveToNext) => {}
            Some(within) => {
                let left = (since.wall + within).since(now.wall);
                self.arm(id, Timer::GiveToNext, now.mono + left);
            }
        }
    }

    /// A chat is closed when nobody writes for so long, counted from `since`.
    pub(super) fn arm_idle(
        &mut self,
        id: ConversationId,
        snapshot: &Snapshot,
        since: Now,
        now: Now,
    ) {
        let Some(held) = self.held.get(&id) else {
            return;
        };
        let channel = snapshot.channel(&held.row.channel);
        let chat = channel.and_then(Channel::chat);
        match chat.filter(|_| held.row.status != Status::Closed) {
            None => self.disarm(id, Timer::CloseIdle),
            Some(chat) => {
                let left = (since.wall + chat.idle_close).since(now.wall);
                self.arm(id, Timer::CloseIdle, now.mono + left);
            }
        }
    }

    fn keep_closed(&mut self, id: ConversationId) {
        self.disarm_all(id);
        let place = self.next_closed;
        self.next_closed = place.saturating_add(1);
        self.closed.insert(place, id);
        if let Some(held) = self.held.get_mut(&id) {
            held.closed_as = Some(place);
        }
        if self.closed.len() > RECENTLY_CLOSED
            && let Some((_, oldest)) = self.closed.pop_first()
        {
            self.forget(oldest);
        }
    }

    fn keep_open(&mut self, id: ConversationId) {
        if let Some(held) = self.held.get_mut(&id)
            && let Some(place) = held.closed_as.take()
        {
            self.closed.remove(&place);
        }
    }
}

fn remove<K: Ord>(
    index: &mut std::collections::BTreeMap<K, std::collections::BTreeSet<ConversationId>>,
    key: &K,
    id: ConversationId,
) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
