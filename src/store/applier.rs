//! The thread of the database: what the journal has becomes rows, many to a transaction.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection};
use tokio::runtime::Runtime;

use super::awaited::{Awaited, Patience, rest};
use super::journal::{self, Position};
use super::rows::{AUDIO, Batch, deleted_file, files_to_delete};
use super::writer::{BATCH, Complain, Inboxes, Part, Places, RETRY};
use super::{StoreError, open};

/// How long records are collected into one transaction: soon enough for `explain` a moment after the
/// call, rare enough to cost little.
const COLLECT: Duration = Duration::from_millis(200);

/// How long at most they are collected where somebody waits: until the journal has passed on what it
/// wrote together.
const COLLECT_IN_A_HURRY: Duration = Duration::from_millis(1);

/// How long at most they are collected where somebody listens: what people take for at once, and
/// time in which the records of several calls, and several of one call, come together.
const COLLECT_FOR_LISTENERS: Duration = Duration::from_millis(100);

/// Files of deleted conversations that are read from their table at once.
const REMOVALS: u32 = 256;

/// The thread of the database.
pub(super) struct Applier {
    runtime: Runtime,
    connection: SqliteConnection,
    places: Places,
    applied: Position,
    complain: Complain,
    /// Nobody waits any more.
    closing: Arc<AtomicBool>,
    awaited: Arc<Awaited>,
}

