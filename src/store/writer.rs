//! The two threads that write: one to the journal, one from there to the database.
//!
//! Records travel from the first thread to the second in memory while that keeps up. Where the queue
//! between them is full (the database is locked, or slow), they are left out of it, and the second
//! thread reads them from the journal when it has come so far. Each message says which part of the
//! journal it stands for, and how far the database has come stands in the database itself, so that a
//! record becomes a row once, whatever happens in between.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection};
use tokio::runtime::Runtime;

use super::journal::{self, Journal, Position};
use super::rows::Batch;
use super::{StoreError, open};
use crate::clock;
use crate::core::record::Record;
use crate::core::time::Mono;

/// Records that may wait for the journal: some seconds of the busiest hour, while a disk hangs.
const WAITING: usize = 65_536;

/// Records that may travel in memory from the journal to the database; beyond it they are read from
/// the journal again.
const IN_MEMORY: usize = 4_096;

/// Records to a transaction.
const BATCH: usize = 512;

/// How long records gather before they are written to the journal together: a call makes some ten of
/// them at three moments, and each writing by itself would wake a thread. Less than [`SYNC`], so that
/// what a crash can take stays the same.
const GATHER: Duration = Duration::from_millis(25);

/// How long records are collected into one transaction: soon enough for `explain` a moment after the
/// call, rare enough to cost little.
const COLLECT: Duration = Duration::from_millis(200);

/// How soon the journal is on the disk itself after it was written.
const SYNC: Duration = Duration::from_millis(100);

/// How long until a database that could not be written to is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The way in. Dropping it writes what is waiting, as far as the database takes it at once; the rest
/// stays in the journal for the next start.
pub struct Store {
    records: Option<SyncSender<Entry>>,
    lost: Arc<AtomicU64>,
    closing: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// On its way to the journal.
struct Entry {
    record: Option<Record>,
    /// Called once the record, and all before it, are on the disk.
    then: Option<Box<dyn FnOnce() + Send>>,
}

/// From the journal to the database: this part of the journal.
#[derive(Debug)]
struct Part {
    from: Position,
    until: Position,
    /// The record that it holds; none: read it from the journal.
    record: Option<Record>,
}

impl Store {
    /// Opens database and journal, applies what a crash had left in the journal, and starts the
    /// threads. `complain` is told in words when the disk or the database fails, and when it works
    /// again.
    ///
    /// # Errors
    /// The database or the journal cannot be opened.
    pub fn open(
        database: &Path,
        journal: &Path,
        complain: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Store, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StoreError::Thread)?;
        let connection = runtime.block_on(open(database))?;
        let failed = |source| StoreError::Journal {
            path: journal.to_owned(),
            source,
        };
        let mut writing = Journal::open(journal).map_err(failed)?;
        let complain: Arc<dyn Fn(String) + Send + Sync> = Arc::new(complain);
        let closing = Arc::new(AtomicBool::new(false));

        let mut applier = Applier {
            runtime,
            connection,
            directory: journal.to_owned(),
            applied: Position::default(),
            complain: Arc::clone(&complain),
            closing: Arc::clone(&closing),
        };
        applier.applied = applier.applied_before()?;
        writing.go_on_after(applier.applied).map_err(failed)?;
        if let Err(error) = applier.catch_up(writing.end()) {
            // The rest follows once the database can be written to.
            complain(format!("the journal could not be applied yet: {error}"));
        }

        if let Err(error) = applier.end_what_a_crash_cut_off() {
            complain(format!("calls of the last run are not ended yet: {error}"));
        }

