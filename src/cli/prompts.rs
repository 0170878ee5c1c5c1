//! `ringdesk prompts`: which prompts there are, and how they sound.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::ConfigDirectory;
use crate::config::{self, Loaded};
use crate::media::g711::{SAMPLE_RATE, decode_pcmu};
use crate::media::level::{peak_dbfs, rms_dbfs};
use crate::media::prompt::{Decoded, SHIPPED, decode, store};

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
    /// Each prompt, how long it plays, how loud it is on average, and where it is.
    List {
        #[command(flatten)]
        directory: ConfigDirectory,
    },
    /// Checks a WAV file and puts it into the directory of prompts.
    Add {
        /// The file.
        file: PathBuf,
        /// The prompt's name; without it, that of the file.
        #[arg(long)]
        name: Option<String>,
        /// Puts it in the place of a prompt that has this name already.
        #[arg(long)]
        replace: bool,
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

/// Lists the prompts, shows one, or adds one.
///
/// # Errors
/// The configuration cannot be used, there is no such prompt, or a file cannot be one.
pub fn run(arguments: &Prompts) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match &arguments.action {
        Action::List { directory } => list(&directory.load()?, &mut out)?,
        Action::Add {
            file,
            name,
            replace,
            directory,
        } => {
            let prompts = config::prompt_directory(&directory.config)?;
            add(file, name.as_deref(), *replace, &prompts, &mut out)?;
        }
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
        let samples: Vec<i16> = audio.pcmu.iter().map(|&octet| decode_pcmu(octet)).collect();
        let level = rms_dbfs(&samples);
        writeln!(
            out,
            "{name:<width$}  {seconds:>5.1} s  {level:>4.0} dBFS  {place}"
        )?;
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
    writeln!(out, "file     {}", place(loaded, name))?;
    describe(&decoded, out)?;
    for user in users(loaded, name) {
        writeln!(out, "used by  {user}")?;
    }
    Ok(())
}

/// Format, length, level and clipping, a line each.
fn describe(decoded: &Decoded, out: &mut impl Write) -> io::Result<()> {
    let source = decoded.source;
    let sample = if source.is_float { "float" } else { "bit" };
    let channels = match source.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        number => format!("{number} channels"),
    };
    let rms = rms_dbfs(&decoded.samples);
    writeln!(
        out,
        "format   {} Hz, {} {sample}, {channels}",
        source.sample_rate, source.bits
    )?;
    writeln!(
        out,
        "length   {:.1} s",
        decoded.samples.len() as f64 / f64::from(SAMPLE_RATE)
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
    Ok(())
}

fn add(
    file: &Path,
    name: Option<&str>,
    replace: bool,
    directory: &Path,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let name = name.or(stem).unwrap_or_default();
    let (path, decoded) = store(file, directory, name, replace)
        .map_err(|problem| anyhow::anyhow!("{} {problem}", file.display()))?;
    writeln!(out, "stored   {}", path.display())?;
    describe(&decoded, out)?;
    writeln!(
        out,
        "Name it in a rule, voicemail = \"{name}\", and reload (SIGHUP): calls from then on hear it."
    )?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_added_and_described() {
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/hold.wav");
        let mut out = Vec::new();
        add(&source, None, false, directory.path(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let text = text.replace(&directory.path().display().to_string(), "PROMPTS");
        insta::assert_snapshot!(text, @r#"
        stored   PROMPTS/hold.wav
        format   8000 Hz, 16 bit, mono
        length   12.8 s
        level    -22 dBFS on average, -14 dBFS at its loudest
        clipped  no
        Name it in a rule, voicemail = "hold", and reload (SIGHUP): calls from then on hear it.
        "#);
    }

    #[test]
    fn a_file_that_is_no_prompt_is_named_with_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let mp3 = directory.path().join("greeting.mp3");
        std::fs::write(&mp3, [b'I'; 100]).unwrap();
        let error = add(
            &mp3,
            Some("greeting"),
            false,
            directory.path(),
            &mut io::sink(),
        );
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{} is not a WAV file (no RIFF tag found); save it as WAV, 16 bit PCM",
                mp3.display()
            )
        );
    }
}
