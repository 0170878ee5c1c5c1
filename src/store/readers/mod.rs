//! Questions of many at once, for HTTP and for the other edges: each has a connection of its own
//! while it asks. What a person may not see never leaves the database: [`Sight`] is part of the
//! question.

mod calls;
mod columns;
mod contacts;
mod conversations;
mod messages;
mod page;
mod people;
mod restore;
mod search;
mod searching;
mod sight;
mod voicemails;

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool};

pub use calls::CallQuery;
pub use contacts::{ContactKey, ContactQuery};
pub use conversations::{ConversationQuery, Count, ListedConversation, View};
pub use messages::{Attached, Found as FoundMessage, MessagePage, MessagePlace};
pub use page::{Cursor, CursorError, LARGEST_PAGE, Page, Place};
pub use people::{AuditPage, AuditPlace};
pub use sight::Sight;
pub use voicemails::{Heard, ListedVoicemail, VoicemailQuery};

use super::StoreError;

/// How long a question waits for a connection: longer, and the one who asked has gone.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Connections that read, of which as many questions as there are can be asked at once. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Readers(SqlitePool);

impl Readers {
    /// Opens the database at `path` to read from it, with so many connections.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn open(path: &Path, connections: u32) -> Result<Readers, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(LONGEST_WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await;
        pool.map(Readers).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })
    }

    async fn connection(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.0.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            other => StoreError::Ask(other),
        })
    }
}
