//! What the engine must know again after a restart.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::columns::{self, CONTACT, CONVERSATION, Columns, SESSION};
use crate::core::conversation::{ContactRecord, ConversationRecord, PresenceRecord, SessionRecord};
use crate::core::time::Wall;
use crate::store::{Reader, StoreError};

impl Reader {
    /// Every conversation that is not closed, in the order in which they began.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn open_conversations(&mut self) -> Result<Vec<ConversationRecord>, StoreError> {
        let question = format!(
            "SELECT {CONVERSATION} FROM conversations WHERE status <> 'closed' ORDER BY number"
        );
        let mut rows = sqlx::query(AssertSqlSafe(question)).fetch(&mut self.0);
        let mut conversations = Vec::new();
        while let Some(row) = rows.try_next().await? {
            conversations.push(columns::conversation(&mut Columns::of(
                "a conversation",
                &row,
            ))?);
        }
        Ok(conversations)
    }

    /// Every contact, also those that are deleted or merged, in the order in which they began.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn all_contacts(&mut self) -> Result<Vec<ContactRecord>, StoreError> {
        let question = format!("SELECT {CONTACT} FROM contacts ORDER BY number");
        let mut rows = sqlx::query(AssertSqlSafe(question)).fetch(&mut self.0);
        let mut contacts = Vec::new();
        while let Some(row) = rows.try_next().await? {
            contacts.push(columns::contact(&mut Columns::of("a contact", &row))?);
        }
        Ok(contacts)
    }

    /// What each user said last of being there, by name.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn presence(&mut self) -> Result<Vec<PresenceRecord>, StoreError> {
        presence(&mut self.0).await
    }

    /// The sessions that are not over at `now`.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn sessions(&mut self, now: Wall) -> Result<Vec<SessionRecord>, StoreError> {
        let question = format!("SELECT {SESSION} FROM sessions WHERE expires > $1");
        let rows = sqlx::query(AssertSqlSafe(question))
            .bind(now.to_string())
            .fetch_all(&mut self.0)
            .await?;
        rows.iter()
            .map(|row| columns::session(&mut Columns::of("a session", row)))
            .collect()
    }
}

/// What each user said last of being there, by name.
pub(super) async fn presence(
    connection: &mut SqliteConnection,
) -> Result<Vec<PresenceRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT user_name, presence, reason, since, until FROM presence ORDER BY user_name",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::of("a presence", row);
            Ok(PresenceRecord {
                user: columns.name()?,
                presence: columns.word()?,
                reason: columns.text()?,
                since: columns.wall()?,
                until: columns.walls()?,
            })
        })
        .collect()
}
