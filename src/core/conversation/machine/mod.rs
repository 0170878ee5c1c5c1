//! The machine of the inbox: all conversations that are open or wait, and those closed a short while
//! ago. Commands and decisions go in; what is to be kept, told and decided comes out.
//!
//! Contents of messages pass through and are never held. A conversation that is not in memory is
//! handed in with [`Command::Recalled`] before anything is done to it.
//!
//! # States
//! A conversation is open (somebody should answer), waiting (answered; the other side may come
//! back) or closed. A message from outside opens it again. One that was closed stays with its last
//! assignee if that person still has a seat and access (for chats: and is not away), or that team
//! access; else it is assigned anew by the rule. An open one keeps whoever has it; one that a person
//! unassigned by hand stays unassigned.
//!
//! # By rule and by hand
//! What a rule has assigned goes to the next one when it is not answered in time
//! (`answer_within`), until a person has replied. What was assigned by hand does not. Both are taken
//! back from people who went away, where the channel says so. If nobody else is there when the time
//! is over, it stays with the one who has it until somebody else becomes available.

mod arriving;
mod calls;
mod contacts;
mod keeping;
mod other_side;
mod people;
mod routing;
#[cfg(test)]
mod tests;
mod words;

pub use calls::IncomingCall;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use calls::CallUnderWay;

use super::command::{Command, Done, Refusal, RefusalKind};
use super::event::{Event, Happening, Outgoing};
use super::permission::not_found;
use super::record::{
    Assignee, ContactRecord, ConversationRecord, MessageRecord, PresenceRecord, Status,
};
use crate::core::contact::Contacts;
use crate::core::id::{CallId, ContactId, ConversationId, MessageId, RandomSource};
use crate::core::name::{ChannelName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::record::Record;
use crate::core::routing::{Attempt, Presence, UnassignedReason};
use crate::core::snapshot::{Kind, Snapshot};
use crate::core::time::{Mono, Now, Wall};

/// Conversations that may be open or wait at once, about 1 kB each: beyond it, senders are told to
/// come again.
const OPEN: usize = 500_000;

/// Closed conversations that stay in memory, so that a quick answer needs no question to the store.
const RECENTLY_CLOSED: usize = 10_000;

/// Names of messages that are remembered, about 200 octets each, so that one that comes twice within
/// a short while is taken in once. Edges ask the store about older ones.
const REMEMBERED: usize = 100_000;

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Keep a fact.
    Store(Box<Record>),
    /// Tell those who watch.
    Publish(Box<Event>),
    /// Tell the desk how a conversation stands, other than by its own decision.
    Stand(Standing),
    /// Let the desk decide; [`Conversations::decided`] follows.
    Select(ConversationId),
    /// Tell the desk that a user is there or away.
    SetPresence {
        /// Who.
        user: UserName,
        /// What.
        presence: Presence,
    },
}

/// How a conversation stands with the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub conversation: ConversationId,
    /// Its kind, which weighs.
    pub kind: Kind,
    /// In whose load it counted before.
    pub before: Option<UserName>,
    /// In whose load it counts now: an open one's assignee.
    pub now: Option<UserName>,
    /// Whether it is to be given out when somebody becomes available: its rule sought somebody and
    /// found nobody, or nobody else than the one who has not answered in time.
    pub seeks: bool,
}

/// What a conversation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// When to give it to the next, who may answer.
    GiveToNext,
    /// When to take it back from one who went away.
    TakeBack,
    /// When to close an idle chat.
    CloseIdle,
}

/// A conversation in memory.
#[derive(Clone, Debug)]
struct Held {
    row: ConversationRecord,
    due: BTreeMap<Timer, Mono>,
    /// What the desk was told last.
    stands: Stands,
    /// A chat whose visitor went: what is written goes by mail.
    visitor_gone: bool,
    /// Between its arrival and its first decision.
    opening: Option<Opening>,
    /// It is to be decided, and has not been yet.
    asks: bool,
    /// The last missed call in it, and when that was over: the next one is counted into it.
    missed: Option<(MessageRecord, Wall)>,
    /// Its place among the recently closed.
    closed_as: Option<u64>,
}

/// How a conversation stands with the desk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stands {
    open: bool,
    /// In whose load it counts.
    user: Option<UserName>,
    /// It is to be given out.
    seeks: bool,
}

/// What the first decision of a conversation leads to.
#[derive(Clone, Debug, Default)]
struct Opening {
    /// The sender may get the rule's automatic reply.
    reply: bool,
    /// The submission that an offline owner is to get by mail.
    submission: Option<Box<MessageRecord>>,
}

