//! The thread: what happens goes into [`Turns`], what it wants done is done here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::ask::{ANSWER, ask};
use super::turn::transcript::LINES;
use super::turn::verdict::Verdict;
use super::turn::{Action, Question, Replied, Turns};
use super::{CustomerAgentError, History, Shared};
use crate::clock;
use crate::core::conversation::{
    Author, Command, ConversationRecord, Done, Event, Happening, MessageRecord, RefusalKind,
};
use crate::core::id::ConversationId;
use crate::core::snapshot::{Kind, Snapshot};
use crate::core::time::Mono;
use crate::inbox::{Door, Published};
use crate::outgoing::{Client, Limits};

/// How long after a failure the store is asked again which conversations agents have.
const LIST_AGAIN: Duration = Duration::from_secs(10);

type Tell = Box<dyn Fn(String) + Send + Sync>;

/// What the thread begins with.
pub(super) struct Listener {
    runtime: Runtime,
    course: Course,
    events: broadcast::Receiver<Published>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// Its course inside the runtime.
struct Course {
    shared: Arc<Shared>,
    door: Door,
    history: History,
    client: Client,
    tell: Tell,
    turns: Turns,
    tasks: JoinSet<Ended>,
    under_way: HashMap<Id, Task>,
    questions: HashMap<ConversationId, AbortHandle>,
    /// When the store is asked again which conversations agents have.
    list_at: Option<Mono>,
}

/// What is under way.
#[derive(Clone, Copy)]
enum Task {
    List,
    Read(ConversationId),
    Ask(ConversationId, u64),
    Reply(ConversationId, u64),
    Typing,
}

/// What came of it.
enum Ended {
    Listed(Result<Vec<ConversationRecord>, String>),
    Read(Result<Vec<MessageRecord>, String>),
    Answered(Verdict),
    Replied(Replied),
    Typed,
}

impl Listener {
    pub fn new(
        shared: Arc<Shared>,
        door: &Door,
        history: History,
        tell: Tell,
    ) -> Result<Listener, CustomerAgentError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CustomerAgentError::Thread)?;
        let limits = Limits {
            answer: ANSWER,
            ..Limits::default()
        };
        let mut turns = Turns::new();
        let (events, snapshots) = (door.events(), door.snapshots());
        turns.handle_configured(&door.snapshot().customer_agents);
        Ok(Listener {
            runtime,
            course: Course {
                shared,
                door: door.clone(),
                history,
                client: Client::new(limits).map_err(CustomerAgentError::Outgoing)?,
                tell,
                turns,
                tasks: JoinSet::new(),
                under_way: HashMap::new(),
                questions: HashMap::new(),
                list_at: Some(Mono::ZERO),
            },
            events,
            snapshots,
        })
    }

    /// Listens until the daemon stops.
    pub fn run(self) {
        let course = self.course.serve(self.events, self.snapshots);
        self.runtime.block_on(course);
        // A lookup of a name may block for long; nobody waits for it.
        self.runtime.shutdown_background();
    }
}

