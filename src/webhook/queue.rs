//! The queue on the disk. A delivery is a file that never changes, `ID.json`, synced before it
//! counts; beside it stands how far it has come, `ID.state`, which a crash may lose: then attempts are
//! counted anew. Dead letters lie in `dead/`. `sequences.json` holds the last number of each webhook, and
//! which event was taken in last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::{Key, Name};
use crate::core::id::{DeliveryId, EventId};
use crate::core::time::Wall;

/// How long dead letters are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Dead letters of one webhook, at most: twice what may wait, so that a webhook which is removed
/// loses nothing.
const DEAD: usize = 20_000;

/// Octets of them, at most: twice what may wait.
const DEAD_OCTETS: u64 = 128 * 1024 * 1024;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// The same for each attempt.
    pub id: DeliveryId,
    /// For whom.
    pub webhook: String,
    /// The nth event for it.
    pub sequence: u64,
    /// The event's name.
    pub event: String,
    /// When it was taken in.
    pub queued: Wall,
    /// What is posted.
    pub body: String,
}

/// How far a delivery has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Attempts so far.
    #[serde(default)]
    pub attempts: u32,
    /// What went wrong last.
    #[serde(default)]
    pub problem: Option<String>,
    /// When it was taken up again from the dead letters.
    #[serde(default)]
    pub again: Option<Wall>,
    /// When it became a dead letter.
    #[serde(default)]
    pub died: Option<Wall>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A delivery that is tried no more, until somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its key, which the endpoint sees as `Ringdesk-Delivery`.
    pub id: DeliveryId,
    /// For whom it was.
    pub webhook: String,
    /// The nth event for that webhook.
    pub sequence: u64,
    /// The event's name.
    pub event: String,
    /// When it happened.
    pub queued: Wall,
    /// When it was given up.
    pub died: Wall,
    /// Why, as a sentence.
    pub reason: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// What went wrong in the last one.
    pub problem: Option<String>,
    /// Octets of what was posted.
    pub octets: u64,
}

/// What is known of a delivery that waits, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub key: Key,
    pub id: DeliveryId,
    pub octets: u64,
    /// Since when it has been tried.
    pub since: Wall,
    pub attempts: u32,
}

impl Waiting {
    /// A delivery that has been tried so often since then.
    pub fn new(delivery: &Delivery, since: Wall, attempts: u32) -> Waiting {
        Waiting {
            key: Key {
                webhook: Name::from(delivery.webhook.as_str()),
                sequence: delivery.sequence,
            },
            id: delivery.id,
            octets: octets(delivery),
            since,
            attempts,
        }
    }
}

/// How far the queue has come.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Numbers {
    /// The last number of each webhook.
    #[serde(default)]
    sequences: BTreeMap<String, u64>,
    /// The last event that was taken in.
    #[serde(default)]
    taken: Option<EventId>,
}

/// The directory.
pub(super) struct Queue {
    directory: PathBuf,
    numbers: Numbers,
    /// Numbers were given out since they were last on the disk.
    numbered: bool,
    dead: BTreeMap<DeliveryId, DeadLetter>,
}

