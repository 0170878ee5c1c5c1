//! `ringdesk tail`: decisions and refused requests as they happen.

use std::io::{self, Write};
use std::process::ExitCode;

use chrono::SecondsFormat;
use clap::Args;

use super::{ConfigDirectory, plain};
use crate::control::{self, Told};
use crate::daemon;

/// Shows what happens, a line each: decisions, refused requests, registrations. Ends with the daemon.
#[derive(Args, Debug)]
pub struct Tail {
    #[command(flatten)]
    directory: ConfigDirectory,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Prints lines until the daemon ends, or whoever reads does.
///
/// # Errors
/// No daemon runs, or it does not answer.
pub fn run(arguments: &Tail) -> anyhow::Result<ExitCode> {
    let store = arguments.directory.store()?;
    let mut out = io::stdout().lock();
    for told in control::tail(&daemon::data_directory(&store))? {
        let told = told?;
        let line = if arguments.json {
            serde_json::to_string(&told)?
        } else {
            line(&told)
        };
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    eprintln!("the daemon has stopped");
    Ok(ExitCode::SUCCESS)
}

fn line(told: &Told) -> String {
    let at = told.at.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true);
    let warning = if told.warning { "warning: " } else { "" };
    format!("{at} {warning}{}", plain(&told.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Wall;

    #[test]
    fn a_line_stays_a_line_whatever_a_caller_sent() {
        let told = Told {
            at: Wall::from_seconds(1_796_204_400),
            warning: true,
            text: "no \u{1b}[31mred\nline".to_owned(),
        };
        assert_eq!(
            line(&told),
            "2026-12-02T09:40:00Z warning: no \\u{1b}[31mred\\nline"
        );
    }
}
