//! Who speaks when: one machine over all conversations that customer agents have.
//!
//! An agent is asked one question at a time in a conversation. What the customer adds meanwhile makes
//! the answer stale: the question is put again with both, a few times at most. What comes for a
//! conversation that the agent does not have any more is dropped.

pub mod completions;
pub mod ours;
pub mod person;
pub mod transcript;
pub mod verdict;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::core::conversation::{AgentReply, Assignee, ConversationRecord, MessageRecord, Status};
use crate::core::id::ConversationId;
use crate::core::name::AgentName;
use crate::core::snapshot::{CustomerAgent, Kind};
use crate::core::time::{Mono, Now, Wall};
use transcript::{Line, Speaker, Transcript};
use verdict::{Code, Verdict};

/// How often a question is put again because the customer went on writing. Then the answer is passed
/// on, and the rest is the next question.
const RESTARTS: u32 = 3;

/// Conversations that agents have at once: each holds a transcript of up to 100 kB.
const TALKS: usize = 10_000;

/// How much longer than the agent's own time is waited, for an answer that is being read.
const GRACE: Duration = Duration::from_secs(5);

/// How often an answer is handed to an engine that has too much to do.
const TRIES: u32 = 6;

/// The wait before the second try; doubled by each further one.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What is told of a conversation besides what was said in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// Its key.
    pub id: ConversationId,
    /// Its kind.
    pub kind: Kind,
    /// The channel.
    pub channel: String,
    /// The subject.
    pub subject: String,
    /// How the customer is called.
    pub contact_name: String,
}

/// What an agent is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Names this question; its verdict comes back with it.
    pub serial: u64,
    /// Which agent.
    pub agent: Arc<CustomerAgent>,
    /// The conversation.
    pub about: About,
    /// What was said, the oldest first.
    pub lines: Vec<Line>,
    /// Counts the agent's answers in this conversation, from 1.
    pub turn: u32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read what was said so far.
    Read(ConversationId),
    /// Ask the agent.
    Ask(Box<Question>),
    /// Nobody waits for the answer to the question of this conversation any more.
    Abort(ConversationId),
    /// Hand this to the engine.
    Reply {
        /// Where.
        conversation: ConversationId,
        /// Names this reply; what came of it comes back with it.
        serial: u64,
        /// Which agent.
        agent: AgentName,
        /// What.
        reply: AgentReply,
    },
    /// The engine took no answer; a colleague has to look.
    TellStuck(ConversationId),
}

/// What came of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Replied {
    /// It is kept, with the message that it became.
    Done(Option<Box<MessageRecord>>),
    /// The engine has too much to do.
    Busy,
    /// The engine refuses it.
    Refused(String),
}

/// The machine.
#[derive(Default)]
pub struct Turns {
    agents: BTreeMap<AgentName, Arc<CustomerAgent>>,
    talks: BTreeMap<ConversationId, Talk>,
    serial: u64,
    actions: VecDeque<Action>,
}

struct Talk {
    agent: AgentName,
    assigned: Option<Wall>,
    about: About,
    /// Whether the customer waits for an answer. Who sends a bounce or a mail of a list does not, and
    /// gets none: programs that answer each other never end.
    awaits: bool,
    transcript: Transcript,
    /// Messages of the customer that no answer covers yet.
    open: usize,
    /// The words by which one of them asks for a person.
    person: Option<String>,
    answers: u32,
    phase: Phase,
}

enum Phase {
    /// What was said before is being read.
    Reading,
    /// It is the customer's turn.
    Listening,
    /// The agent is being asked.
    Thinking {
        serial: u64,
        until: Mono,
        /// Messages of the customer that the question covers.
        covers: usize,
        restarts: u32,
    },
    /// The engine is being told.
    Replying {
        serial: u64,
        reply: AgentReply,
        then: Option<AgentReply>,
        covers: usize,
        tries: u32,
        /// When it is tried again; `None`: it is under way.
        again_at: Option<Mono>,
    },
    /// People go on; it is over when the conversation is theirs.
    Over,
}

