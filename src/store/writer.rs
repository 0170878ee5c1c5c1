//! The two threads that write: one to the journal, one from there to the database.
//!
//! Records travel from the first thread to the second in memory while that keeps up. Where the queue
//! between them is full (the database is locked, or slow), they are left out of it, and the second
//! thread reads them from the journal when it has come so far. Each message says which part of the
//! journal it stands for, and how far the database has come stands in the database itself, so that a
//! record becomes a row once, whatever happens in between.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::StoreError;
use super::applier::Applier;
use super::awaited::{Awaited, Patience};
use super::journal::{self, Journal, Position};
use super::journaling::Journaling;
use crate::core::name::{ChannelName, InboxName};
use crate::core::record::{EventRecord, Record};

/// Records that may wait for the journal: some seconds of the busiest hour, while a disk hangs.
const WAITING: usize = 65_536;

/// Records that may travel in memory from the journal to the database; beyond it they are read from
/// the journal again.
const IN_MEMORY: usize = 4_096;

/// Records to a transaction.
pub(super) const BATCH: usize = 512;

/// How long until a disk or a database that could not be written to is tried again.
pub(super) const RETRY: Duration = Duration::from_millis(500);

/// Where the store keeps what.
#[derive(Clone, Debug)]
pub struct Places {
    /// The database file.
    pub database: PathBuf,
    /// The directory of the journal.
    pub journal: PathBuf,
    /// The directory of attachments and raw mail, from which those of deleted conversations are
    /// removed.
    pub attachments: PathBuf,
    /// The directory of voicemails, likewise.
    pub audio: PathBuf,
}

/// The inbox of each channel, as the configuration has it; `None`: everybody has access.
pub type Inboxes = BTreeMap<ChannelName, Option<InboxName>>;

/// Tells in words when the disk or the database fails, and when it works again.
pub(super) type Complain = Arc<dyn Fn(String) + Send + Sync>;

/// The way in. Dropping it writes what is waiting, as far as the database takes it at once; the rest
/// stays in the journal for the next start.
pub struct Store {
    records: Option<SyncSender<Entry>>,
    lost: Arc<AtomicU64>,
    closing: Arc<AtomicBool>,
    awaited: Arc<Awaited>,
    threads: Vec<JoinHandle<()>>,
}

/// On its way to the journal.
pub(super) struct Entry {
    /// They are written down together.
    pub records: Vec<Record>,
    pub then: Option<Then>,
}

/// What to call, and when.
pub(super) enum Then {
    /// Once the record, and all before it, are on the disk.
    OnDisk(Box<dyn FnOnce() + Send>),
    /// Once they can be read from the database too.
    Readable(Patience, Box<dyn FnOnce() + Send>),
}

impl Then {
    /// Whether the disk is not left to the next of its regular turns.
    pub fn hurries(&self) -> bool {
        match self {
            Then::OnDisk(_) | Then::Readable(Patience::None, _) => true,
            Then::Readable(Patience::Some, _) => false,
        }
    }
}

/// From the journal to the database: this part of the journal.
#[derive(Debug)]
pub(super) struct Part {
    pub from: Position,
    pub until: Position,
    /// The record that it holds; none: read it from the journal.
    pub record: Option<Record>,
}

impl Store {
    /// Opens database and journal, applies what a crash had left in the journal, and starts the
    /// threads. `inboxes` names the inbox of conversations that an earlier version kept without one.
    /// `complain` is told in words when the disk or the database fails, and when it works again.
    ///
    /// # Errors
    /// The database or the journal cannot be opened.
    pub fn open(
        places: &Places,
        inboxes: &Inboxes,
        complain: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Store, StoreError> {
        let complain: Complain = Arc::new(complain);
        let closing = Arc::new(AtomicBool::new(false));
        let awaited = Arc::new(Awaited::default());
        let mut applier = Applier::open(places, &complain, &closing, &awaited)?;
        let failed = |source| StoreError::Journal {
            path: places.journal.clone(),
            source,
        };
        let mut journal = Journal::open(&places.journal).map_err(failed)?;
        journal.go_on_after(applier.applied()).map_err(failed)?;
        if let Err(error) = applier.catch_up(journal.end()) {
            // The rest follows once the database can be written to.
            complain(format!("the journal could not be applied yet: {error}"));
        }
        if let Err(error) = applier.mend(inboxes) {
            complain(format!(
                "what the last run left is not put in order yet: {error}"
            ));
        }

        let (records, waiting) = sync_channel(WAITING);
        let (parts, arriving) = sync_channel(IN_MEMORY);
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(StoreError::Thread)
        };
        let behind = (applier.applied() < journal.end()).then_some(applier.applied());
        let journaling = Journaling::new(
            journal,
            parts,
            behind,
            complain,
            Arc::clone(&closing),
            Arc::clone(&awaited),
        );
        let threads = vec![
            start("journal", Box::new(move || journaling.run(&waiting)))?,
            start("database", Box::new(move || applier.run(&arriving)))?,
        ];
        awaited.wakes(threads.iter().map(|thread| thread.thread().clone()));
        Ok(Store {
            records: Some(records),
            lost: Arc::default(),
            closing,
            awaited,
            threads,
        })
    }

