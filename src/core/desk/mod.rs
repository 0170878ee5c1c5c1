//! The desk: who is there, who is free, who is being rung, who has how much. It is the single writer
//! of offers and assignments, so that nobody is rung by two calls at once and nothing is given to two
//! people, and it outlives reloads: everything is kept by name.
//!
//! A call asks with [`Desk::select`]; when the decision is to ring, the users are claimed in the same
//! turn, and the call dials their devices. It then says how each of these offers ended
//! ([`Desk::offer_ended`], [`Desk::accepted`]) and that the call itself has ([`Desk::call_ended`]).
//! Somebody who becomes free while calls wait leads to [`Action::Reselect`], oldest call first.
//!
//! A conversation of messages asks with [`Desk::assign`], which claims in the same turn as well, or
//! lets it wait. What people do by hand is told with [`Desk::given`], that it is closed with
//! [`Desk::closed`]. Somebody who becomes available, or has room again, leads to
//! [`Action::ReselectMessage`], oldest conversation first. Who is there is the desk's too
//! ([`Desk::presence_said`]), and what changes is told with [`Action::StorePresence`].

mod calls;
mod messages;
mod people;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::core::conversation::PresenceRecord;
use crate::core::id::{CallId, ConversationId};
use crate::core::name::{ByName, ChannelName, UserName};
use crate::core::routing::{Attempt, Cause};
use crate::core::snapshot::RuleName;
use crate::core::time::{Mono, Now};

pub use messages::Ask;
pub use people::Load;

use calls::Party;
use messages::Item;
use people::Person;
use waiting::Waiting;

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
    /// Somebody whom this waiting conversation looks for may take it now: ask for it again with
    /// [`Desk::assign`] and this cause, before the next poll. Where that comes to nothing again
    /// ([`crate::core::routing::UnassignedReason::NobodyAvailable`]), the decision is no news and
    /// need not be kept.
    ReselectMessage {
        /// The conversation.
        conversation: ConversationId,
        /// What to put into its progress.
        cause: Cause,
    },
    /// A user came or went: store it and tell those who watch. Of somebody who went away,
    /// conversations without a reply may be taken back after their channel's grace
    /// ([`crate::core::snapshot::WhenAway`]): look with [`Desk::presence`] again when it is over.
    StorePresence(PresenceRecord),
}

/// The desk. Its size is bounded by the users of the configuration, the calls under way and the
/// conversations that are open.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// Looked up, never gone through in an order.
    people: HashMap<UserName, Person, ByName>,
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
    /// Open conversations of messages, and missed calls that somebody has.
    items: BTreeMap<ConversationId, Item>,
    /// Those of them that seek somebody.
    waiting: Waiting,
    /// When to look at a user's hours and absences again.
    looks: BTreeSet<(Mono, UserName)>,
    /// Offers in a row after which a user is set away.
    away_after_missed: Option<u32>,
    /// Presence that changed and is not told yet.
    changed: VecDeque<PresenceRecord>,
}

/// Counts calls up in the order in which they first asked.
type Arrival = u64;

impl Desk {
    /// A desk at which everybody is free.
    pub fn new() -> Desk {
        Desk::default()
    }

    /// What to do next. Drain until `None`.
    ///
    /// What is let select again claims before the next is asked, so what is returned here must be
    /// done before the next poll.
    pub fn poll_action(&mut self) -> Option<Action> {
        if let Some(record) = self.changed.pop_front() {
            return Some(Action::StorePresence(record));
        }
        self.poll_call().or_else(|| self.poll_message())
    }

    /// When the next wrap-up time ends, or somebody's hours or absence are to be looked at.
    pub fn next_timeout(&self) -> Option<Mono> {
        let wrap_up = self.wrapping_up.first().map(|(until, _)| *until);
        let look = self.looks.first().map(|(at, _)| *at);
        [wrap_up, look].into_iter().flatten().min()
    }

    /// Lets those go whose wrap-up time is over, and lets those come and go whose hours say so.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((until, user)) = self.wrapping_up.pop_first() {
            if until > now.mono {
                self.wrapping_up.insert((until, user));
                break;
            }
            self.person(&user).wrap_up_until = None;
            self.let_go(&user);
        }
        self.look_at_clocks(now);
    }
}

#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod presence_tests;
#[cfg(test)]
mod storms;
#[cfg(test)]
mod tests;
