//! The journal: every record as a line of JSON in files on the local disk, before it becomes a row.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::earlier;
use crate::core::record::{EventRecord, Record};

/// When a segment is full and the next one begins: large enough to be rare, small enough that what
/// was applied is soon deleted.
const SEGMENT_OCTETS: u64 = 16 * 1024 * 1024;

/// How the line of an event begins.
const EVENT: &[u8] = b"{\"record\":\"event\",";

/// A place in the journal: between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The file, numbered upwards.
    pub segment: u64,
    /// Octets from its beginning.
    pub offset: u64,
}

/// A record, and the place after it.
pub(super) type Placed = (Record, Position);

/// The end that is written to.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    file: File,
    end: Position,
    unsynced: bool,
    /// An append failed, and what it left behind could not be taken away.
    torn: bool,
}

impl Journal {
    /// Opens the journal in `directory`, which is made if need be. A last line that a crash cut short
    /// is taken away.
    pub fn open(directory: &Path) -> io::Result<Journal> {
        fs::create_dir_all(directory)?;
        let segment = segments(directory)?.last().copied().unwrap_or(1);
        let path = path_of(directory, segment);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let offset = whole_lines(&mut file)?;
        file.set_len(offset)?;
        file.seek(SeekFrom::Start(offset))?;
        let end = Position { segment, offset };
        Ok(Journal {
            directory: directory.to_owned(),
            file,
            end,
            unsynced: false,
            torn: false,
        })
    }

    /// The place after the last record.
    pub fn end(&self) -> Position {
        self.end
    }

    /// True if something may not have reached the disk itself.
    pub fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Appends whole lines. After an error nothing was appended.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.end.offset >= SEGMENT_OCTETS {
            self.begin_segment(self.end.segment.saturating_add(1))?;
        }
        self.mend()?;
        if let Err(error) = self.file.write_all(lines) {
            self.torn = true;
            self.mend()?;
            return Err(error);
        }
        self.end.offset = self.end.offset.saturating_add(lines.len() as u64);
        self.unsynced = true;
        Ok(())
    }

    /// Makes sure that all of it is on the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.unsynced = false;
        Ok(())
    }

    /// Goes on after `applied` where the journal ends before it: files were removed, or a power cut
    /// took what the database had already. What were written there would count as applied.
    pub fn go_on_after(&mut self, applied: Position) -> io::Result<()> {
        if self.end < applied {
            self.begin_segment(applied.segment.saturating_add(1))?;
        }
        Ok(())
    }

    /// Takes away what a failed append left behind.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.end.offset)?;
            self.file.seek(SeekFrom::Start(self.end.offset))?;
            self.torn = false;
        }
        Ok(())
    }

    fn begin_segment(&mut self, segment: u64) -> io::Result<()> {
        self.sync()?;
        let path = path_of(&self.directory, segment);
        self.file = OpenOptions::new().write(true).create_new(true).open(path)?;
        self.end = Position { segment, offset: 0 };
        Ok(())
    }
}

/// Reads at most `limit` records from `from` on, but none beyond `until`, each with the place after
/// it; answers the place after them all. Lines that cannot be read are passed over and counted.
pub(super) fn read(
    directory: &Path,
    from: Position,
    until: Position,
    limit: usize,
) -> io::Result<(Vec<Placed>, Position, usize)> {
    let (mut records, mut unreadable) = (Vec::new(), 0);
    let mut at = from;
    for segment in segments(directory)?
        .into_iter()
        .filter(|segment| *segment >= from.segment)
    {
        if segment > until.segment || records.len() >= limit {
            break;
        }
        if segment > at.segment {
            at = Position { segment, offset: 0 };
        }
        let mut file = File::open(path_of(directory, segment))?;
        file.seek(SeekFrom::Start(at.offset))?;
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while at < until && records.len() < limit {
            line.clear();
            let octets = lines.read_until(b'\n', &mut line)?;
            if octets == 0 || line.last() != Some(&b'\n') {
                break;
            }
            at.offset = at.offset.saturating_add(octets as u64);
            match earlier::read(&line, at) {
                Ok(read) => records.extend(read),
                Err(_) => unreadable += 1,
            }
        }
    }
    Ok((records, at, unreadable))
}

