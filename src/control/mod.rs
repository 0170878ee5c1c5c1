//! The control socket: how commands on this machine ask a running daemon. A Unix socket in the data
//! directory takes one question as a line of JSON and answers with one or more.
//!
//! `{"ask":"status"}` is answered by one line, `{"status":{…}}`; `{"ask":"tail"}` by a line for
//! everything that is told from then on, `{"at":"…","warning":false,"text":"…"}`, until either side
//! closes; what cannot be answered by `{"error":"…"}`.

mod client;
mod lock;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::time::Wall;

pub use client::{Tail, status, tail};
pub use lock::DataLock;
pub use server::Control;

/// Where the socket is, for the data in `directory`.
pub fn socket_path(directory: &Path) -> PathBuf {
    directory.join("ringdesk.sock")
}

/// Why a daemon cannot be asked, or asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error(
        "no daemon runs on the data in {directory}: nobody answers at ringdesk.sock there. Start it with `ringdesk run`."
    )]
    NotRunning {
        /// The data directory.
        directory: PathBuf,
    },
    /// The socket is not ours to use.
    #[error("the daemon's socket {path} may not be used: {source}. Ask as the daemon's user.")]
    Denied {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The daemon was found, but did not answer as it should.
    #[error("the daemon does not answer: {0}")]
    NoAnswer(String),
    /// Another daemon has the data.
    #[error(
        "another daemon{process} runs on the data in {directory}. Stop it first, or give this one its own [store] url."
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// ` (process 4711)`, where it is known.
        process: String,
    },
    /// The socket or the lock cannot be made.
    #[error("{path} cannot be made: {source}. Check who may write there.")]
    Make {
        /// What.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
enum Question {
    /// How things are.
    Status,
    /// Everything that happens from now on.
    Tail,
}

/// One line of `tail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub at: Wall,
    /// A warning rather than news.
    pub warning: bool,
    /// The line.
    pub text: String,
}