    /// The events that stand in the journal, in their order: those that were not handed on when the
    /// last run ended, and many before them.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn events(places: &Places) -> Result<Vec<EventRecord>, StoreError> {
        journal::events(&places.journal).map_err(|source| StoreError::Journal {
            path: places.journal.clone(),
            source,
        })
    }

    /// Takes a record in; never waits. Returns false where the disk has hung for so long that there
    /// is no room: the record is lost, and counted.
    pub fn keep(&self, record: Record) -> bool {
        self.keep_together(vec![record])
    }

    /// Like [`Store::keep`], for records that belong together: a daemon that is killed leaves all of
    /// them in the journal, or none.
    pub fn keep_together(&self, records: Vec<Record>) -> bool {
        self.send(Entry {
            records,
            then: None,
        })
    }

    /// Like [`Store::keep`]; `then` is called once the record is on the disk, on the thread of the
    /// journal.
    pub fn keep_then(&self, record: Record, then: impl FnOnce() + Send + 'static) -> bool {
        self.send(Entry {
            records: vec![record],
            then: Some(Then::OnDisk(Box::new(then))),
        })
    }

    /// Calls `then` once every record that was taken in before is on the disk, on the thread of the
    /// journal. Returns false where there is no room: it is not called.
    pub fn then(&self, then: impl FnOnce() + Send + 'static) -> bool {
        self.send(Entry {
            records: Vec::new(),
            then: Some(Then::OnDisk(Box::new(then))),
        })
    }

    /// Calls `then` once every record that was taken in before is on the disk and can be read from
    /// the database, and hurries both. Where the database does not take them within ten seconds, it
    /// is called all the same, and that is told of. Calls come in the order in which they were asked
    /// for, on a thread of the store, which they must not hold up. Returns false where there is no
    /// room: it is not called.
    pub fn then_applied(&self, then: impl FnOnce() + Send + 'static) -> bool {
        let sent = self.then_readable(Patience::None, Box::new(then));
        if sent {
            self.awaited.hurry();
        }
        sent
    }

    /// Like [`Store::then_applied`] for news that nobody waits for: hurries nothing, so that it comes
    /// a tenth of a second or two later, and the disk itself may have the records a tenth of a second
    /// after it.
    pub fn then_applied_in_time(&self, then: impl FnOnce() + Send + 'static) -> bool {
        self.then_readable(Patience::Some, Box::new(then))
    }

    fn then_readable(&self, patience: Patience, then: Box<dyn FnOnce() + Send>) -> bool {
        self.awaited.announce(patience);
        let sent = self.send(Entry {
            records: Vec::new(),
            then: Some(Then::Readable(patience, then)),
        });
        if !sent {
            self.awaited.forget(patience);
        }
        sent
    }

    fn send(&self, entry: Entry) -> bool {
        let records = self.records.as_ref();
        let number = u64::try_from(entry.records.len()).unwrap_or(u64::MAX);
        let kept = records.is_some_and(|records| records.try_send(entry).is_ok());
        if !kept {
            self.lost.fetch_add(number, Ordering::Relaxed);
        }
        kept
    }

    /// The threads that have ended by a fault.
    pub fn ended(&self) -> Vec<String> {
        let ended = self.threads.iter().filter(|thread| thread.is_finished());
        ended
            .map(|thread| thread.thread().name().unwrap_or_default().to_owned())
            .collect()
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
        // The journal has all of it.
        self.awaited.call_all();
    }
}