impl Queue {
    /// Opens the queue, and answers what waits in it. A file that cannot be read is set aside and
    /// told of.
    pub fn open(
        directory: &Path,
        tell: &mut dyn FnMut(String),
    ) -> io::Result<(Queue, Vec<Waiting>)> {
        let mut queue = Queue {
            directory: directory.to_owned(),
            numbers: Numbers::default(),
            numbered: false,
            dead: BTreeMap::new(),
        };
        fs::create_dir_all(queue.dead_directory())?;
        queue.numbers = match fs::read(queue.sequences_path()) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Numbers::default(),
            Err(error) => return Err(error),
        };
        for (delivery, progress) in read_all(&queue.dead_directory(), tell)? {
            queue.saw(&delivery);
            let letter = letter(&delivery, progress);
            queue.dead.insert(letter.id, letter);
        }
        let mut waiting = Vec::new();
        for (delivery, progress) in read_all(directory, tell)? {
            queue.saw(&delivery);
            if queue.dead.contains_key(&delivery.id) {
                queue.forget(delivery.id);
                continue;
            }
            let since = progress.again.unwrap_or(delivery.queued);
            waiting.push(Waiting::new(&delivery, since, progress.attempts));
        }
        waiting.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok((queue, waiting))
    }

    fn saw(&mut self, delivery: &Delivery) {
        let last = self
            .numbers
            .sequences
            .entry(delivery.webhook.clone())
            .or_default();
        *last = (*last).max(delivery.sequence);
    }

    /// The next number for a webhook.
    pub fn next_sequence(&mut self, webhook: &str) -> u64 {
        let last = self
            .numbers
            .sequences
            .entry(webhook.to_owned())
            .or_default();
        *last = last.saturating_add(1);
        self.numbered = true;
        *last
    }

    /// The last event that was taken in.
    pub fn taken(&self) -> Option<EventId> {
        self.numbers.taken
    }

    /// An event was taken in; it is on the disk with the next deliveries.
    pub fn took(&mut self, event: EventId) {
        self.numbers.taken = Some(event);
    }

    /// Whether a delivery of that key waits, or is a dead letter.
    pub fn knows(&self, id: DeliveryId) -> bool {
        self.dead.contains_key(&id) || self.path(id).exists()
    }

    /// Takes deliveries in, with the numbers that were given out; all of it is on the disk when this
    /// returns. On an error some may be.
    pub fn write(&mut self, deliveries: &[Delivery]) -> io::Result<()> {
        if !self.numbered {
            return Ok(());
        }
        for delivery in deliveries {
            let path = self.path(delivery.id);
            write_whole(&path, &serde_json::to_vec(delivery)?)?;
        }
        let sequences = serde_json::to_vec(&self.numbers)?;
        write_whole(&self.sequences_path(), &sequences)?;
        sync(&self.directory)?;
        self.numbered = false;
        Ok(())
    }

    pub fn read(&self, id: DeliveryId) -> io::Result<Delivery> {
        read(&self.path(id))
    }

    /// Notes how far a delivery has come.
    pub fn note(&self, id: DeliveryId, attempts: u32, problem: Option<String>) -> io::Result<()> {
        let path = self.path(id).with_extension("state");
        let progress = Progress {
            attempts,
            problem,
            ..read_progress(&path)
        };
        fs::write(path, serde_json::to_vec(&progress)?)
    }

    /// It arrived. A crash may bring it back, and then it is sent again with the same key.
    pub fn forget(&self, id: DeliveryId) {
        remove(&self.path(id));
    }

    /// Puts a delivery with the dead letters. Syncing the directory makes that last.
    pub fn bury(
        &mut self,
        id: DeliveryId,
        attempts: u32,
        problem: Option<String>,
        reason: &str,
        now: Wall,
    ) -> io::Result<()> {
        let delivery = self.read(id)?;
        let path = self.path(id);
        let progress = Progress {
            attempts,
            problem: problem.or(read_progress(&path.with_extension("state")).problem),
            again: None,
            died: Some(now),
            reason: Some(reason.to_owned()),
        };
        let dead = self.dead_path(id);
        let state = serde_json::to_vec(&progress)?;
        fs::write(dead.with_extension("state"), state)?;
        fs::rename(&path, &dead)?;
        remove(&path);
        self.dead.insert(id, letter(&delivery, progress));
        Ok(())
    }

    /// Makes moves between the directories last, and forgets dead letters that are old or too many.
    pub fn settle(&mut self, now: Wall) -> io::Result<()> {
        let mut kept: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        let mut newest_first: Vec<&DeadLetter> = self.dead.values().collect();
        newest_first.sort_unstable_by_key(|letter| (letter.died, letter.id));
        newest_first.reverse();
        let mut gone = Vec::new();
        for letter in newest_first {
            let (number, octets) = kept.entry(&letter.webhook).or_default();
            *number += 1;
            *octets = octets.saturating_add(letter.octets);
            if *number > DEAD || *octets > DEAD_OCTETS || now.since(letter.died) > KEPT {
                gone.push(letter.id);
            }
        }
        for id in gone {
            self.delete(id);
        }
        sync(&self.dead_directory())?;
        sync(&self.directory)
    }

    /// The dead letters, the latest first.
    pub fn dead(&self) -> Vec<&DeadLetter> {
        let mut letters: Vec<&DeadLetter> = self.dead.values().collect();
        letters.sort_unstable_by_key(|letter| std::cmp::Reverse((letter.died, letter.id)));
        letters
    }

    pub fn dead_letter(&self, id: DeliveryId) -> Option<&DeadLetter> {
        self.dead.get(&id)
    }

    pub fn dead_body(&self, id: DeliveryId) -> io::Result<String> {
        Ok(read(&self.dead_path(id))?.body)
    }

    /// Takes a dead letter up again.
    pub fn revive(&mut self, id: DeliveryId, now: Wall) -> io::Result<Waiting> {
        let delivery = read(&self.dead_path(id))?;
        let (path, dead) = (self.path(id), self.dead_path(id));
        let progress = Progress {
            again: Some(now),
            ..Progress::default()
        };
        fs::write(path.with_extension("state"), serde_json::to_vec(&progress)?)?;
        fs::rename(&dead, &path)?;
        remove(&dead);
        sync(&self.directory)?;
        sync(&self.dead_directory())?;
        self.dead.remove(&id);
        Ok(Waiting::new(&delivery, now, 0))
    }

    /// Forgets a dead letter. False: there is none.
    pub fn delete(&mut self, id: DeliveryId) -> bool {
        remove(&self.dead_path(id));
        self.dead.remove(&id).is_some()
    }

    fn path(&self, id: DeliveryId) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    fn dead_path(&self, id: DeliveryId) -> PathBuf {
        self.dead_directory().join(format!("{id}.json"))
    }

    fn dead_directory(&self) -> PathBuf {
        self.directory.join("dead")
    }

    fn sequences_path(&self) -> PathBuf {
        self.directory.join("sequences.json")
    }
}

