//! What the other side, and customer agents between, lead to: visitors leave, messages come further or
//! come back, agents answer or hand over.

use super::arriving::{clean, fill, preview};
use super::people::refuse_empty;
use super::{Conversations, Reply};
use crate::core::conversation::command::{AgentReply, NewMessage, Refusal, RefusalKind};
use crate::core::conversation::event::Happening;
use crate::core::conversation::record::{
    Assignee, Author, Delivery, MessageKind, MessageRecord, Status,
};
use crate::core::id::ConversationId;
use crate::core::name::AgentName;
use crate::core::record::Record;
use crate::core::routing::Cause;
use crate::core::snapshot::{Kind, Snapshot};
use crate::core::text::{LONGEST_SUBJECT, clean_line};
use crate::core::time::Now;

impl Conversations {
    /// The visitor of a chat went: what is written from now on goes by mail, where there is an
    /// address.
    pub(super) fn visitor_left(&mut self, id: ConversationId, now: Now) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let there = !std::mem::replace(&mut held.visitor_gone, true);
        if there && held.row.kind == Kind::Chat && held.row.status != Status::Closed {
            let text = "The visitor has left the chat.".to_owned();
            self.tell(id, Author::Contact, text, now);
        }
    }

    /// A message never goes back: what the visitor has seen is not merely sent.
    pub(super) fn delivery_changed(
        &mut self,
        mut message: MessageRecord,
        delivery: Delivery,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let row = self.row(message.conversation)?.clone();
        let (id, failed) = (row.id, matches!(delivery, Delivery::Failed(_)));
        let rank = |delivery: &Delivery| match delivery {
            Delivery::None => 0,
            Delivery::Pending => 1,
            Delivery::Sent | Delivery::Failed(_) => 2,
            Delivery::Seen => 3,
        };
        if rank(&delivery) < rank(&message.delivery) || delivery == message.delivery {
            return Ok(Reply::Nothing);
        }
        message.delivery = match delivery {
            Delivery::Failed(why) => Delivery::Failed(clean_line(&why, LONGEST_SUBJECT)),
            Delivery::None | Delivery::Pending | Delivery::Sent | Delivery::Seen => delivery,
        };
        let message = Box::new(message);
        self.store(Record::Message(message.clone()));
        let what = Happening::MessageChanged {
            conversation: Box::new(row.clone()),
            message: message.clone(),
        };
        self.publish(row.inbox, what, now.wall);
        if failed && row.status != Status::Open {
            let text = "It is open again: the last answer cannot be delivered.".to_owned();
            self.set_status(id, Status::Open, Author::Automatic, text, snapshot, now);
        }
        Ok(Reply::message(message))
    }

    pub(super) fn agent_replied(
        &mut self,
        id: ConversationId,
        agent: &AgentName,
        reply: AgentReply,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let row = self.row(id)?.clone();
        if row.assignee != Some(Assignee::CustomerAgent(agent.clone()))
            || row.status == Status::Closed
        {
            return Err(Refusal {
                kind: RefusalKind::Conflict,
                text: format!("The conversation {id} is not with the customer agent {agent}."),
            });
        }
        match reply {
            AgentReply::Says(text) => {
                let message = clean(NewMessage {
                    text,
                    ..NewMessage::default()
                });
                refuse_empty(&message)?;
                let outgoing = self.way_out(&row)?;
                self.edit(id, |row| {
                    row.last_message = now.wall;
                    row.preview = preview(&message);
                    row.awaits_reply_since = None;
                });
                let author = Author::CustomerAgent(agent.clone());
                let mut record = self.blank(id, MessageKind::Sent, author, now.wall);
                record.author_name = snapshot.name_of_customer_agent(agent);
                record.delivery = Delivery::Pending;
                let message = self.add(fill(record, message), Some(outgoing));
                self.arm_idle(id, snapshot, now, now);
                Ok(Reply::message(message))
            }
            AgentReply::HandsOver { code, reason } => {
                let reason = clean_line(&reason, LONGEST_SUBJECT);
                let code = clean_line(&code, LONGEST_SUBJECT);
                let name = snapshot.name_of_customer_agent(agent);
                let text = format!("{name} hands over ({code}): {reason}");
                self.tell(id, Author::CustomerAgent(agent.clone()), text, now);
                self.hand_over(id, snapshot, now);
                Ok(Reply::conversation(id))
            }
        }
    }

    /// The customer agent is done with it: routing goes on with the rule's next step.
    pub(super) fn hand_over(&mut self, id: ConversationId, snapshot: &Snapshot, now: Now) {
        // The customer waits for people from now on, whatever the agent said last.
        self.edit(id, |row| {
            row.awaits_reply_since = row.awaits_reply_since.or(Some(now.wall));
            if let Some(progress) = &mut row.progress {
                progress.handed_over(now);
            }
        });
        self.ask(id, Some(Cause::HandedOver), snapshot, now);
    }
}
