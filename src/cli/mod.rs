//! The commands. Each has a file with its arguments and what it does; this one names them all.

mod call;
mod check;
mod demo;
mod explain;
pub mod hours;
mod network;
mod password;
mod prompts;
pub mod route;
mod run;
mod secret;
mod status;
mod tail;
mod token;
mod voicemails;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Loaded};
use crate::core::routing::words;
use crate::core::snapshot::StoreSettings;
use crate::daemon;
use crate::store::Reader;

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
    Explain(explain::Explain),
    Hours(hours::Hours),
    Password(password::Password),
    Prompts(prompts::Prompts),
    Route(route::Route),
    Secret(secret::Secret),
    Status(status::StatusOf),
    Tail(tail::Tail),
    Token(token::Token),
    Voicemails(voicemails::Voicemails),
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

impl ConfigDirectory {
    /// Where the configuration keeps what has happened, whatever else is wrong with it.
    ///
    /// # Errors
    /// There is no configuration, or it cannot be read so far.
    pub fn store(&self) -> anyhow::Result<StoreSettings> {
        config::store_settings(&self.config).map_err(|diagnostics| {
            anyhow::anyhow!(
                "the configuration in {} cannot be used:\n{diagnostics}",
                self.config.display()
            )
        })
    }
}

/// Opens the database to read from it.
///
/// # Errors
/// There is none yet, or it cannot be read.
async fn reader(store: &StoreSettings) -> anyhow::Result<Reader> {
    let database = &store.database;
    anyhow::ensure!(
        database.exists(),
        "nothing is stored yet: there is no {}. `ringdesk run` makes it.",
        database.display()
    );
    Ok(Reader::open(database).await?)
}

/// Waits for what asks the database.
fn block_on<T>(asking: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(asking)
}

/// To the second where that matters: `65 s`, `12 min`.
fn length(span: Duration) -> String {
    if span < Duration::from_secs(600) {
        format!("{} s", span.as_secs())
    } else {
        words::span(span)
    }
}

/// One line without control characters, which a caller may have sent: they are written as `\u{1b}`.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Runs the command of the command line. What goes wrong is written to stderr.
pub fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Call(arguments) => call::run(&arguments),
        Command::Check(check) => check::run(&check),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Hours(hours) => hours::run(&hours),
        Command::Password(arguments) => password::run(&arguments),
        Command::Prompts(prompts) => prompts::run(&prompts),
        Command::Route(route) => route::run(&route),
        Command::Secret(secret) => secret::run(&secret),
        Command::Status(arguments) => status::run(&arguments),
        Command::Tail(arguments) => tail::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Voicemails(arguments) => voicemails::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringdesk: {}", words_of(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once.
fn words_of(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

/// True when whoever read our output has read enough, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