/// Octets that count: of the body, and of what stands around it.
pub(super) fn octets(delivery: &Delivery) -> u64 {
    const AROUND: u64 = 300;
    (delivery.body.len() as u64).saturating_add(AROUND)
}

fn letter(delivery: &Delivery, progress: Progress) -> DeadLetter {
    DeadLetter {
        id: delivery.id,
        webhook: delivery.webhook.clone(),
        sequence: delivery.sequence,
        event: delivery.event.clone(),
        queued: delivery.queued,
        died: progress.died.unwrap_or(delivery.queued),
        reason: progress.reason.unwrap_or_default(),
        attempts: progress.attempts,
        problem: progress.problem,
        octets: octets(delivery),
    }
}

fn read(path: &Path) -> io::Result<Delivery> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::from)
}

/// What a crash lost is nothing.
fn read_progress(path: &Path) -> Progress {
    let text = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn read_all(
    directory: &Path,
    tell: &mut dyn FnMut(String),
) -> io::Result<Vec<(Delivery, Progress)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let id = path.file_stem().and_then(|stem| stem.to_str());
        let id: Option<DeliveryId> = id.and_then(|id| id.parse().ok());
        match (path.extension().and_then(|it| it.to_str()), id) {
            (Some("json"), Some(_)) => match read(&path) {
                Ok(delivery) => {
                    let progress = read_progress(&path.with_extension("state"));
                    found.push((delivery, progress));
                }
                Err(error) => {
                    tell(format!(
                        "{} cannot be read and is set aside: {error}",
                        path.display()
                    ));
                    fs::rename(&path, path.with_extension("unreadable"))?;
                }
            },
            // What a crash left half written.
            (Some("new"), _) => fs::remove_file(&path)?,
            (_, _) => {}
        }
    }
    Ok(found)
}

fn write_whole(path: &Path, octets: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(octets)?;
    file.sync_data()?;
    fs::rename(&fresh, path)
}

/// A delivery and its state; what is gone already needs no removing.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_file(path.with_extension("state"));
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