impl Applier {
    /// Opens the database and brings its tables up to date.
    pub fn open(
        places: &Places,
        complain: &Complain,
        closing: &Arc<AtomicBool>,
        awaited: &Arc<Awaited>,
    ) -> Result<Applier, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StoreError::Thread)?;
        let connection = runtime.block_on(open(&places.database))?;
        let mut applier = Applier {
            runtime,
            connection,
            places: places.clone(),
            applied: Position::default(),
            complain: Arc::clone(complain),
            closing: Arc::clone(closing),
            awaited: Arc::clone(awaited),
        };
        applier.applied = applier.applied_before()?;
        applier.awaited.call_applied(applier.applied);
        Ok(applier)
    }

    /// How far the journal has been applied.
    pub fn applied(&self) -> Position {
        self.applied
    }

    pub fn run(mut self, parts: &Receiver<Part>) {
        while let Ok(first) = parts.recv() {
            // What follows within a moment goes into the same transaction; of each row only the
            // latest is written.
            let mut waiting = vec![first];
            waiting.extend(parts.try_iter().take(BATCH));
            if waiting.len() < BATCH {
                let time = if self.awaited.any(Patience::None) {
                    COLLECT_IN_A_HURRY
                } else if self.awaited.any(Patience::Some) {
                    COLLECT_FOR_LISTENERS
                } else {
                    COLLECT
                };
                rest(time, &self.closing);
                waiting.extend(parts.try_iter().take(BATCH));
            }
            self.apply_patiently(&waiting);
        }
        let _ = self.runtime.block_on(self.connection.close());
    }

    /// Applies parts, however long the database is locked; when the daemon ends, tries once.
    fn apply_patiently(&mut self, parts: &[Part]) {
        let mut complained = false;
        loop {
            match self.apply(parts) {
                Ok(()) => break,
                Err(error) => {
                    if !std::mem::replace(&mut complained, true) {
                        (self.complain)(format!(
                            "the database cannot be written, records wait in the journal: {error}"
                        ));
                    }
                    if self.closing.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::park_timeout(RETRY);
                }
            }
        }
        if complained {
            (self.complain)("the database can be written again".to_owned());
        }
    }

    fn apply(&mut self, parts: &[Part]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let mut at = self.applied;
        for part in parts {
            match &part.record {
                _ if part.until <= at => {}
                Some(record) if part.from <= at => {
                    batch.add(record.clone(), part.until);
                    at = part.until;
                }
                Some(_) | None => {
                    self.write(std::mem::take(&mut batch), at)?;
                    self.catch_up(part.until)?;
                    at = self.applied;
                }
            }
        }
        self.write(batch, at)
    }

    /// Applies the journal from where the database is, up to `until`.
    pub fn catch_up(&mut self, until: Position) -> Result<(), StoreError> {
        while self.applied < until {
            let read = journal::read(&self.places.journal, self.applied, until, BATCH);
            let (records, at, unreadable) = read.map_err(|source| self.journal_error(source))?;
            if unreadable > 0 {
                (self.complain)(format!("{unreadable} lines of the journal cannot be read"));
            }
            if at == self.applied {
                break;
            }
            let mut batch = Batch::default();
            for (record, place) in records {
                batch.add(record, place);
            }
            self.write(batch, at)?;
        }
        Ok(())
    }

    fn write(&mut self, mut batch: Batch, at: Position) -> Result<(), StoreError> {
        if at == self.applied {
            return Ok(());
        }
        let connection = &mut self.connection;
        self.runtime.block_on(async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            batch.write(&mut transaction, at).await?;
            transaction.commit().await
        })?;
        let before = std::mem::replace(&mut self.applied, at);
        self.awaited.call_applied(at);
        if batch.removes_files() {
            self.remove_files()?;
        }
        if before.segment < at.segment {
            journal::forget_before(&self.places.journal, at).map_err(|e| self.journal_error(e))?;
        }
        Ok(())
    }

    /// Puts in order what the last run left: calls that were under way, conversations without a known
    /// inbox, files of deleted conversations.
    pub fn mend(&mut self, inboxes: &Inboxes) -> Result<(), StoreError> {
        self.end_what_a_crash_cut_off()?;
        let connection = &mut self.connection;
        self.runtime.block_on(name_inboxes(connection, inboxes))?;
        self.remove_files()
    }

    /// Calls that were under way when the last run ended without saying so: nobody will end them.
    fn end_what_a_crash_cut_off(&mut self) -> Result<(), StoreError> {
        let connection = &mut self.connection;
        self.runtime.block_on(async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(
                "UPDATE conversations SET closed = last_message, status = 'closed',
                     revision = CASE WHEN revision = 0 THEN 0 ELSE revision + 1 END
                 WHERE item = 'call' AND closed IS NULL AND id IN
                     (SELECT messages.conversation FROM calls
                      JOIN messages ON messages.call = calls.id WHERE calls.ended IS NULL)",
            )
            .execute(&mut *transaction)
            .await?;
            sqlx::query(
                "UPDATE calls SET ended = COALESCE(answered, began), outcome = 'failed',
                 detail = 'the daemon stopped while this call was under way' WHERE ended IS NULL",
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        })?;
        Ok(())
    }

    /// Removes the files of deleted conversations. One that cannot be removed is told of, and tried
    /// again at the next deletion or start.
    fn remove_files(&mut self) -> Result<(), StoreError> {
        loop {
            let connection = &mut self.connection;
            let asked = files_to_delete(connection, REMOVALS);
            let mut removed = false;
            for (directory, path) in self.runtime.block_on(asked)? {
                if let Err(error) = remove(&self.places, &directory, Path::new(&path)) {
                    (self.complain)(format!(
                        "the file {path} of a deleted conversation cannot be removed: {error}"
                    ));
                    continue;
                }
                let forgotten = deleted_file(&mut self.connection, &directory, &path);
                self.runtime.block_on(forgotten)?;
                removed = true;
            }
            if !removed {
                return Ok(());
            }
        }
    }

    fn applied_before(&mut self) -> Result<Position, StoreError> {
        let connection = &mut self.connection;
        let row = self.runtime.block_on(
            sqlx::query("SELECT segment, place FROM journal WHERE id = 1")
                .fetch_optional(connection),
        )?;
        let Some(row) = row else {
            return Ok(Position::default());
        };
        let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(Position {
            segment: unsigned(row.try_get(0)?),
            offset: unsigned(row.try_get(1)?),
        })
    }

    fn journal_error(&self, source: std::io::Error) -> StoreError {
        StoreError::Journal {
            path: self.places.journal.clone(),
            source,
        }
    }
}

/// Fills in the inbox of conversations that an earlier version kept without one.
async fn name_inboxes(
    connection: &mut SqliteConnection,
    inboxes: &Inboxes,
) -> Result<(), sqlx::Error> {
    let channels = sqlx::query("SELECT DISTINCT channel FROM conversations WHERE inbox = ''")
        .fetch_all(&mut *connection)
        .await?;
    for row in channels {
        let channel: String = row.try_get(0)?;
        if let Some(inbox) = inboxes.get(channel.as_str()) {
            sqlx::query("UPDATE conversations SET inbox = $1 WHERE channel = $2 AND inbox = ''")
                .bind(inbox.as_deref().map(str::to_owned))
                .bind(channel)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// Removes a file, and of a voicemail the records beside it. One that is gone is no error.
fn remove(places: &Places, directory: &str, path: &Path) -> std::io::Result<()> {
    let is_inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !is_inside || path.as_os_str().is_empty() {
        return Ok(());
    }
    let mut files: Vec<PathBuf> = Vec::new();
    if directory == AUDIO {
        let audio = places.audio.join(path);
        files.extend([
            audio.with_extension("unfinished.json"),
            audio.with_extension("json"),
        ]);
        files.push(audio);
    } else {
        files.push(places.attachments.join(path));
    }
    for file in files {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
