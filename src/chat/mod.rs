//! Chats on websites: a socket for each visitor's page, a script that shows it, and what visitors are
//! asked before people are sought. `docs/chat.md` says what goes over the socket.

mod flow;
mod frame;
mod limits;
mod pages;
mod reception;
mod rooms;
mod socket;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub use frame::{Appearance, FromVisitor, Said, Speaker, ToVisitor, VERSION};

use crate::core::conversation::{ConversationRecord, MessageRecord};
use crate::core::id::{ConversationId, MessageId};
use crate::core::name::ChannelName;
use crate::inbox::Door;
use limits::Limits;
use rooms::Rooms;

/// An answer of the store, on its way; the error is for the log.
pub type Asked<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// A question to the store.
pub type Question<A, T> = Box<dyn Fn(A) -> Asked<T> + Send + Sync>;

/// What was said before, as the store knows it.
pub struct Archive {
    /// The latest conversation of a visitor (by the hash of the secret) in a channel.
    pub conversation: Question<(ChannelName, String), Option<Box<ConversationRecord>>>,
    /// Its messages after that one, or the last ones, in order: as many as the number says at most.
    pub messages: Question<(ConversationId, Option<MessageId>, u32), Vec<MessageRecord>>,
    /// The message of that external id in a channel.
    pub kept: Question<(ChannelName, String), Option<MessageRecord>>,
}

/// The chats of all channels.
#[derive(Clone)]
pub struct Chat {
    door: Door,
    archive: Arc<Archive>,
    rooms: Rooms,
    limits: Arc<Limits>,
}

impl Chat {
    /// Begins to listen. To be called on the runtime that serves HTTP.
    pub fn start(door: Door, archive: Archive) -> Chat {
        let rooms = Rooms::default();
        tokio::spawn(rooms.clone().run(door.clone()));
        Chat {
            door,
            archive: Arc::new(archive),
            rooms,
            limits: Arc::new(Limits::default()),
        }
    }

    /// The routes: script, hosted page, appearance and socket.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/chat.js", get(pages::script))
            .route("/chat/{channel}", get(pages::hosted))
            .route("/chat/{channel}/appearance", get(pages::appearance))
            .route("/chat/{channel}/socket", get(socket::upgrade))
            .with_state(self.clone())
    }
}
