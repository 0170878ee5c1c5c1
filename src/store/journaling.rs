//! The thread of the journal: what arrives is written down together, and passed on to the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use super::awaited::{Awaited, Patience, rest};
use super::journal::{Journal, Position};
use super::writer::{BATCH, Complain, Entry, Part, RETRY, Then};
use crate::clock;
use crate::core::record::Record;
use crate::core::time::Mono;

/// How long records gather before they are written to the journal together: a call makes some ten of
/// them at three moments, and each writing by itself would wake a thread. Less than [`SYNC`], so that
/// what a crash can take stays the same.
const GATHER: Duration = Duration::from_millis(25);

/// How soon the journal is on the disk itself after it was written.
const SYNC: Duration = Duration::from_millis(100);

/// The thread of the journal.
pub(super) struct Journaling {
    journal: Journal,
    parts: SyncSender<Part>,
    /// From where on the other thread was not told.
    behind: Option<Position>,
    /// When the journal was last put on the disk itself.
    synced: Mono,
    /// That was told of.
    sync_failed: bool,
    complain: Complain,
    /// Nobody waits any more.
    closing: Arc<AtomicBool>,
    awaited: Arc<Awaited>,
}

impl Journaling {
    pub fn new(
        journal: Journal,
        parts: SyncSender<Part>,
        behind: Option<Position>,
        complain: Complain,
        closing: Arc<AtomicBool>,
        awaited: Arc<Awaited>,
    ) -> Journaling {
        Journaling {
            journal,
            parts,
            behind,
            synced: clock::mono(),
            sync_failed: false,
            complain,
            closing,
            awaited,
        }
    }

    pub fn run(mut self, records: &Receiver<Entry>) {
        let mut gathered = Gathered::default();
        loop {
            let first = match self.patience() {
                Some(time) => records.recv_timeout(time),
                None => records.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(entry) => {
                    let hurries = entry.then.as_ref().is_some_and(Then::hurries);
                    if !hurries && !self.awaited.any(Patience::None) {
                        rest(GATHER, &self.closing);
                    }
                    self.gather(entry, &mut gathered);
                    for entry in records.try_iter().take(BATCH) {
                        self.gather(entry, &mut gathered);
                    }
                    self.write_down(&mut gathered);
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
            self.call_who_waited_too_long();
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

    /// How long nothing but records needs this thread; `None`: as long as it takes.
    fn patience(&self) -> Option<Duration> {
        let sync = (self.journal.is_unsynced() || self.behind.is_some()).then_some(SYNC);
        let overdue = self.awaited.next();
        let overdue = overdue.map(|at| at.since(clock::mono()));
        sync.into_iter().chain(overdue).min()
    }

    /// Where the database does not keep up, the journal must do.
    fn call_who_waited_too_long(&self) {
        if self.awaited.call_overdue(clock::mono()) {
            (self.complain)(
                "the database does not keep up: answers are given before they can be read"
                    .to_owned(),
            );
        }
    }

    /// Adds to what is written next.
    fn gather(&mut self, entry: Entry, gathered: &mut Gathered) {
        for record in entry.records {
            if let Err(error) = gathered.add(record) {
                (self.complain)(format!("a record could not be written down: {error}"));
                return;
            }
        }
        gathered.then.extend(entry.then);
    }

    /// Appends what was gathered; where somebody waits, it is on the disk afterwards.
    fn write_down(&mut self, gathered: &mut Gathered) {
        let appended = self.append(gathered);
        if self.awaited.any(Patience::None) {
            self.awaited.hurry_database();
        }
        if gathered.then.is_empty() {
            return;
        }
        let hurries = gathered.then.iter().any(Then::hurries);
        let on_disk = appended && (!hurries || self.sync());
        let now = clock::mono();
        for then in gathered.then.drain(..) {
            match then {
                Then::OnDisk(then) if on_disk => then(),
                Then::OnDisk(_) => {}
                Then::Readable(patience, then) if on_disk => {
                    self.awaited.wait(self.journal.end(), now, patience, then);
                }
                Then::Readable(patience, _) => self.awaited.forget(patience),
            }
        }
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
    then: Vec<Then>,
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