/// What a command comes to, before what follows from it is done.
enum Reply {
    Conversation {
        id: ConversationId,
        message: Option<Box<MessageRecord>>,
        repeated: bool,
    },
    Repeated(Box<MessageRecord>),
    Contact(Box<ContactRecord>),
    Nothing,
}

impl Reply {
    /// The conversation as it is now.
    fn conversation(id: ConversationId) -> Reply {
        Reply::Conversation {
            id,
            message: None,
            repeated: false,
        }
    }

    /// The conversation with a message of it, added or changed just now.
    fn message(message: Box<MessageRecord>) -> Reply {
        Reply::Conversation {
            id: message.conversation,
            message: Some(message),
            repeated: false,
        }
    }
}

/// What a caller is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    Number(PhoneNumber),
    Contact(ContactId),
}

/// A message that was taken in.
#[derive(Clone, Copy, Debug)]
struct TakenIn {
    conversation: ConversationId,
    message: MessageId,
    at: Wall,
}

/// The machine.
pub struct Conversations {
    held: BTreeMap<ConversationId, Held>,
    contacts: Contacts,
    random: RandomSource,
    by_contact: BTreeMap<ContactId, BTreeSet<ConversationId>>,
    /// Those that are not closed, by the person who has them.
    by_user: BTreeMap<UserName, BTreeSet<ConversationId>>,
    /// By the cookie of the visitor who began them.
    by_visitor: BTreeMap<String, BTreeSet<ConversationId>>,
    /// Conversations of calls that are not closed, by channel and caller.
    by_caller: BTreeMap<(ChannelName, Caller), BTreeSet<ConversationId>>,
    calls: BTreeMap<CallId, CallUnderWay>,
    closed: BTreeMap<u64, ConversationId>,
    next_closed: u64,
    deadlines: BTreeSet<(Mono, ConversationId, Timer)>,
    taken_in: BTreeMap<(ChannelName, String), TakenIn>,
    taken_in_order: VecDeque<(ChannelName, String)>,
    /// Deleted a short while ago: a row read before that brings none of them back.
    deleted: BTreeSet<ConversationId>,
    deleted_order: VecDeque<ConversationId>,
    away: BTreeSet<UserName>,
    actions: VecDeque<Action>,
    to_select: VecDeque<ConversationId>,
    answers: VecDeque<(u64, Result<Reply, Refusal>)>,
}

impl Conversations {
    /// An empty inbox.
    pub fn new(random: RandomSource) -> Conversations {
        Conversations {
            held: BTreeMap::new(),
            contacts: Contacts::default(),
            random,
            by_contact: BTreeMap::new(),
            by_user: BTreeMap::new(),
            by_visitor: BTreeMap::new(),
            by_caller: BTreeMap::new(),
            calls: BTreeMap::new(),
            closed: BTreeMap::new(),
            next_closed: 0,
            deadlines: BTreeSet::new(),
            taken_in: BTreeMap::new(),
            taken_in_order: VecDeque::new(),
            deleted: BTreeSet::new(),
            deleted_order: VecDeque::new(),
            away: BTreeSet::new(),
            actions: VecDeque::new(),
            to_select: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    /// Takes in a command; its answer comes from [`Conversations::poll_answer`].
    pub fn handle_command(&mut self, number: u64, command: Command, snapshot: &Snapshot, now: Now) {
        let result = self.command(command, snapshot, now);
        self.answers.push_back((number, result));
    }

    /// The next thing to do, until `None`. What a [`Action::Select`] leads to comes after it.
    pub fn poll_action(&mut self) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        let id = self.to_select.pop_front()?;
        if let Some(held) = self.held.get_mut(&id) {
            held.asks = false;
        }
        Some(Action::Select(id))
    }

    /// The next answer with the number of its command. Poll it when nothing else is left to do, at
    /// the desk either, so that it tells what became of it all.
    pub fn poll_answer(&mut self) -> Option<(u64, Result<Done, Refusal>)> {
        let (number, result) = self.answers.pop_front()?;
        Some((number, result.and_then(|reply| self.done(reply))))
    }

    /// When [`Conversations::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        self.deadlines.first().map(|(at, _, timer)| (*timer, *at))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, snapshot: &Snapshot, now: Now) {
        while let Some((at, id, timer)) = self.deadlines.first().copied()
            && at <= now.mono
        {
            self.disarm(id, timer);
            match timer {
                Timer::GiveToNext => self.give_to_next(id),
                Timer::TakeBack => self.take_back(id),
                Timer::CloseIdle => self.close_idle(id, snapshot, now),
            }
        }
    }

    /// The conversation, where it is in memory.
    pub fn conversation(&self, id: ConversationId) -> Option<&ConversationRecord> {
        self.held.get(&id).map(|held| &held.row)
    }

