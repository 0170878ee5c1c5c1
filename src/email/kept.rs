//! Small files that email keeps for itself: the key of its tokens, how far mailboxes were read, who
//! had an automatic reply.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EmailError;
use super::thread::ThreadKey;

/// The directory of those files.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    directory: PathBuf,
}

impl Kept {
    /// Opens the directory, which is made if need be.
    pub fn open(directory: &Path) -> Result<Kept, EmailError> {
        fs::create_dir_all(directory).map_err(|source| EmailError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        Ok(Kept {
            directory: directory.to_owned(),
        })
    }

    /// The key of tokens, made at the first start.
    pub fn key(&self) -> Result<ThreadKey, EmailError> {
        let path = self.directory.join("thread-key");
        let failed = |source| EmailError::Directory {
            path: path.clone(),
            source,
        };
        match fs::read(&path) {
            Ok(octets) => {
                let octets: [u8; 32] = octets.try_into().map_err(|_| {
                    failed(io::Error::other(
                        "it does not hold 32 octets; restore it from a backup, or remove it: answers \
                         to replies sent before then are known by what they refer to",
                    ))
                })?;
                Ok(ThreadKey::new(octets))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut octets = [0u8; 32];
                getrandom::fill(&mut octets).map_err(|error| failed(io::Error::other(error)))?;
                self.write_octets("thread-key", &octets).map_err(failed)?;
                Ok(ThreadKey::new(octets))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// What a file holds; the default where there is none, or where it cannot be read.
    pub fn read<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        let octets = fs::read(self.directory.join(name)).unwrap_or_default();
        serde_json::from_slice(&octets).unwrap_or_default()
    }

    /// Writes a file anew; it is there whole, or as it was.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        self.write_octets(name, &serde_json::to_vec(value)?)
    }

    fn write_octets(&self, name: &str, octets: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name);
        let fresh = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(octets)?;
        file.sync_data()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::ConversationId;

    #[test]
    fn the_key_stays_the_same_and_a_broken_one_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::open(directory.path()).unwrap();
        let conversation = ConversationId(uuid::Uuid::from_u128(1));
        let token = kept.key().unwrap().token(conversation);
        let again = Kept::open(directory.path()).unwrap().key().unwrap();
        assert_eq!(again.conversation(&token), Some(conversation));
        fs::write(directory.path().join("thread-key"), "short").unwrap();
        let error = kept.key().unwrap_err().to_string();
        assert!(error.contains("restore it from a backup"), "{error}");
    }

    #[test]
    fn what_was_written_is_read_and_what_is_broken_is_as_new() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::open(directory.path()).unwrap();
        assert_eq!(kept.read::<Vec<u32>>("list"), Vec::<u32>::new());
        kept.write("list", &[1, 2]).unwrap();
        assert_eq!(kept.read::<Vec<u32>>("list"), [1, 2]);
        fs::write(directory.path().join("list"), "[1,").unwrap();
        assert_eq!(kept.read::<Vec<u32>>("list"), Vec::<u32>::new());
    }
}
