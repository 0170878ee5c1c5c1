//! Customer agents: programs that talk to customers in a person's place. A thread of its own listens
//! to what happens in their conversations, asks them, and hands their answers to the engine.
//!
//! Who speaks when is decided by [`turn`]; here are the requests.

mod ask;
mod listen;
pub mod turn;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use crate::core::conversation::{ConversationRecord, MessageRecord};
use crate::core::id::ConversationId;
use crate::inbox::Door;
use crate::outgoing::OutgoingError;
use listen::Listener;

/// How long the end of the daemon waits for the thread to let go.
const LETTING_GO: Duration = Duration::from_secs(2);

/// Why customer agents cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum CustomerAgentError {
    /// The thread cannot be started.
    #[error("the thread of customer agents cannot be started: {0}")]
    Thread(std::io::Error),
    /// TLS cannot be set up.
    #[error("customer agents cannot be asked: {0}")]
    Outgoing(OutgoingError),
}

/// An answer of the store, or its words about what is wrong.
pub type Stored<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// What is asked of the store.
pub struct History {
    /// Conversations that are assigned to customer agents and not closed.
    pub conversations: Box<dyn Fn() -> Stored<Vec<ConversationRecord>> + Send + Sync>,
    /// The newest messages of a conversation, so many at most, in any order.
    pub messages: Box<dyn Fn(ConversationId, usize) -> Stored<Vec<MessageRecord>> + Send + Sync>,
}

/// The thread that asks. Dropping it lets go of what is being asked; it is asked again at the next
/// start.
pub struct CustomerAgents {
    shared: Arc<Shared>,
    over: Receiver<()>,
}

/// What the thread and its owner share.
struct Shared {
    stopping: AtomicBool,
    wake: tokio::sync::Notify,
}

impl CustomerAgents {
    /// Asks the agents of the configuration in force, about the conversations that they have and
    /// those that they get. `tell` is told of trouble.
    ///
    /// # Errors
    /// TLS cannot be set up, or the thread not be started.
    pub fn start(
        door: &Door,
        history: History,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<CustomerAgents, CustomerAgentError> {
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            wake: tokio::sync::Notify::new(),
        });
        let listener = Listener::new(Arc::clone(&shared), door, history, Box::new(tell))?;
        let (running, over) = channel();
        std::thread::Builder::new()
            .name("customer-agents".to_owned())
            .spawn(move || {
                listener.run();
                drop(running);
            })
            .map_err(CustomerAgentError::Thread)?;
        Ok(CustomerAgents { shared, over })
    }
}

impl CustomerAgents {
    /// Whether its thread runs still: it ends with this, or by a fault.
    pub fn is_running(&self) -> bool {
        self.over.try_recv() != Err(TryRecvError::Disconnected)
    }
}

impl Drop for CustomerAgents {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
        // Ends by disconnection, when the thread does.
        let _ = self.over.recv_timeout(LETTING_GO);
    }
}
