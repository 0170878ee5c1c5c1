//! `ringdesk run`: the daemon in the foreground.

use std::path::PathBuf;

use clap::Args;

use crate::daemon;

/// Runs the daemon; logs go to stderr.
#[derive(Args, Debug)]
pub struct Run {
    /// The directory with the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    pub config: PathBuf,
}

/// Runs until SIGTERM or SIGINT; SIGHUP reloads.
///
/// # Errors
/// See [`daemon::run`].
pub fn run(arguments: Run) -> anyhow::Result<()> {
    daemon::run(&daemon::Options { config: arguments.config })
}
