//! `ringdesk check`: everything that is wrong with the configuration, before a reload meets it.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::ConfigDirectory;
use super::network::{self, Finding};
use crate::config::{Diagnostic, Loaded};
use crate::core::snapshot::{Kind, Snapshot};
use crate::daemon;

/// Checks the configuration and its expectations; exit code 1 with every error.
#[derive(Args, Debug)]
pub struct Check {
    #[command(flatten)]
    directory: ConfigDirectory,
    /// Look at the network too: can the ports be bound, is the address that carriers are told a
    /// private one, do the trunks answer OPTIONS.
    #[arg(long)]
    network: bool,
}

/// Prints every error and warning, and how much there is of everything.
///
/// # Errors
/// Nothing can be written.
pub fn run(arguments: &Check) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match daemon::load(&arguments.directory.config, 1) {
        Ok(loaded) => {
            print_warnings(&loaded.warnings, &mut out)?;
            writeln!(out, "{}", summary(&loaded))?;
            if arguments.network {
                return print_network(&network::look(&loaded.snapshot), &mut out);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(diagnostics) => {
            writeln!(out, "{diagnostics}")?;
            print_warnings(&diagnostics.warnings, &mut out)?;
            let errors = count(diagnostics.errors.len(), "error");
            writeln!(out, "{errors}: this configuration would not be used.")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn print_network(findings: &[Finding], out: &mut impl Write) -> anyhow::Result<ExitCode> {
    for finding in findings {
        match finding {
            Finding::Good(text) => writeln!(out, "ok: {text}")?,
            Finding::Doubtful(text) => writeln!(out, "warning: {text}")?,
            Finding::Bad(text) => writeln!(out, "error: {text}")?,
        }
    }
    let is_bad = findings.iter().any(|it| matches!(it, Finding::Bad(_)));
    Ok(if is_bad {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print_warnings(warnings: &[Diagnostic], out: &mut impl Write) -> io::Result<()> {
    for warning in warnings {
        match &warning.place {
            Some(place) => writeln!(out, "{place} warning: {}", warning.message)?,
            None => writeln!(out, "warning: {}", warning.message)?,
        }
    }
    Ok(())
}

fn summary(loaded: &Loaded) -> String {
    let snapshot = &loaded.snapshot;
    let things = [
        format!(
            "{}{}",
            count(snapshot.channels.len(), "channel"),
            kinds(snapshot)
        ),
        count(snapshot.numbers.len(), "number"),
        count(snapshot.trunks.len(), "trunk"),
        count(snapshot.users.len(), "user"),
        count(snapshot.teams.len(), "team"),
        count(snapshot.schedules.len(), "schedule"),
        count(snapshot.prompts.len(), "prompt"),
        count(snapshot.expectations.len(), "expectation"),
    ];
    let warnings = match loaded.warnings.len() {
        0 => String::new(),
        number => format!("; {}", count(number, "warning")),
    };
    format!("ok: {}{warnings}", things.join(", "))
}

/// ` (2 call, 1 email)`; nothing where there are only calls.
fn kinds(snapshot: &Snapshot) -> String {
    let of_kind = |kind| {
        let channels = snapshot.channels.iter();
        channels.filter(|channel| channel.kind() == kind).count()
    };
    if of_kind(Kind::Call) == snapshot.channels.len() {
        return String::new();
    }
    let kinds: Vec<String> = Kind::ALL
        .into_iter()
        .map(|kind| (of_kind(kind), kind))
        .filter(|(number, _)| *number > 0)
        .map(|(number, kind)| format!("{number} {kind}"))
        .collect();
    format!(" ({})", kinds.join(", "))
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
