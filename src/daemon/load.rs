//! Loading a configuration: the same function for the start, for SIGHUP and for `ringdesk check`.

use std::path::{Path, PathBuf};

use tokio::task::JoinHandle;
use tracing::error;

use crate::clock;
use crate::config::edit::{self, Changed, Checking, EditError, RuleChange};
use crate::config::{self, Diagnostics, Loaded, PromptFile};
use crate::core::prompt::PromptAudio;
use crate::core::snapshot::RuleName;
use crate::media::prompt;

/// Reads and checks the configuration in `dir` as snapshot number `version`.
///
/// # Errors
/// Everything that is wrong with it, with its places.
pub fn load(dir: &Path, version: u64) -> Result<Loaded, Diagnostics> {
    config::load(dir, version, clock::wall(), &load_prompt)
}

/// Changes a rule of the configuration in `dir`, in the file that it stands in. A reload brings it into
/// force.
///
/// # Errors
/// Nothing is written then; see [`EditError`].
pub fn change_rule(
    dir: &Path,
    channel: &str,
    rule: RuleName,
    change: &RuleChange,
) -> Result<Changed, EditError> {
    let checking = Checking {
        at: clock::wall(),
        load_prompt: &load_prompt,
    };
    edit::change(dir, channel, rule, change, checking)
}

fn load_prompt(file: PromptFile<'_>) -> Result<PromptAudio, String> {
    match file {
        PromptFile::At(path) => prompt::load(path).map_err(|error| error.to_string()),
        PromptFile::Shipped(name) => prompt::shipped(name).map_err(|error| error.to_string()),
    }
}

/// A configuration that is being read again, on a thread of its own: decoding prompts takes time,
/// and calls go on meanwhile.
#[derive(Default)]
pub(super) struct Reload {
    running: Option<JoinHandle<Result<Loaded, Diagnostics>>>,
    /// Asked for while another one ran, which may have read what has changed since.
    asked: Option<PathBuf>,
}

impl Reload {
    /// Reads `dir` again. Its snapshot is numbered by whoever takes it.
    pub(super) fn ask(&mut self, dir: &Path) {
        let dir = dir.to_owned();
        if self.running.is_some() {
            self.asked = Some(dir);
        } else {
            self.running = Some(tokio::task::spawn_blocking(move || load(&dir, 0)));
        }
    }

    /// Whether it is being read at this moment.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Waits for what was asked for; for ever where nothing was. May be dropped and called again.
    pub(super) async fn done(&mut self) -> Result<Loaded, Diagnostics> {
        loop {
            let Some(running) = &mut self.running else {
                return std::future::pending().await;
            };
            let result = running.await;
            self.running = None;
            if let Some(dir) = self.asked.take() {
                self.ask(&dir);
            }
            match result {
                Ok(result) => return result,
                Err(fault) => error!("the configuration was not read: {fault}"),
            }
        }
    }
}