impl Course {
    async fn serve(
        mut self,
        mut events: broadcast::Receiver<Published>,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
    ) {
        while !self.shared.stopping.load(Ordering::Relaxed) {
            self.perform();
            let wake = self.turns.next_timeout().into_iter().chain(self.list_at);
            let wake = wake.min();
            tokio::select! {
                received = events.recv() => match received {
                    Ok(published) => self.happened(&published.event),
                    Err(RecvError::Lagged(_)) => self.missed(),
                    Err(RecvError::Closed) => return,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                Ok(()) = snapshots.changed() => {
                    let snapshot = Arc::clone(&snapshots.borrow_and_update());
                    self.turns.handle_configured(&snapshot.customer_agents);
                }
                () = self.shared.wake.notified() => {}
                () = until(wake) => self.time_came(),
            }
        }
    }

    fn happened(&mut self, event: &Event) {
        match &event.what {
            Happening::Created(conversation)
            | Happening::Changed(conversation)
            | Happening::Assigned { conversation, .. } => {
                self.turns.handle_conversation(conversation);
            }
            Happening::Message {
                conversation,
                message,
                ..
            } => {
                self.turns.handle_conversation(conversation);
                self.turns.handle_message(message, clock::now());
            }
            Happening::Deleted(conversation) => self.turns.handle_left(*conversation),
            Happening::MessageChanged { .. }
            | Happening::Seen { .. }
            | Happening::Typing { .. }
            | Happening::Presence(_)
            | Happening::Contact(_)
            | Happening::MailOwner { .. } => {}
        }
    }

    fn missed(&mut self) {
        self.turns.handle_missed();
        self.list_at = Some(Mono::ZERO);
    }

    fn time_came(&mut self) {
        let now = clock::now();
        if self.list_at.is_some_and(|at| at <= now.mono) {
            self.list_at = None;
            let listed = (self.history.conversations)();
            self.spawn(Task::List, async { Ended::Listed(listed.await) });
        }
        self.turns.handle_timeout(now);
    }

    fn perform(&mut self) {
        while let Some(action) = self.turns.poll_action() {
            match action {
                Action::Read(id) => {
                    let messages = (self.history.messages)(id, LINES);
                    self.spawn(Task::Read(id), async { Ended::Read(messages.await) });
                }
                Action::Ask(question) => self.ask(question),
                Action::Abort(id) => {
                    if let Some(question) = self.questions.remove(&id) {
                        question.abort();
                    }
                }
                Action::Reply {
                    conversation,
                    serial,
                    agent,
                    reply,
                } => {
                    let command = Command::AgentReplied {
                        conversation,
                        agent,
                        reply,
                    };
                    let door = self.door.clone();
                    let task = Task::Reply(conversation, serial);
                    self.spawn(task, async move {
                        Ended::Replied(replied(&door, command).await)
                    });
                }
                Action::TellStuck(id) => (self.tell)(format!(
                    "the answer of a customer agent in conversation {id} could not be handed on: the engine has too much to do"
                )),
            }
        }
    }

    fn ask(&mut self, question: Box<Question>) {
        let (id, serial) = (question.about.id, question.serial);
        if question.about.kind == Kind::Chat {
            let typing = Command::Typing {
                conversation: id,
                author: Author::CustomerAgent(question.agent.name.clone()),
            };
            let door = self.door.clone();
            self.spawn(Task::Typing, async move {
                // Nobody misses it.
                let _ = door.ask(typing).await;
                Ended::Typed
            });
        }
        let client = self.client.clone();
        let handle = self.spawn(Task::Ask(id, serial), async {
            Ended::Answered(ask(client, question).await)
        });
        if let Some(stale) = self.questions.insert(id, handle) {
            stale.abort();
        }
    }

    fn spawn(
        &mut self,
        task: Task,
        work: impl Future<Output = Ended> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.tasks.spawn(work);
        self.under_way.insert(handle.id(), task);
        handle
    }

    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Ok(ended)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(task) = self.under_way.remove(&id) else {
            return;
        };
        if let Task::Ask(conversation, _) = task
            && self
                .questions
                .get(&conversation)
                .is_some_and(|one| one.id() == id)
        {
            self.questions.remove(&conversation);
        }
        let broken = || "it broke off".to_owned();
        let now = clock::now();
        match (task, ended) {
            (_, Err(error)) if error.is_cancelled() => {}
            (Task::List, Ok(Ended::Listed(listed))) => self.listed(listed),
            (Task::Read(id), Ok(Ended::Read(read))) => {
                let read = read.as_ref().map(Vec::as_slice).map_err(Clone::clone);
                self.turns.handle_read(id, read, now);
            }
            (Task::Ask(id, serial), Ok(Ended::Answered(verdict))) => {
                self.turns.handle_verdict(id, serial, verdict);
            }
            (Task::Reply(id, serial), Ok(Ended::Replied(replied))) => {
                self.turns.handle_replied(id, serial, replied, now);
            }
            (Task::Typing, _) => {}
            (Task::List, _) => self.listed(Err(broken())),
            (Task::Read(id), _) => self.turns.handle_read(id, Err(broken()), now),
            (Task::Ask(id, serial), _) => {
                let verdict = Verdict::error("The question to the customer agent broke off.");
                self.turns.handle_verdict(id, serial, verdict);
            }
            (Task::Reply(id, serial), _) => {
                let refused = Replied::Refused(broken());
                self.turns.handle_replied(id, serial, refused, now);
            }
        }
    }

    fn listed(&mut self, listed: Result<Vec<ConversationRecord>, String>) {
        match listed {
            Ok(conversations) => {
                for conversation in &conversations {
                    self.turns.handle_conversation(conversation);
                }
            }
            Err(problem) => {
                (self.tell)(format!(
                    "it cannot be read which conversations customer agents have, it is tried again: {problem}"
                ));
                self.list_at = Some(clock::mono() + LIST_AGAIN);
            }
        }
    }
}

async fn replied(door: &Door, command: Command) -> Replied {
    match door.ask(command).await {
        Ok(Done::Conversation { message, .. }) => Replied::Done(message),
        Ok(Done::Repeated(_) | Done::Contact(_) | Done::Nothing) => Replied::Done(None),
        Err(refusal) if refusal.kind == RefusalKind::Busy => Replied::Busy,
        Err(refusal) => Replied::Refused(refusal.text),
    }
}

async fn until(at: Option<Mono>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at).into()).await,
        None => std::future::pending().await,
    }
}
