//! The inbox inside the engine: commands go to the conversations' machine, what it wants decided goes
//! to the desk, and what the desk gives out goes back.

use std::sync::Arc;

use super::{Engine, Output};
use crate::core::conversation::{
    self, Assignee, Command, ContactRecord, ConversationRecord, PresenceRecord, Standing, Status,
};
use crate::core::desk::Ask;
use crate::core::id::{ConversationId, DecisionId};
use crate::core::record::{DecisionRecord, Record, VoicemailRecord};
use crate::core::routing::{
    Cause, Decision, Outcome, Presence, Request, Selection, UnassignedReason, words,
};
use crate::core::time::Now;

/// What the store knows of the inbox from before.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    /// All contacts, also those that were merged.
    pub contacts: Vec<ContactRecord>,
    /// Conversations that are not closed.
    pub conversations: Vec<ConversationRecord>,
    /// What users said about being there.
    pub presence: Vec<PresenceRecord>,
}

impl Engine {
    /// Takes in what the store knows of the inbox from before. At start, after [`Engine::restore`].
    pub fn restore_inbox(&mut self, inbox: Inbox, now: Now) {
        let snapshot = Arc::clone(&self.snapshot);
        for record in &inbox.presence {
            self.desk.restore_presence(record);
        }
        for contact in inbox.contacts {
            self.conversations.restore_contact(contact);
        }
        for row in inbox.conversations {
            self.conversations.restore(row, &snapshot, now);
        }
        for (conversation, kind, holder) in self.conversations.restored() {
            self.desk.restore_conversation(conversation, kind, holder);
        }
        for id in self.conversations.restored_seekers() {
            self.let_wait(id, now);
        }
        for record in &inbox.presence {
            if self.desk.presence(&record.user).presence == Presence::Away {
                let user = &record.user;
                self.conversations
                    .restore_presence(user, Presence::Away, &snapshot, now);
            }
        }
        // Somebody may have left the configuration since.
        self.desk.snapshot_changed(&snapshot, now);
        self.conversations.snapshot_changed(&snapshot, now);
        self.settle(now);
    }

    pub(super) fn command(&mut self, number: u64, command: Command, now: Now) {
        let snapshot = Arc::clone(&self.snapshot);
        self.conversations
            .handle_command(number, command, &snapshot, now);
    }

    /// A recording that the last run did not complete counts as a voicemail. At start, after
    /// [`Engine::restore_inbox`].
    pub fn recover_voicemail(&mut self, record: &VoicemailRecord, now: Now) {
        let snapshot = Arc::clone(&self.snapshot);
        let channel = snapshot.channel(&record.channel);
        self.conversations
            .voicemail_recovered(record, channel, &snapshot, now);
        self.settle(now);
    }

    /// Does all that the conversations want done now, so that it is kept before what follows it.
    pub(super) fn carry_out_conversations(&mut self, now: Now) {
        while let Some(action) = self.conversations.poll_action() {
            self.conversation_action(action, now);
        }
    }

    /// What the conversations want done.
    pub(super) fn conversation_action(&mut self, action: conversation::Action, now: Now) {
        match action {
            conversation::Action::Store(record) => self.outputs.push_back(Output::Store(record)),
            conversation::Action::Publish(event) => {
                self.outputs.push_back(Output::Published(event));
            }
            conversation::Action::Stand(standing) => self.stand(&standing, now),
            conversation::Action::Select(id) => self.select_message(id, now),
            conversation::Action::SetPresence { user, presence } => {
                self.desk.presence_said(&user, presence, now);
            }
        }
    }

    /// Gives the next answer, once nothing else is left to do.
    pub(super) fn answer_command(&mut self) -> bool {
        match self.conversations.poll_answer() {
            Some((number, result)) => {
                let result = Box::new(result);
                self.outputs.push_back(Output::Answered { number, result });
                true
            }
            None => false,
        }
    }

