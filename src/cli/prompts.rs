//! `ringdesk prompts`: which prompts there are, and how they sound.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::ConfigDirectory;
use crate::config::Loaded;
use crate::media::level::{peak_dbfs, rms_dbfs};
use crate::media::prompt::{Decoded, SHIPPED, decode};

/// Prompts quieter than this on average, in dBFS, are hard to hear on a phone.
const QUIET_DBFS: f64 = -35.0;

/// The prompts that callers hear.
#[derive(Args, Debug)]
pub struct Prompts {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Each prompt, how long it plays, and where it is.
    List {
        #[command(flatten)]
        directory: ConfigDirectory,
    },
    /// One prompt: its file, format, length and level, and who uses it.
    Show {
        /// The prompt's name.
        name: String,
        #[command(flatten)]
        directory: ConfigDirectory,
    },
}

/// Lists the prompts, or shows one.
///
/// # Errors
/// The configuration cannot be used, or there is no such prompt.
pub fn run(arguments: &Prompts) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match &arguments.action {
        Action::List { directory } => list(&directory.load()?, &mut out)?,
        Action::Show { name, directory } => show(&directory.load()?, name, &mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let prompts: BTreeMap<_, _> = loaded.snapshot.prompts.iter().collect();
    let width = prompts.keys().map(|name| name.len()).max().unwrap_or(0);
    for (name, audio) in prompts {
        let seconds = audio.duration().as_secs_f64();
        let place = place(loaded, name);
        writeln!(out, "{name:<width$}  {seconds:>5.1} s  {place}")?;
    }
    Ok(())
}

fn place(loaded: &Loaded, name: &str) -> String {
    match loaded.prompt_files.get(name) {
        Some(file) => file.display().to_string(),
        None => "(comes with the program)".to_owned(),
    }
}

fn show(loaded: &Loaded, name: &str, out: &mut impl Write) -> anyhow::Result<()> {
    if !loaded.snapshot.prompts.contains_key(name) {
        anyhow::bail!("there is no prompt \"{name}\". See: ringdesk prompts list");
    }
    let decoded = decoded(
        name,
        loaded.prompt_files.get(name).map(|file| file.as_path()),
    )?;
    let source = decoded.source;
    let sample = if source.is_float { "float" } else { "bit" };
    let channels = match source.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        number => format!("{number} channels"),
    };
    let rms = rms_dbfs(&decoded.samples);
    writeln!(out, "file     {}", place(loaded, name))?;
    writeln!(
        out,
        "format   {} Hz, {} {sample}, {channels}",
        source.sample_rate, source.bits
    )?;
    writeln!(
        out,
        "length   {:.1} s",
        decoded.samples.len() as f64 / 8000.0
    )?;
    writeln!(
        out,
        "level    {rms:.0} dBFS on average, {:.0} dBFS at its loudest{}",
        peak_dbfs(&decoded.samples),
        if rms < QUIET_DBFS {
            ": hard to hear"
        } else {
            ""
        }
    )?;
    match decoded.clipped {
        0 => writeln!(out, "clipped  no")?,
        frames => writeln!(
            out,
            "clipped  {frames} samples are at full scale: it may sound harsh"
        )?,
    }
    for user in users(loaded, name) {
        writeln!(out, "used by  {user}")?;
    }
    Ok(())
}

fn decoded(name: &str, file: Option<&Path>) -> anyhow::Result<Decoded> {
    let decoded = match file {
        Some(file) => {
            let opened = File::open(file).with_context(|| file.display().to_string())?;
            decode(BufReader::new(opened))
        }
        None => {
            let shipped = SHIPPED.iter().find(|(known, _)| *known == name);
            let (_, wav) = shipped.context("it has no file")?;
            decode(*wav)
        }
    };
    decoded.with_context(|| format!("prompt \"{name}\""))
}

/// The rules and special days of channels that play a prompt.
fn users(loaded: &Loaded, prompt: &str) -> Vec<String> {
    let mut users = Vec::new();
    for channel in &loaded.snapshot.channels {
        let rules = [
            ("working_hours", Some(&channel.working_hours)),
            ("break", channel.break_.as_ref()),
            ("after_hours", Some(&channel.after_hours)),
        ];
        for (name, rule) in rules {
            if rule.is_some_and(|rule| &*rule.voicemail == prompt) {
                users.push(format!("{} {name}", channel.name));
            }
        }
        for (day, played) in &channel.special_prompts {
            if &**played == prompt {
                users.push(format!("{} on \"{day}\"", channel.name));
            }
        }
    }
    users
}
