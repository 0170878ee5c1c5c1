//! The store: what has happened, in SQLite. Records go to a journal on the local disk first and are
//! applied to the database from there, so that nothing ever waits for the database, and what it
//! could not take is not lost.

mod applier;
mod awaited;
mod earlier;
mod journal;
mod journaling;
mod reader;
mod readers;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, SqlSafeStr, SqliteConnection};

pub use reader::{Found, Leg, Reader, Subject, Voicemail};
pub use readers::{
    Attached, AuditPage, AuditPlace, CallQuery, ContactKey, ContactQuery, ConversationQuery, Count,
    Cursor, CursorError, FoundMessage, Heard, LARGEST_PAGE, ListedConversation, ListedVoicemail,
    MessagePage, MessagePlace, Page, Place, Readers, Sight, View, VoicemailQuery,
};
pub use writer::{Inboxes, Places, Store};

/// Why the store cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened.
    #[error(
        "the database {path} cannot be opened: {source}. Check [store] url and who may write there."
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The database's words.
        source: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error("the tables of {path} cannot be brought up to date: {source}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The database's words.
        source: sqlx::migrate::MigrateError,
    },
    /// The journal cannot be used.
    #[error(
        "the journal in {path} cannot be used: {source}. Check who may write there, and for space."
    )]
    Journal {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("a thread of the store cannot be started: {0}")]
    Thread(std::io::Error),
    /// Every connection was in use for too long.
    #[error("too much is asked of the database at this moment; try again in a few seconds")]
    Busy,
    /// A question to the database failed.
    #[error("the database does not answer: {0}")]
    Ask(#[from] sqlx::Error),
    /// A row holds what this version cannot read.
    #[error("{what} cannot be read: {source}")]
    Unreadable {
        /// Which row.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// The tables, in the order in which they came to be.
const MIGRATIONS: [(i64, &str, &str); 4] = [
    (
        1,
        "initial",
        include_str!("../../migrations/0001_initial.sql"),
    ),
    (2, "inbox", include_str!("../../migrations/0002_inbox.sql")),
    (
        3,
        "sqlite",
        include_str!("../../migrations/0003_sqlite.sql"),
    ),
    (
        4,
        "history",
        include_str!("../../migrations/0004_history.sql"),
    ),
];

/// Pages (of 4 KiB) that the write-ahead log holds before it goes into the database: 32 MiB. Pages of
/// an index are written again and again, and only the last of each is worth copying.
const CHECKPOINT_PAGES: u32 = 8192;

/// Opens the database for writing and brings its tables up to date.
async fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    let failed = |source| StoreError::Open {
        path: path.to_owned(),
        source,
    };
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // The journal is what survives a power cut; the database may lose its last commits.
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        // What is deleted is overwritten, not only left out.
        .pragma("secure_delete", "ON")
        .connect()
        .await
        .map_err(failed)?;
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.to_vec())
        .run(&mut connection)
        .await
        .map_err(|source| StoreError::Migrate {
            path: path.to_owned(),
            source,
        })?;
    Ok(connection)
}