impl Turns {
    /// A machine without agents.
    pub fn new() -> Turns {
        Turns::default()
    }

    /// These agents are configured from now on. What is under way goes on as it was asked.
    pub fn handle_configured(&mut self, agents: &[CustomerAgent]) {
        let named = agents
            .iter()
            .map(|agent| (agent.name.clone(), Arc::new(agent.clone())));
        self.agents = named.collect();
    }

    /// A conversation is like this now: an agent may have got it or lost it.
    pub fn handle_conversation(&mut self, record: &ConversationRecord) {
        let agent = match (&record.assignee, record.status) {
            (Some(Assignee::CustomerAgent(agent)), Status::Open | Status::Waiting) => Some(agent),
            (Some(_) | None, Status::Open | Status::Waiting | Status::Closed) => None,
        };
        let Some(agent) = agent else {
            self.handle_left(record.id);
            return;
        };
        if let Some(talk) = self.talks.get_mut(&record.id)
            && talk.agent == *agent
            && talk.assigned == record.assigned
        {
            talk.about = about(record);
            talk.awaits = record.awaits_reply_since.is_some();
            return;
        }
        self.handle_left(record.id);
        let talk = Talk {
            agent: agent.clone(),
            assigned: record.assigned,
            about: about(record),
            awaits: record.awaits_reply_since.is_some(),
            transcript: Transcript::default(),
            open: 0,
            person: None,
            answers: 0,
            phase: Phase::Reading,
        };
        let full = self.talks.len() >= TALKS;
        self.talks.insert(record.id, talk);
        if full {
            let reason = format!("Customer agents have {TALKS} conversations already.");
            self.hand_over(record.id, Code::Error, reason);
        } else {
            self.actions.push_back(Action::Read(record.id));
        }
    }

    /// A conversation is not an agent's any more, or is no more.
    pub fn handle_left(&mut self, conversation: ConversationId) {
        let talk = self.talks.remove(&conversation);
        if talk.is_some_and(|talk| matches!(talk.phase, Phase::Thinking { .. })) {
            self.actions.push_back(Action::Abort(conversation));
        }
    }

    /// It is not known what has happened: all begins anew with the conversations that are told next.
    pub fn handle_missed(&mut self) {
        let known: Vec<ConversationId> = self.talks.keys().copied().collect();
        for conversation in known {
            self.handle_left(conversation);
        }
    }

    /// Something was said in a conversation, which was told of before as it is since.
    pub fn handle_message(&mut self, message: &MessageRecord, now: Now) {
        let id = message.conversation;
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        let Some(from) = talk.transcript.add(message) else {
            return;
        };
        match from {
            Speaker::Contact => self.customer_said(message, now),
            Speaker::Person => self.person_said(id),
            Speaker::Agent | Speaker::Automatic => {}
        }
    }

    /// What was said before was read, or not, and why.
    pub fn handle_read(
        &mut self,
        id: ConversationId,
        read: Result<&[MessageRecord], String>,
        now: Now,
    ) {
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        if !matches!(talk.phase, Phase::Reading) {
            return;
        }
        match read {
            Ok(messages) => {
                for message in messages {
                    talk.transcript.add(message);
                }
            }
            Err(problem) => {
                let reason =
                    format!("The conversation could not be read for the customer agent: {problem}");
                self.hand_over(id, Code::Error, reason);
                return;
            }
        }
        let more = self.agents.get(&talk.agent);
        let more = more.map_or(&[][..], |agent| &agent.person_words);
        let unanswered = talk.transcript.unanswered().filter(|_| talk.awaits);
        let unanswered: Vec<&Line> = unanswered.collect();
        talk.open = unanswered.len();
        let mut asking = unanswered.iter();
        talk.person = asking.find_map(|line| person::wants_person(&line.text, more));
        let since = talk.assigned.unwrap_or_default();
        talk.answers = talk.transcript.answers_since(since);
        self.go_on(id, 0, now);
    }

