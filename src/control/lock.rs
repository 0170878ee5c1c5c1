//! One daemon to one data directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ControlError;

/// Octets of a process number that are read; it has 10 digits at most.
const PROCESS_OCTETS: u64 = 16;

/// The data directory is for its owner and group: who called, and what callers said, is private.
const MODE: u32 = 0o750;

/// Holds the data directory for this process; it ends with the process, however that ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the data in `directory`, which is made if need be.
    ///
    /// # Errors
    /// Another daemon has it, or the lock file cannot be made.
    pub fn take(directory: &Path) -> Result<DataLock, ControlError> {
        let path = directory.join("ringdesk.lock");
        let failed = |source| ControlError::Make {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(MODE)
            .create(directory)
            .map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(ControlError::InUse {
                    directory: directory.to_owned(),
                    process: process(&mut file),
                });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        // Only for the message above; the lock itself needs no content.
        let _ = file.set_len(0);
        let _ = write!(file, "{}", std::process::id());
        Ok(DataLock { _file: file })
    }
}

fn process(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(PROCESS_OCTETS).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) => {
            format!(" (process {text})")
        }
        Ok(_) | Err(_) => String::new(),
    }
}
