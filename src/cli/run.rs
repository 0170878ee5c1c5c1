//! `ringdesk run`: the daemon in the foreground.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::ConfigDirectory;
use crate::daemon;

/// Run the daemon in the foreground; logs go to stderr. SIGHUP reloads the configuration, SIGTERM
/// ends it once its calls have ended.
#[derive(Args, Debug)]
pub struct Run {
    #[command(flatten)]
    config: ConfigDirectory,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// See [`daemon::run`].
pub fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env("RINGDESK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    daemon::run(&daemon::Options {
        config: arguments.config.config.clone(),
    })?;
    Ok(ExitCode::SUCCESS)
}