    /// An agent has answered.
    pub fn handle_verdict(&mut self, id: ConversationId, serial: u64, verdict: Verdict) {
        let Some(talk) = self.talks.get(&id) else {
            return;
        };
        let Phase::Thinking {
            serial: asked,
            covers,
            ..
        } = talk.phase
        else {
            return;
        };
        if asked != serial {
            return;
        }
        match verdict {
            Verdict::Says(text) => self.reply(id, AgentReply::Says(text), None, covers),
            Verdict::HandsOver {
                first: Some(text),
                code,
                reason,
            } => {
                let then = hands_over(code, reason);
                self.reply(id, AgentReply::Says(text), Some(then), covers);
            }
            Verdict::HandsOver {
                first: None,
                code,
                reason,
            } => self.hand_over(id, code, reason),
        }
    }

    /// The engine has taken a reply, or not.
    pub fn handle_replied(&mut self, id: ConversationId, serial: u64, replied: Replied, now: Now) {
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        let Phase::Replying {
            serial: told,
            reply,
            then,
            covers,
            tries,
            again_at,
        } = &mut talk.phase
        else {
            return;
        };
        if *told != serial || again_at.is_some() {
            return;
        }
        match replied {
            Replied::Done(message) => {
                let (then, covers) = (then.take(), *covers);
                let said = matches!(reply, AgentReply::Says(_));
                if let Some(message) = message {
                    talk.transcript.add(&message);
                }
                match (said, then) {
                    (false, _) => talk.phase = Phase::Over,
                    (true, Some(then)) => self.reply(id, then, None, covers),
                    (true, None) => {
                        talk.answers = talk.answers.saturating_add(1);
                        talk.open = talk.open.saturating_sub(covers);
                        self.go_on(id, 0, now);
                    }
                }
            }
            Replied::Busy => {
                *tries = tries.saturating_add(1);
                if *tries < TRIES {
                    let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
                    *again_at = Some(now.mono + TRY_AGAIN.saturating_mul(doubled));
                } else {
                    talk.phase = Phase::Over;
                    self.actions.push_back(Action::TellStuck(id));
                }
            }
            Replied::Refused(problem) => {
                if matches!(reply, AgentReply::Says(_)) {
                    let reason = format!("The customer agent's answer was refused: {problem}");
                    self.hand_over(id, Code::Error, reason);
                } else {
                    talk.phase = Phase::Over;
                }
            }
        }
    }