        let (records, waiting) = sync_channel(WAITING);
        let (parts, arriving) = sync_channel(IN_MEMORY);
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(StoreError::Thread)
        };
        let journaling = Journaling {
            journal: writing,
            parts,
            behind: None,
            synced: clock::mono(),
            sync_failed: false,
            complain,
            closing: Arc::clone(&closing),
        };
        let threads = vec![
            start("journal", Box::new(move || journaling.run(&waiting)))?,
            start("database", Box::new(move || applier.run(&arriving)))?,
        ];
        Ok(Store {
            records: Some(records),
            lost: Arc::default(),
            closing,
            threads,
        })
    }

    /// Takes a record in; never waits. Returns false where the disk has hung for so long that there
    /// is no room: the record is lost, and counted.
    pub fn keep(&self, record: Record) -> bool {
        self.send(Entry {
            record: Some(record),
            then: None,
        })
    }

    /// Like [`Store::keep`]; `then` is called once the record is on the disk, on the thread of the
    /// journal.
    pub fn keep_then(&self, record: Record, then: impl FnOnce() + Send + 'static) -> bool {
        self.send(Entry {
            record: Some(record),
            then: Some(Box::new(then)),
        })
    }

    /// Calls `then` once every record that was taken in before is on the disk, on the thread of the
    /// journal. Returns false where there is no room: it is not called.
    pub fn then(&self, then: impl FnOnce() + Send + 'static) -> bool {
        self.send(Entry {
            record: None,
            then: Some(Box::new(then)),
        })
    }

    fn send(&self, entry: Entry) -> bool {
        let records = self.records.as_ref();
        let is_record = entry.record.is_some();
        let kept = records.is_some_and(|records| records.try_send(entry).is_ok());
        if !kept && is_record {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        kept
    }

    /// How many records were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.records = None;
        self.closing.store(true, Ordering::Relaxed);
        for thread in &self.threads {
            thread.thread().unpark();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The thread of the journal.
struct Journaling {
    journal: Journal,
    parts: SyncSender<Part>,
    /// From where on the other thread was not told.
    behind: Option<Position>,
    /// When the journal was last put on the disk itself.
    synced: Mono,
    /// That was told of.
    sync_failed: bool,
    complain: Arc<dyn Fn(String) + Send + Sync>,
    /// Nobody waits any more.
    closing: Arc<AtomicBool>,
}

impl Journaling {
    fn run(mut self, records: &Receiver<Entry>) {
        let mut gathered = Gathered::default();
        loop {
            let first = if self.journal.is_unsynced() || self.behind.is_some() {
                records.recv_timeout(SYNC)
            } else {
                records.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match first {
                Ok(entry) => {
                    if entry.then.is_none() {
                        rest(GATHER, &self.closing);
                    }
                    self.gather(entry, &mut gathered);
                    for entry in records.try_iter().take(BATCH) {
                        self.gather(entry, &mut gathered);
                    }
                    self.append(&mut gathered);
                    // On a busy day no record is long in coming, and there is no pause to do it in.
                    if clock::mono().since(self.synced) >= SYNC {
                        self.sync();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.sync();
                    self.tell(None);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.sync();
        if let Some(from) = self.behind {
            // The other thread takes everything before it ends, so this waits for it at most.
            let until = self.journal.end();
            let _ = self.parts.send(Part {
                from,
                until,
                record: None,
            });
        }
    }

    /// Adds to what is appended next; where somebody waits, it is on the disk afterwards.
    fn gather(&mut self, entry: Entry, gathered: &mut Gathered) {
        let gathers = entry
            .record
            .is_none_or(|record| self.write_down(record, gathered));
        if let Some(then) = entry.then
            && gathers
            && self.append(gathered)
            && self.sync()
        {
            then();
        }
    }

    fn write_down(&mut self, record: Record, gathered: &mut Gathered) -> bool {
        if let Err(error) = gathered.add(record) {
            (self.complain)(format!("a record could not be written down: {error}"));
            return false;
        }
        true
    }

    /// Appends what was gathered; false if the daemon ended before the disk took it.
    fn append(&mut self, gathered: &mut Gathered) -> bool {
        if gathered.records.is_empty() {
            return true;
        }
        let mut complained = false;
        let mut from = self.journal.end();
        while let Err(error) = self.journal.append(&gathered.lines) {
            if !std::mem::replace(&mut complained, true) {
                (self.complain)(format!(
                    "the journal cannot be written, calls go on: {error}"
                ));
            }
            if self.closing.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::park_timeout(RETRY);
        }
        if complained {
            (self.complain)("the journal can be written again".to_owned());
        }
        // All of it is in one segment, which may be a new one.
        let end = self.journal.end();
        let begin = end.offset.saturating_sub(gathered.lines.len() as u64);
        gathered.lines.clear();
        for (record, length) in gathered.records.drain(..) {
            let until = Position {
                segment: end.segment,
                offset: begin.saturating_add(length as u64),
            };
            self.tell(Some((from, until, record)));
            from = until;
        }
        true
    }

    /// Puts the journal on the disk itself; false where that failed.
    fn sync(&mut self) -> bool {
        self.synced = clock::mono();
        if !self.journal.is_unsynced() {
            return true;
        }
        let synced = self.journal.sync();
        if let Err(error) = &synced
            && !self.sync_failed
        {
            (self.complain)(format!("the journal may not be on the disk: {error}"));
        }
        self.sync_failed = synced.is_err();
        synced.is_ok()
    }

    /// Tells the other thread of a record, and of all that it was not told of before.
    fn tell(&mut self, record: Option<(Position, Position, Record)>) {
        let part = match (self.behind, record) {
            (None, None) => return,
            (None, Some((from, until, record))) => Part {
                from,
                until,
                record: Some(record),
            },
            (Some(from), record) => Part {
                from,
                until: record.map_or(self.journal.end(), |(_, until, _)| until),
                record: None,
            },
        };
        let from = part.from;
        match self.parts.try_send(part) {
            Ok(()) => self.behind = None,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.behind = Some(from),
        }
    }
}

/// Records on their way into the journal together.
#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// Each with the length of `lines` after it.
    records: Vec<(Record, usize)>,
}

impl Gathered {
    fn add(&mut self, record: Record) -> Result<(), serde_json::Error> {
        let before = self.lines.len();
        if let Err(error) = serde_json::to_writer(&mut self.lines, &record) {
            self.lines.truncate(before);
            return Err(error);
        }
        self.lines.push(b'\n');
        self.records.push((record, self.lines.len()));
        Ok(())
    }
}

/// Lets more come, unless the daemon ends.
fn rest(time: Duration, closing: &AtomicBool) {
    if !closing.load(Ordering::Relaxed) {
        std::thread::park_timeout(time);
    }
}

/// The thread of the database.
struct Applier {
    runtime: Runtime,
    connection: SqliteConnection,
    directory: PathBuf,
    applied: Position,
    complain: Arc<dyn Fn(String) + Send + Sync>,
    /// Nobody waits any more.
    closing: Arc<AtomicBool>,
}

impl Applier {
    fn run(mut self, parts: &Receiver<Part>) {
        while let Ok(first) = parts.recv() {
            // What follows within a moment goes into the same transaction; of each row only the
            // latest is written.
            let mut waiting = vec![first];
            waiting.extend(parts.try_iter().take(BATCH));
            if waiting.len() < BATCH {
                rest(COLLECT, &self.closing);
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
                    batch.add(record.clone());
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
    fn catch_up(&mut self, until: Position) -> Result<(), StoreError> {
        while self.applied < until {
            let read = journal::read(&self.directory, self.applied, until, BATCH);
            let (records, at, unreadable) = read.map_err(|source| self.journal_error(source))?;
            if unreadable > 0 {
                (self.complain)(format!("{unreadable} lines of the journal cannot be read"));
            }
            if at == self.applied {
                break;
            }
            let mut batch = Batch::default();
            for record in records {
                batch.add(record);
            }
            self.write(batch, at)?;
        }
        Ok(())
    }

    fn write(&mut self, batch: Batch, at: Position) -> Result<(), StoreError> {
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
        if before.segment < at.segment {
            journal::forget_before(&self.directory, at).map_err(|e| self.journal_error(e))?;
        }
        Ok(())
    }

    /// Calls that were under way when the last run ended without saying so: nobody will end them.
    fn end_what_a_crash_cut_off(&mut self) -> Result<(), StoreError> {
        let connection = &mut self.connection;
        self.runtime.block_on(async {
            sqlx::query(
                "UPDATE calls SET ended = COALESCE(answered, began), outcome = 'failed',
                 detail = 'the daemon stopped while this call was under way' WHERE ended IS NULL",
            )
            .execute(&mut *connection)
            .await?;
            sqlx::query(
                "UPDATE conversations SET closed = began WHERE item = 'call' AND closed IS NULL",
            )
            .execute(&mut *connection)
            .await
        })?;
        Ok(())
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
            path: self.directory.clone(),
            source,
        }
    }
}
