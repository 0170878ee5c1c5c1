//! Recordings: from the media thread through a bounded ring to a writer thread, and from there into
//! a WAV file that is whole at every moment.
//!
//! A voicemail is three files in the audio directory, under the UTC date of its beep:
//! `YYYY/MM/DD/ID.wav`, and beside it `ID.unfinished.json` while it is being recorded and
//! `ID.json` afterwards. [`begin`] makes the first two before the beep; [`Recorder`] fills the audio;
//! [`complete`] puts the finished record in place of the unfinished one. What a crash leaves behind
//! is found by [`recover`] at the next start.

mod item;
mod ring;
mod wav;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

pub use item::{Recovered, Recovery, begin, complete, read, recover};
pub use ring::{Pushed, RecordingRing};
pub use writer::{Finished, Recorder};

/// Why something could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The disk or the file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A record whose audio would lie outside the audio directory.
    #[error("voicemail file {} must be a relative path without \"..\"", .0.display())]
    Outside(PathBuf),
    /// A record beside audio that cannot be understood.
    #[error("{} is not a voicemail record: {source}; its audio is left as it is", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: serde_json::Error,
    },
    /// Audio without a record.
    #[error("{} has audio but no record beside it: nobody was told of it", .0.display())]
    NoRecord(PathBuf),
    /// The ring was full: the disk was too slow for too long.
    #[error("{samples} samples were lost: the disk did not keep up")]
    Lost {
        /// How many, at 8 kHz.
        samples: u64,
    },
    /// The writer thread is gone.
    #[error("the thread that writes recordings has ended")]
    WriterGone,
}

impl RecordingError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordingError {
        let path = path.to_owned();
        move |source| RecordingError::Io {
            doing,
            path,
            source,
        }
    }
}