    /// Time came.
    pub fn handle_timeout(&mut self, now: Now) {
        let due: Vec<ConversationId> = self
            .talks
            .iter()
            .filter(|(_, talk)| talk.timeout().is_some_and(|at| at <= now.mono))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.time_came(id);
        }
    }

    /// What is to be done next; drain it until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When something is due, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Mono> {
        self.talks.values().filter_map(Talk::timeout).min()
    }

    /// Conversations that agents have.
    pub fn len(&self) -> usize {
        self.talks.len()
    }

    /// True: agents have none.
    pub fn is_empty(&self) -> bool {
        self.talks.is_empty()
    }

    fn time_came(&mut self, id: ConversationId) {
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        match &mut talk.phase {
            Phase::Thinking { .. } => {
                self.actions.push_back(Action::Abort(id));
                let reason = "The customer agent did not answer in time.".to_owned();
                self.hand_over(id, Code::Timeout, reason);
            }
            Phase::Replying {
                serial,
                reply,
                again_at,
                ..
            } => {
                *again_at = None;
                self.actions.push_back(Action::Reply {
                    conversation: id,
                    serial: *serial,
                    agent: talk.agent.clone(),
                    reply: reply.clone(),
                });
            }
            Phase::Reading | Phase::Listening | Phase::Over => {}
        }
    }

    fn customer_said(&mut self, message: &MessageRecord, now: Now) {
        let id = message.conversation;
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        // What is being read counts these itself.
        if !talk.awaits || matches!(talk.phase, Phase::Reading) {
            return;
        }
        talk.open = talk.open.saturating_add(1);
        let more = self.agents.get(&talk.agent);
        let more = more.map_or(&[][..], |agent| &agent.person_words);
        if let Some(words) = person::wants_person(&message.text, more) {
            talk.person = Some(words);
        }
        let asks_for_person = talk.person.is_some();
        match talk.phase {
            Phase::Listening => self.go_on(id, 0, now),
            Phase::Thinking { restarts, .. } if asks_for_person || restarts < RESTARTS => {
                self.actions.push_back(Action::Abort(id));
                self.go_on(id, restarts.saturating_add(1), now);
            }
            Phase::Thinking { .. } | Phase::Replying { .. } | Phase::Reading | Phase::Over => {}
        }
    }

    /// A colleague has answered: there is nothing to ask.
    fn person_said(&mut self, id: ConversationId) {
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        talk.open = 0;
        talk.person = None;
        if matches!(talk.phase, Phase::Thinking { .. }) {
            talk.phase = Phase::Listening;
            self.actions.push_back(Action::Abort(id));
        }
    }

    /// Asks the agent, if there is something to ask and nothing against it.
    fn go_on(&mut self, id: ConversationId, restarts: u32, now: Now) {
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        if talk.open == 0 {
            talk.phase = Phase::Listening;
            return;
        }
        if let Some(words) = &talk.person {
            let reason = format!("The customer asked for a person: “{words}”.");
            self.hand_over(id, Code::AskedForPerson, reason);
            return;
        }
        let Some(agent) = self.agents.get(&talk.agent).cloned() else {
            let reason = format!(
                "The configuration has no customer agent {} any more.",
                talk.agent
            );
            self.hand_over(id, Code::Error, reason);
            return;
        };
        if talk.answers >= agent.max_turns {
            let reason = format!("The customer agent has answered {} times.", talk.answers);
            self.hand_over(id, Code::TurnLimit, reason);
            return;
        }
        self.serial = self.serial.saturating_add(1);
        talk.phase = Phase::Thinking {
            serial: self.serial,
            until: now.mono + agent.timeout + GRACE,
            covers: talk.open,
            restarts,
        };
        self.actions.push_back(Action::Ask(Box::new(Question {
            serial: self.serial,
            agent,
            about: talk.about.clone(),
            lines: talk.transcript.bounded(),
            turn: talk.answers.saturating_add(1),
        })));
    }

    fn hand_over(&mut self, id: ConversationId, code: Code, reason: String) {
        self.reply(id, hands_over(code, reason), None, 0);
    }

    fn reply(
        &mut self,
        id: ConversationId,
        reply: AgentReply,
        then: Option<AgentReply>,
        covers: usize,
    ) {
        let Some(talk) = self.talks.get_mut(&id) else {
            return;
        };
        self.serial = self.serial.saturating_add(1);
        talk.phase = Phase::Replying {
            serial: self.serial,
            reply: reply.clone(),
            then,
            covers,
            tries: 0,
            again_at: None,
        };
        self.actions.push_back(Action::Reply {
            conversation: id,
            serial: self.serial,
            agent: talk.agent.clone(),
            reply,
        });
    }
}

impl Talk {
    fn timeout(&self) -> Option<Mono> {
        match self.phase {
            Phase::Thinking { until, .. } => Some(until),
            Phase::Replying { again_at, .. } => again_at,
            Phase::Reading | Phase::Listening | Phase::Over => None,
        }
    }
}

fn about(record: &ConversationRecord) -> About {
    About {
        id: record.id,
        kind: record.kind,
        channel: record.channel.to_string(),
        subject: record.subject.clone(),
        contact_name: record.contact_name.clone(),
    }
}

fn hands_over(code: Code, reason: String) -> AgentReply {
    AgentReply::HandsOver {
        code: code.as_str().to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests;
