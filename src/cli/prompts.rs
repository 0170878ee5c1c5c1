//! `ringdesk prompts`: which prompts there are, and how they sound.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::ConfigDirectory;
use crate::config::{self, Loaded};
use crate::media::g711::SAMPLE_RATE;
use crate::media::level::{peak_dbfs, rms_dbfs};
use crate::media::prompt::{Decoded, SHIPPED, decode, read, store};

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
        Action::List { directory } => {
            let prompts = config::prompt_directory(&directory.config)?;
            list(&directory.load()?, &prompts, &mut out)?;
        }
        Action::Add {
            file,
            name,
            replace,
            directory,
        } => {
            let prompts = config::prompt_directory(&directory.config)?;
            add(file, name.as_deref(), *replace, &prompts, &mut out)?;
        }
        Action::Show { name, directory } => {
            let prompts = config::prompt_directory(&directory.config)?;
            show(&directory.load()?, &prompts, name, &mut out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(loaded: &Loaded, directory: &Path, out: &mut impl Write) -> io::Result<()> {
    let files = files(loaded, directory);
    let width = files.keys().map(|name| name.len()).max().unwrap_or(0);
    for (name, file) in &files {
        write!(out, "{name:<width$}  ")?;
        match decoded(name, file.as_deref()) {
            Ok(decoded) => {
                let (seconds, level) = (seconds(&decoded), rms_dbfs(&decoded.samples));
                write!(out, "{seconds:>5.1} s  {level:>4.0} dBFS  ")?;
                write!(out, "{}", place(file.as_deref()))?;
            }
            Err(problem) => write!(out, "{problem:#}")?,
        }
        let unused = if loaded.snapshot.prompts.contains_key(name.as_str()) {
            ""
        } else {
            "  (in no rule)"
        };
        writeln!(out, "{unused}")?;
    }
    Ok(())
}

/// Each prompt by name, with its file: those of the configuration, those that come with the
/// program, and what else lies in the directory of prompts.
fn files(loaded: &Loaded, directory: &Path) -> BTreeMap<String, Option<PathBuf>> {
    let mut files: BTreeMap<String, Option<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_wav = path.extension().is_some_and(|extension| extension == "wav");
        if let (true, Some(name)) = (is_wav, path.file_stem().and_then(|stem| stem.to_str())) {
            files.insert(name.to_owned(), Some(path));
        }
    }
    for name in loaded.snapshot.prompts.keys() {
        files.insert(
            name.to_string(),
            loaded.snapshot.prompt_files.named.get(name).cloned(),
        );
    }
    files
}

fn place(file: Option<&Path>) -> String {
    match file {
        Some(file) => file.display().to_string(),
        None => "(comes with the program)".to_owned(),
    }
}

fn seconds(decoded: &Decoded) -> f64 {
    decoded.samples.len() as f64 / f64::from(SAMPLE_RATE)
}

fn show(loaded: &Loaded, directory: &Path, name: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let files = files(loaded, directory);
    let Some(file) = files.get(name) else {
        anyhow::bail!("there is no prompt \"{name}\". See: ringdesk prompts list");
    };
    let decoded = decoded(name, file.as_deref())
        .map_err(|problem| anyhow::anyhow!("prompt \"{name}\" {problem:#}"))?;
    writeln!(out, "file     {}", place(file.as_deref()))?;
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
    writeln!(out, "length   {:.1} s", seconds(decoded))?;
    writeln!(
        out,
        "level    {rms:.0} dBFS on average, {:.0} dBFS at its loudest{}",
        // Without a sign where it rounds to zero.
        peak_dbfs(&decoded.samples).round() + 0.0,
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
        Some(file) => decode(&read(file)?)?,
        None => {
            let shipped = SHIPPED.iter().find(|(known, _)| *known == name);
            let (_, wav) = shipped.context("it has no file")?;
            decode(wav)?
        }
    };
    Ok(decoded)
}

/// The rules and special days of channels that play a prompt.
fn users(loaded: &Loaded, prompt: &str) -> Vec<String> {
    let mut users = Vec::new();
    for channel in &loaded.snapshot.channels {
        let rules = [
            ("working_hours", Some(&channel.working_hours)),
            ("break", channel.break_.as_ref()),
            ("after_hours", channel.after_hours.as_ref()),
        ];
        for (name, rule) in rules {
            if rule
                .and_then(|rule| rule.voicemail())
                .is_some_and(|played| &**played == prompt)
            {
                users.push(format!("{} {name}", channel.name));
            }
        }
        for (day, played) in channel.call().iter().flat_map(|call| &call.special_prompts) {
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
    fn every_prompt_is_listed_used_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let (config, prompts) = (
            directory.path().join("config"),
            directory.path().join("prompts"),
        );
        std::fs::create_dir(&config).unwrap();
        std::fs::create_dir(&prompts).unwrap();
        let text = "[[channel]]\nname = \"a\"\nkind = \"call\"\nnumbers = [\"+4722334455\"]\n\
                    [channel.after_hours]\nvoicemail = \"closed\"\n";
        std::fs::write(config.join("a.toml"), text).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
        for name in ["closed.wav", "christmas.wav"] {
            std::fs::copy(shipped.join(name), prompts.join(name)).unwrap();
        }
        std::fs::write(prompts.join("broken.wav"), "RIFF").unwrap();
        let directory = ConfigDirectory { config };
        let loaded = directory.load().unwrap();
        let dir = config::prompt_directory(&directory.config).unwrap();
        let mut out = Vec::new();
        list(&loaded, &dir, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let text = text.replace(&dir.display().to_string(), "PROMPTS");
        insta::assert_snapshot!(text, @"
        accept           5.8 s   -26 dBFS  (comes with the program)
        after_hours     10.1 s   -25 dBFS  (comes with the program)
        break            9.9 s   -25 dBFS  (comes with the program)
        broken         is not a WAV file (it ends within its header); save it as WAV, 16 bit PCM  (in no rule)
        christmas       12.0 s   -25 dBFS  PROMPTS/christmas.wav  (in no rule)
        closed           7.9 s   -25 dBFS  PROMPTS/closed.wav
        hold            12.8 s   -22 dBFS  (comes with the program)
        working_hours   10.2 s   -24 dBFS  (comes with the program)
        ");

        let mut out = Vec::new();
        show(&loaded, &dir, "closed", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("used by  a after_hours\n"), "{text}");
        assert!(show(&loaded, &dir, "christmas", &mut io::sink()).is_ok());
        let error = show(&loaded, &dir, "easter", &mut io::sink()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no prompt \"easter\". See: ringdesk prompts list"
        );
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
