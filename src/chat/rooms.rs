//! Who listens to which conversation: one listener for all events, which hands each to the sockets
//! of its conversation, so that a thousand sockets do not each look at every event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use crate::core::conversation::{Event, Happening};
use crate::core::id::ConversationId;
use crate::inbox::Door;

/// Events that a socket may fall behind before it is cut; its page comes back and catches up.
const WAITING: usize = 64;

/// The sockets of each conversation. Bounded by the sockets there may be.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    rooms: Arc<Mutex<HashMap<ConversationId, Vec<Listener>>>>,
}

#[derive(Debug)]
struct Listener {
    socket: u64,
    events: mpsc::Sender<Arc<Event>>,
}

impl Rooms {
    /// Hands out events from now on, until the door is gone.
    pub async fn run(self, door: Door) {
        let mut events = door.events();
        loop {
            match events.recv().await {
                Ok(published) => self.hand_out(&published.event),
                // What was missed is in the store: every page comes back and reads it.
                Err(RecvError::Lagged(_)) => self.lock().clear(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Listens to a conversation. The listener is cut when it falls behind.
    pub fn join(&self, conversation: ConversationId, socket: u64) -> mpsc::Receiver<Arc<Event>> {
        let (events, receiver) = mpsc::channel(WAITING);
        let mut rooms = self.lock();
        let room = rooms.entry(conversation).or_default();
        room.retain(|listener| listener.socket != socket);
        room.push(Listener { socket, events });
        receiver
    }

    /// Listens no more. True where nobody listens to the conversation now.
    pub fn leave(&self, conversation: ConversationId, socket: u64) -> bool {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(&conversation) else {
            return true;
        };
        room.retain(|listener| listener.socket != socket);
        let is_empty = room.is_empty();
        if is_empty {
            rooms.remove(&conversation);
        }
        is_empty
    }

    /// Whether nobody listens to a conversation.
    pub fn is_empty(&self, conversation: ConversationId) -> bool {
        !self.lock().contains_key(&conversation)
    }

    fn hand_out(&self, event: &Arc<Event>) {
        let Some(conversation) = concerned(event) else {
            return;
        };
        let mut rooms = self.lock();
        if let Some(room) = rooms.get_mut(&conversation) {
            room.retain(|listener| listener.events.try_send(Arc::clone(event)).is_ok());
            if room.is_empty() {
                rooms.remove(&conversation);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Vec<Listener>>> {
        // Nothing in here panics half way; what another thread left is whole.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The conversation that visitors of a chat should hear of.
fn concerned(event: &Event) -> Option<ConversationId> {
    match &event.what {
        Happening::Changed(conversation)
        | Happening::Message { conversation, .. }
        | Happening::MessageChanged { conversation, .. } => Some(conversation.id),
        Happening::Deleted(conversation)
        | Happening::Seen { conversation, .. }
        | Happening::Typing { conversation, .. } => Some(*conversation),
        Happening::Created(_)
        | Happening::Assigned { .. }
        | Happening::Presence(_)
        | Happening::Contact(_)
        | Happening::MailOwner { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::conversation::Author;
    use crate::core::time::Wall;

    fn id(number: u128) -> ConversationId {
        ConversationId(uuid::Uuid::from_u128(number))
    }

    fn typing(conversation: ConversationId) -> Arc<Event> {
        Arc::new(Event {
            at: Wall::from_seconds(0),
            inbox: None,
            what: Happening::Typing {
                conversation,
                author: Author::Contact,
            },
        })
    }

    #[test]
    fn every_tab_of_a_visitor_hears_of_the_visitors_conversation_and_of_no_other() {
        let rooms = Rooms::default();
        let mut first = rooms.join(id(1), 1);
        let mut second = rooms.join(id(1), 2);
        let mut stranger = rooms.join(id(2), 3);
        rooms.hand_out(&typing(id(1)));
        assert!(first.try_recv().is_ok());
        assert!(second.try_recv().is_ok());
        assert!(stranger.try_recv().is_err());
        assert!(!rooms.leave(id(1), 1));
        assert!(rooms.leave(id(1), 2));
        assert!(rooms.is_empty(id(1)));
    }

    #[test]
    fn a_socket_that_does_not_read_is_cut_and_the_others_go_on() {
        let rooms = Rooms::default();
        let mut slow = rooms.join(id(1), 1);
        let mut quick = rooms.join(id(1), 2);
        for _ in 0..WAITING + 1 {
            rooms.hand_out(&typing(id(1)));
            assert!(quick.try_recv().is_ok());
        }
        let mut heard = 0;
        while slow.try_recv().is_ok() {
            heard += 1;
        }
        assert_eq!(heard, WAITING);
        assert!(slow.is_closed());
    }
}
