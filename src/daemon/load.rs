//! Loading a configuration: the same function for the start, for SIGHUP and for `ringdesk check`.

use std::path::Path;

use crate::clock;
use crate::config::{self, Diagnostics, Loaded, PromptFile};
use crate::media::prompt;

/// Reads and checks the configuration in `dir` as snapshot number `version`.
///
/// # Errors
/// Everything that is wrong with it, with its places.
pub fn load(dir: &Path, version: u64) -> Result<Loaded, Diagnostics> {
    config::load(dir, version, clock::wall(), &|file| match file {
        PromptFile::At(path) => prompt::load(path).map_err(|error| error.to_string()),
        PromptFile::Shipped(name) => prompt::shipped(name).map_err(|error| error.to_string()),
    })
}
