//! The commands. Each has a file with its arguments and what it does; this one names them all.

mod call;
mod check;
mod demo;
pub mod hours;
mod network;
mod prompts;
pub mod route;
mod run;
mod secret;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Loaded;
use crate::daemon;

/// Ringdesk answers the calls of a SIP trunk: business hours decide, users and teams ring, and
/// what nobody answers goes to voicemail.
#[derive(Debug, Parser)]
#[command(name = "ringdesk", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Call(call::Call),
    Check(check::Check),
    Demo(demo::Demo),
    Hours(hours::Hours),
    Prompts(prompts::Prompts),
    Route(route::Route),
    Secret(secret::Secret),
}

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub struct ConfigDirectory {
    /// The directory with the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    pub config: PathBuf,
}

impl ConfigDirectory {
    /// Reads the configuration, for commands that need one without mistakes in it.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        daemon::load(&self.config, 1).map_err(|diagnostics| {
            anyhow::anyhow!(
                "the configuration in {} cannot be used:\n{diagnostics}",
                self.config.display()
            )
        })
    }
}

/// Runs the command of the command line. What goes wrong is written to stderr.
pub fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Call(arguments) => call::run(&arguments),
        Command::Check(check) => check::run(&check),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Hours(hours) => hours::run(&hours),
        Command::Prompts(prompts) => prompts::run(&prompts),
        Command::Route(route) => route::run(&route),
        Command::Secret(secret) => secret::run(&secret),
    };
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringdesk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when whoever read our output has read enough, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
