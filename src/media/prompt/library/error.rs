//! Why the library did not do as asked.

use std::io;
use std::path::PathBuf;

use super::{MOST_NAME_CHARS, MOST_PROMPTS};
use crate::media::prompt::PromptError;

/// Why the library did not do as asked. Whole sentences, for people.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A name that no prompt can have.
    #[error(
        "A prompt cannot be named {0:?}: its name has letters a to z, digits, - and _, {MOST_NAME_CHARS} at most."
    )]
    Name(String),
    /// There is no such prompt.
    #[error("There is no prompt \"{0}\". See `ringdesk prompts list`.")]
    Unknown(String),
    /// There is one already.
    #[error("There is a prompt \"{0}\" already. Choose another name, or replace it.")]
    Exists(String),
    /// The configuration has another file for this name.
    #[error(
        "The configuration has a [[prompt]] \"{name}\" with the file {}, which is what callers would go on hearing. Take that entry out, or choose another name.",
        file.display()
    )]
    ConfiguredElsewhere {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Rules name it.
    #[error(
        "The prompt \"{name}\" is used by {}. Have that play another prompt and reload, then delete this one; or replace it.",
        by.join("; ")
    )]
    InUse {
        /// The name.
        name: String,
        /// What plays it, in words.
        by: Vec<String>,
    },
    /// Its file is not the directory's.
    #[error(
        "The prompt \"{name}\" is the file {}, which a [[prompt]] of the configuration names. Take that entry out and reload instead.",
        file.display()
    )]
    Configured {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// It is no file.
    #[error(
        "The prompt \"{0}\" comes with the program and cannot be deleted. Another can take its place: upload one with this name."
    )]
    ComesAlong(String),
    /// It was not uploaded.
    #[error("The prompt \"{0}\" was not uploaded here: there is no original of it.")]
    NoOriginal(String),
    /// Enough is enough.
    #[error("There are {MOST_PROMPTS} prompts already. Delete those that nothing uses.")]
    TooMany,
    /// Its file cannot be played.
    #[error("The prompt \"{name}\" cannot be played: its file {problem}.")]
    Unplayable {
        /// The name.
        name: String,
        /// What is wrong with its file.
        problem: PromptError,
    },
    /// The directory of prompts refused.
    #[error("{} cannot be written: {source}.", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl LibraryError {
    /// The HTTP status (RFC 9110 §15) of an answer that says so.
    pub fn status(&self) -> u16 {
        match self {
            LibraryError::Name(_) => 422,
            LibraryError::Unknown(_) | LibraryError::NoOriginal(_) => 404,
            LibraryError::Exists(_)
            | LibraryError::ConfiguredElsewhere { .. }
            | LibraryError::InUse { .. }
            | LibraryError::Configured { .. }
            | LibraryError::ComesAlong(_)
            | LibraryError::TooMany => 409,
            LibraryError::Unplayable { .. } | LibraryError::Unwritable { .. } => 500,
        }
    }

    /// A word for programs that stays the same, as `in-use`.
    pub fn code(&self) -> &'static str {
        match self {
            LibraryError::Name(_) => "name",
            LibraryError::Unknown(_) => "unknown",
            LibraryError::Exists(_) => "exists",
            LibraryError::ConfiguredElsewhere { .. } => "configured-elsewhere",
            LibraryError::InUse { .. } => "in-use",
            LibraryError::Configured { .. } => "configured",
            LibraryError::ComesAlong(_) => "comes-with-the-program",
            LibraryError::NoOriginal(_) => "no-original",
            LibraryError::TooMany => "too-many",
            LibraryError::Unplayable { .. } => "unplayable",
            LibraryError::Unwritable { .. } => "unwritable",
        }
    }
}