    /// The desk lets a waiting conversation ask again.
    pub(super) fn give_out(&mut self, id: ConversationId, cause: Cause, now: Now) {
        let snapshot = Arc::clone(&self.snapshot);
        if !self.conversations.give_out(id, cause, &snapshot, now) {
            self.desk.closed(id);
        }
    }

    /// A user came or went.
    pub(super) fn presence_changed(&mut self, record: PresenceRecord, now: Now) {
        let snapshot = Arc::clone(&self.snapshot);
        self.conversations.presence_changed(record, &snapshot, now);
    }

    /// Asks the desk, keeps the decision, and tells the conversations.
    fn select_message(&mut self, id: ConversationId, now: Now) {
        let Some((request, contact)) = self.conversations.question(id) else {
            return;
        };
        let Some(began) = self.conversations.conversation(id).map(|row| row.began) else {
            return;
        };
        let snapshot = Arc::clone(&self.snapshot);
        let ask = Ask {
            request: &request,
            conversation: id,
            began,
            contact,
        };
        let (facts, decision) = self.desk.assign(&snapshot, &ask, &mut self.random, now);
        if is_no_news(&request, &decision) {
            self.conversations.still_waits(id);
            return;
        }
        let decision_id = DecisionId(self.random.uuid(now.wall));
        let mut line = words::line(&request, &decision);
        if let (Some(holder), Outcome::Unassigned { .. }) = (self.stays_with(id), &decision.outcome)
        {
            line = format!("{line}; so it stays with {holder}");
        }
        let remark = self.remark();
        match &remark {
            Some(remark) => self.tell(now, format!("{id} {line}; {remark}")),
            None => self.tell(now, format!("{id} {line}")),
        }
        self.store(Record::Decision(Box::new(DecisionRecord {
            id: decision_id,
            call: None,
            conversation: Some(id),
            at: now.wall,
            request,
            facts,
            decision: decision.clone(),
            remark,
        })));
        self.conversations
            .decided(id, decision_id, &decision, &snapshot, now);
    }

    /// Whoever keeps a conversation that nobody else can be found for.
    fn stays_with(&self, id: ConversationId) -> Option<String> {
        let row = self.conversations.conversation(id)?;
        let progress = row.progress.as_ref()?;
        let assignee = row.assignee.as_ref()?;
        (progress.cause == Cause::NotAnswered).then(|| assignee.to_string())
    }

    /// Tells the desk how a conversation stands.
    fn stand(&mut self, standing: &Standing, now: Now) {
        let id = standing.conversation;
        let Some(row) = self.conversations.conversation(id) else {
            self.desk.closed(id);
            return;
        };
        let (kind, given) = (row.kind, row.assigned == Some(now.wall));
        if row.status != Status::Open {
            self.desk.closed(id);
        } else if standing.seeks {
            self.let_wait(id, now);
        } else if standing.now.is_none() || given {
            self.desk.given(id, kind, standing.now.as_ref(), now);
        } else {
            self.desk.reopened(id, kind, standing.now.as_ref());
        }
    }

    /// A conversation whose rule found nobody, or nobody else, waits at the desk.
    fn let_wait(&mut self, id: ConversationId, now: Now) {
        let Some((request, contact)) = self.conversations.question(id) else {
            return;
        };
        let Some(began) = self.conversations.conversation(id).map(|row| row.began) else {
            return;
        };
        let ask = Ask {
            request: &request,
            conversation: id,
            began,
            contact,
        };
        let snapshot = Arc::clone(&self.snapshot);
        let row = self.conversations.conversation(id);
        let assignee = row.and_then(|row| row.assignee.as_ref());
        let holder = assignee.and_then(Assignee::user);
        self.desk.restore_waiting(&snapshot, &ask, holder, now);
    }
}

/// Somebody became available, and yet nobody could take it: it waits as before.
fn is_no_news(request: &Request, decision: &Decision) -> bool {
    let Selection::Next(progress) = &request.selection else {
        return false;
    };
    let nobody = Outcome::Unassigned {
        reason: UnassignedReason::NobodyAvailable,
    };
    progress.cause == Cause::BecameAvailable && decision.outcome == nobody
}
