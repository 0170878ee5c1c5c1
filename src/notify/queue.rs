//! The queue on the disk: a file for each mail, `ID.json`, and beside it `ID.eml` where somebody else
//! composed it. What was sent is moved to `sent/`, what was refused or given up to `failed/`; both
//! forget the oldest.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::core::record::Notice;
use crate::core::time::Wall;

/// How long it is remembered what was sent and what failed. A daemon that was killed asks again for
/// what it was doing when it starts again, which is sooner.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Files that are remembered of each, at most: a week of a busy house, a kilobyte each.
const REMEMBERED_FILES: usize = 20_000;

/// A mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mail {
    /// It is composed when it is sent.
    Notice(Notice),
    /// It lies beside, as it goes out.
    Letter {
        /// Its key.
        key: Uuid,
        /// The sender in the envelope.
        from: String,
    },
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Queued {
    /// What is sent.
    #[serde(flatten)]
    pub mail: Mail,
    /// Since when.
    pub queued: Wall,
    /// Who is still to get it.
    pub waiting: Vec<String>,
    /// Who will not, and the server's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<(String, String)>,
}

impl Queued {
    /// The name under which it is queued once.
    pub fn key(&self) -> Uuid {
        match &self.mail {
            Mail::Notice(notice) => notice.call.0,
            Mail::Letter { key, .. } => *key,
        }
    }
}

/// The directory.
#[derive(Debug)]
pub(super) struct Queue {
    directory: PathBuf,
}

impl Queue {
    /// Opens the queue, and answers what waits in it.
    pub fn open(directory: &Path) -> io::Result<(Queue, Vec<Uuid>)> {
        let queue = Queue {
            directory: directory.to_owned(),
        };
        fs::create_dir_all(queue.sent())?;
        fs::create_dir_all(queue.failed())?;
        let mut waiting = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let id = path.file_stem().and_then(|stem| stem.to_str());
            let id = id.and_then(|id| id.parse().ok());
            match (path.extension().and_then(|it| it.to_str()), id) {
                (Some("json"), Some(id)) => waiting.push(id),
                // What a crash left half written.
                (Some("new"), _) => fs::remove_file(&path)?,
                (Some("eml"), _) if !path.with_extension("json").exists() => {
                    fs::remove_file(&path)?;
                }
                (_, _) => {}
            }
        }
        waiting.sort_unstable();
        Ok((queue, waiting))
    }

    /// True if it was sent or failed, as far as that is remembered.
    pub fn is_done(&self, id: Uuid) -> bool {
        let name = name(id);
        self.sent().join(&name).exists() || self.failed().join(&name).exists()
    }

    /// Why one failed: the servers' words.
    pub fn failure(&self, id: Uuid) -> Option<String> {
        let text = fs::read(self.failed().join(name(id))).ok()?;
        let queued: Queued = serde_json::from_slice(&text).ok()?;
        let words = queued.refused.into_iter().map(|(_, words)| words);
        Some(words.collect::<Vec<String>>().join("; "))
    }

    /// The mail that lies beside.
    pub fn letter(&self, id: Uuid) -> io::Result<Vec<u8>> {
        fs::read(self.path(id).with_extension("eml"))
    }

    /// Puts a mail beside, before the file that names it.
    pub fn write_letter(&self, id: Uuid, octets: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.path(id).with_extension("eml"))?;
        file.write_all(octets)?;
        file.sync_data()
    }

    pub fn read(&self, id: Uuid) -> io::Result<Queued> {
        let text = fs::read(self.path(id))?;
        serde_json::from_slice(&text).map_err(io::Error::from)
    }

    /// Writes the file anew; it is there whole or as it was.
    pub fn write(&self, queued: &Queued) -> io::Result<()> {
        let path = self.path(queued.key());
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(queued)?)?;
        file.sync_data()?;
        fs::rename(&fresh, &path)?;
        sync(&self.directory)
    }

    /// Everybody has it.
    pub fn move_to_sent(&self, id: Uuid) -> io::Result<()> {
        self.move_to(id, &self.sent())
    }

    /// Somebody will not get it.
    pub fn move_to_failed(&self, id: Uuid) -> io::Result<()> {
        self.move_to(id, &self.failed())
    }

    /// Forgets what was sent or failed long ago.
    pub fn forget(&self, now: Wall) -> io::Result<()> {
        forget(&self.sent(), now)?;
        forget(&self.failed(), now)
    }

    fn move_to(&self, id: Uuid, directory: &Path) -> io::Result<()> {
        fs::rename(self.path(id), directory.join(name(id)))?;
        let letter = self.path(id).with_extension("eml");
        if letter.exists() {
            fs::remove_file(letter)?;
        }
        sync(directory)?;
        sync(&self.directory)
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.directory.join(name(id))
    }

    fn sent(&self) -> PathBuf {
        self.directory.join("sent")
    }

    fn failed(&self) -> PathBuf {
        self.directory.join("failed")
    }
}

fn name(id: Uuid) -> String {
    format!("{id}.json")
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn forget(directory: &Path, now: Wall) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let changed = entry.metadata()?.modified()?;
        let age = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        files.push((Wall::from_seconds(0) + age, entry.path()));
    }
    files.sort_unstable();
    let too_many = files.len().saturating_sub(REMEMBERED_FILES);
    for (place, (changed, path)) in files.iter().enumerate() {
        if place < too_many || now.since(*changed) > REMEMBERED {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
