//! The desk: who is free, who is being rung, who talks. It is the single writer of offers, so that
//! nobody is rung by two calls at once, and it outlives reloads: everything is kept by name.
//!
//! A call asks with [`Desk::select`]; when the decision is to ring, the users are claimed in the same
//! turn, and the call dials their devices. It then says how each of these offers ended
//! ([`Desk::offer_ended`], [`Desk::accepted`]) and that the call itself has ([`Desk::call_ended`]).
//! Somebody who becomes free while calls wait leads to [`Action::Reselect`], oldest call first.

use crate::core::id::{CallId, RandomSource};
use crate::core::name::UserName;
use crate::core::routing::{Attempt, Cause, Decision, DeviceFacts, Facts, Request};
use crate::core::snapshot::Snapshot;
use crate::core::time::{Mono, Now, Wall};

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
    /// Somebody whom this call looks for became free: let it select again with this cause.
    Reselect {
        /// The call.
        call: CallId,
        /// What to put into its progress.
        cause: Cause,
    },
}

/// What is known of a user from before the desk began: read from the store at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Open conversations assigned to the user.
    pub open_conversations: u32,
    /// When something was last assigned to the user.
    pub last_assigned: Option<Wall>,
    /// When the user's last call ended.
    pub last_call_ended: Option<Wall>,
}

/// The desk.
#[derive(Debug, Default)]
pub struct Desk {}

impl Desk {
    /// A desk at which everybody is free.
    pub fn new() -> Desk {
        Desk::default()
    }

    /// Takes in what the store knows of a user. At start.
    pub fn restore(&mut self, user: &UserName, load: Load) {
        let _ = (user, load);
        todo!("owner: routing")
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
        let _ = (snapshot, request, call, devices, random, now);
        todo!("owner: routing")
    }

    /// A user's offer of this call is over, and the user did not take it.
    pub fn offer_ended(&mut self, call: CallId, user: &UserName, end: OfferEnd) {
        let _ = (call, user, end);
        todo!("owner: routing")
    }

    /// The user talks to the caller, and the conversation is the user's.
    pub fn accepted(&mut self, call: CallId, user: &UserName, now: Now) {
        let _ = (call, user, now);
        todo!("owner: routing")
    }

    /// The user is the caller of this call, from one of our own phones.
    pub fn placed(&mut self, call: CallId, user: &UserName) {
        let _ = (call, user);
        todo!("owner: routing")
    }

    /// The call is over: its offers, whoever talked in it, and its place among those that wait.
    pub fn call_ended(&mut self, call: CallId, now: Now) {
        let _ = (call, now);
        todo!("owner: routing")
    }

    /// A conversation that was the user's is closed.
    pub fn conversation_closed(&mut self, user: &UserName) {
        let _ = user;
        todo!("owner: routing")
    }

    /// A device of this user came or went.
    pub fn reachability_changed(&mut self, user: &UserName) {
        let _ = user;
        todo!("owner: routing")
    }

    /// Forgets what it knows of users who are gone, once nothing of theirs is under way.
    pub fn snapshot_changed(&mut self, snapshot: &Snapshot) {
        let _ = snapshot;
        todo!("owner: routing")
    }

    /// What to do next. Drain until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        todo!("owner: routing")
    }

    /// When the next user's wrap-up time ends.
    pub fn next_timeout(&self) -> Option<Mono> {
        todo!("owner: routing")
    }

    /// Lets those go whose wrap-up time is over.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
        todo!("owner: routing")
    }
}