    /// All in memory, in the order in which they began.
    pub fn iter(&self) -> impl Iterator<Item = &ConversationRecord> {
        self.held.values().map(|held| &held.row)
    }

    /// The people on the other side.
    pub fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// A user's presence is now this, as the desk says: kept and told.
    pub fn presence_changed(&mut self, record: PresenceRecord, snapshot: &Snapshot, now: Now) {
        let (user, presence) = (record.user.clone(), record.presence);
        self.store(Record::Presence(record.clone()));
        self.publish(None, Happening::Presence(record), now.wall);
        self.presence(&user, presence, snapshot, now);
    }

    fn done(&self, reply: Reply) -> Result<Done, Refusal> {
        Ok(match reply {
            Reply::Conversation {
                id,
                message,
                repeated,
            } => Done::Conversation {
                conversation: Box::new(
                    self.held.get(&id).ok_or_else(|| not_found(id))?.row.clone(),
                ),
                message,
                repeated,
            },
            Reply::Repeated(message) => Done::Repeated(message),
            Reply::Contact(contact) => Done::Contact(contact),
            Reply::Nothing => Done::Nothing,
        })
    }

    fn store(&mut self, record: Record) {
        self.actions.push_back(Action::Store(Box::new(record)));
    }

    fn publish(&mut self, inbox: Option<crate::core::name::InboxName>, what: Happening, at: Wall) {
        let event = Event { at, inbox, what };
        self.actions.push_back(Action::Publish(Box::new(event)));
    }

    /// Keeps a message, and tells of it with the conversation as it is now.
    fn add(&mut self, message: MessageRecord, outgoing: Option<Outgoing>) -> Box<MessageRecord> {
        let message = Box::new(message);
        if self.held.contains_key(&message.conversation) {
            self.store(Record::Message(message.clone()));
            self.tell_of(&message, outgoing);
        }
        message
    }

    /// Everybody who watches hears of a message that is kept.
    fn tell_of(&mut self, message: &MessageRecord, outgoing: Option<Outgoing>) {
        let Some(held) = self.held.get(&message.conversation) else {
            return;
        };
        let (inbox, row) = (held.row.inbox.clone(), held.row.clone());
        let what = Happening::Message {
            conversation: Box::new(row),
            message: Box::new(message.clone()),
            outgoing,
        };
        self.publish(inbox, what, message.at);
    }

    fn changed(&mut self, row: ConversationRecord, now: Now) {
        let inbox = row.inbox.clone();
        self.publish(inbox, Happening::Changed(Box::new(row)), now.wall);
    }
}

/// The person in whose hands it is, while it is not closed.
fn holder(row: &ConversationRecord) -> Option<UserName> {
    let held = row.status != Status::Closed;
    row.assignee
        .as_ref()
        .and_then(Assignee::user)
        .filter(|_| held)
        .cloned()
}

/// How a conversation is to stand with the desk.
fn stands(row: &ConversationRecord) -> Stands {
    let open = row.status == Status::Open;
    let nobody = row.unassigned == Some(UnassignedReason::NobodyAvailable);
    Stands {
        open,
        user: holder(row).filter(|_| open),
        seeks: open && (row.assignee.is_none() && nobody || is_overdue(row)),
    }
}

/// Whether it began and nothing was kept of it since: what a crash in mid-arrival leaves. Calls are
/// decided while they ring.
fn is_undecided(row: &ConversationRecord) -> bool {
    row.kind != Kind::Call
        && row.revision == 1
        && row.status == Status::Open
        && row.decision.is_none()
        && row.assignee.is_none()
        && row.unassigned.is_none()
}

/// Whether whoever has it did not answer in time, and nobody else was there.
fn is_overdue(row: &ConversationRecord) -> bool {
    let tried = row.progress.iter().flat_map(|progress| &progress.tried);
    let holder = holder(row).filter(|_| !row.replied);
    holder.is_some_and(|user| {
        let timed_out = (user, Attempt::TimedOut);
        tried.into_iter().any(|attempt| *attempt == timed_out)
    })
}

/// By what a further call finds a conversation that is not closed.
fn callers(row: &ConversationRecord) -> Vec<(ChannelName, Caller)> {
    if row.kind != Kind::Call || row.status == Status::Closed {
        return Vec::new();
    }
    let number = row.from.clone().map(Caller::Number);
    let contact = row.contact.map(Caller::Contact);
    let callers = number.into_iter().chain(contact);
    callers
        .map(|caller| (row.channel.clone(), caller))
        .collect()
}

fn invalid(text: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Invalid,
        text: text.to_owned(),
    }
}