/// The events that stand in the journal, in their order. Lines that cannot be read are passed over.
pub(super) fn events(directory: &Path) -> io::Result<Vec<EventRecord>> {
    let mut events = Vec::new();
    for segment in segments(directory)? {
        let mut lines = BufReader::new(File::open(path_of(directory, segment))?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if line.starts_with(EVENT)
                && let Ok(Record::Event(event)) = serde_json::from_slice(&line)
            {
                events.push(*event);
            }
            line.clear();
        }
    }
    Ok(events)
}

/// Deletes the segments that lie wholly before the one before `applied`: an event at the end of that
/// one may not have been handed on yet.
pub(super) fn forget_before(directory: &Path, applied: Position) -> io::Result<()> {
    for segment in segments(directory)?
        .into_iter()
        .filter(|segment| segment.saturating_add(1) < applied.segment)
    {
        fs::remove_file(path_of(directory, segment))?;
    }
    Ok(())
}

fn segments(directory: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn path_of(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{segment:010}.jsonl"))
}

/// How many octets of a file are whole lines.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let end = text
        .iter()
        .rposition(|octet| *octet == b'\n')
        .map_or(0, |last| last + 1);
    Ok(end as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::conversation::{Event, Happening};
    use crate::core::id::{ConversationId, EventId};
    use crate::core::name::UserName;
    use crate::core::time::Wall;

    fn gone(contact: &str) -> Record {
        Record::Unregistered {
            user: UserName::from("anna"),
            contact: contact.to_owned(),
        }
    }

    fn line(record: &Record) -> Vec<u8> {
        let mut line = serde_json::to_vec(record).unwrap();
        line.push(b'\n');
        line
    }

    #[test]
    fn what_was_written_is_read_again_and_a_torn_line_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.append(&line(&gone("a"))).unwrap();
        let middle = journal.end();
        journal.append(&line(&gone("b"))).unwrap();
        let end = journal.end();
        drop(journal);
        let path = path_of(directory.path(), 1);
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"{\"record\":\"unregis").unwrap();

        let journal = Journal::open(directory.path()).unwrap();
        assert_eq!(journal.end(), end);
        let (records, at, unreadable) =
            read(directory.path(), Position::default(), end, 10).unwrap();
        assert_eq!(
            (records, at, unreadable),
            (vec![(gone("a"), middle), (gone("b"), end)], end, 0)
        );
        let (records, _, _) = read(directory.path(), middle, end, 10).unwrap();
        assert_eq!(records, [(gone("b"), end)]);
        let (records, at, _) = read(directory.path(), Position::default(), end, 1).unwrap();
        assert_eq!((records, at), (vec![(gone("a"), middle)], middle));
    }

    #[test]
    fn a_full_segment_is_followed_by_another_and_deleted_once_applied() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.append(&line(&gone("first"))).unwrap();
        let big = line(&gone(&"x".repeat(SEGMENT_OCTETS as usize)));
        journal.append(&big).unwrap();
        journal.append(&line(&gone("last"))).unwrap();
        assert_eq!(journal.end().segment, 2);
        let (records, at, _) =
            read(directory.path(), Position::default(), journal.end(), 10).unwrap();
        assert_eq!(records.len(), 3);
        assert_eq!(at, journal.end());
        forget_before(directory.path(), at).unwrap();
        assert_eq!(segments(directory.path()).unwrap(), [1, 2]);
        let later = Position {
            segment: 3,
            offset: 0,
        };
        forget_before(directory.path(), later).unwrap();
        assert_eq!(segments(directory.path()).unwrap(), [2]);
    }

    #[test]
    fn events_are_found_among_all_else_in_their_order() {
        let event = |number: u128| EventRecord {
            id: EventId(uuid::Uuid::from_u128(number)),
            event: Event {
                at: Wall::from_seconds(1_800_000_000),
                inbox: Some("customers".into()),
                what: Happening::Deleted(ConversationId(uuid::Uuid::from_u128(number))),
            },
        };
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.append(&line(&gone("a"))).unwrap();
        for number in [7, 3] {
            let record = Record::Event(Box::new(event(number)));
            journal.append(&line(&record)).unwrap();
            journal.append(&line(&gone("b"))).unwrap();
        }
        journal
            .append(b"{\"record\":\"event\",\"id\":7}\n")
            .unwrap();
        assert_eq!(events(directory.path()).unwrap(), [event(7), event(3)]);
    }
}
