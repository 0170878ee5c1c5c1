//! `ringdesk prompts`: which prompts there are, how they sound, and who plays them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{ConfigDirectory, plain};
use crate::config;
use crate::media::command::Codec;
use crate::media::prompt::upload::{self, MOST_UPLOADED};
use crate::media::prompt::{Existing, Library, LibraryError, Prompt, PromptSource, Report};

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
        output: Output,
        #[command(flatten)]
        directory: ConfigDirectory,
    },
    /// Checks a WAV, MP3, FLAC or Ogg Vorbis file and puts it into the directory of prompts.
    Add {
        /// The file: up to 10 MB and 5 minutes.
        file: PathBuf,
        /// The prompt's name; without it, that of the file.
        #[arg(long)]
        name: Option<String>,
        /// Puts it in the place of a prompt that has this name already.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        directory: ConfigDirectory,
    },
    /// One prompt: its file, format, length and level, and who uses it.
    Show {
        /// The prompt's name.
        name: String,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        directory: ConfigDirectory,
    },
    /// Writes a WAV file of what callers will hear, through the telephone's codec.
    Preview {
        /// The prompt's name.
        name: String,
        /// The file to write.
        #[arg(long, value_name = "WAV")]
        save: PathBuf,
        /// The law of G.711 that the carrier uses: A-law in most of the world, µ-law in North America
        /// and Japan.
        #[arg(long, value_enum, default_value_t = Law::A)]
        law: Law,
        #[command(flatten)]
        directory: ConfigDirectory,
    },
    /// Takes a prompt that nothing uses out of the directory of prompts, with its original.
    Delete {
        /// The prompt's name.
        name: String,
        #[command(flatten)]
        directory: ConfigDirectory,
    },
}

/// How a command answers.
#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Law {
    A,
    Mu,
}

/// Lists the prompts, or does what was asked with one.
///
/// # Errors
/// The configuration cannot be used, there is no such prompt, or a file cannot be one.
pub fn run(arguments: &Prompts) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match &arguments.action {
        Action::List { output, directory } => {
            let loaded = directory.load()?;
            let prompts = Library::open(&loaded.snapshot).list();
            if output.json {
                json(&prompts, &mut out)?;
            } else {
                list(&prompts, &mut out)?;
            }
        }
        Action::Add {
            file,
            name,
            replace,
            output,
            directory,
        } => {
            let adding = Adding {
                file,
                name: name.as_deref(),
                existing: if *replace {
                    Existing::Replace
                } else {
                    Existing::Keep
                },
            };
            add(&adding, directory, *output, &mut out)?;
        }
        Action::Show {
            name,
            output,
            directory,
        } => {
            let loaded = directory.load()?;
            let prompt = Library::open(&loaded.snapshot).show(name)?;
            if output.json {
                json(&prompt, &mut out)?;
            } else {
                show(&prompt, &mut out)?;
            }
        }
        Action::Preview {
            name,
            save,
            law,
            directory,
        } => {
            let loaded = directory.load()?;
            let codec = match law {
                Law::A => Codec::Pcma,
                Law::Mu => Codec::Pcmu,
            };
            let wav = Library::open(&loaded.snapshot).preview(name, codec)?;
            fs::write(save, wav)
                .with_context(|| format!("{} cannot be written", save.display()))?;
            writeln!(out, "written  {}", save.display())?;
        }
        Action::Delete { name, directory } => {
            let loaded = directory.load()?;
            Library::open(&loaded.snapshot).delete(name)?;
            writeln!(out, "deleted  {name}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json(value: &impl Serialize, out: &mut impl Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

fn list(prompts: &[Prompt], out: &mut impl Write) -> io::Result<()> {
    let width = prompts.iter().map(|prompt| prompt.name.len()).max();
    let width = width.unwrap_or(0);
    for prompt in prompts {
        write!(out, "{:<width$}  ", plain(&prompt.name))?;
        match &prompt.report {
            Some(report) => {
                let level = report
                    .loudness_dbfs
                    .map_or_else(|| "silent".to_owned(), |level| format!("{level:.0} dBFS"));
                write!(
                    out,
                    "{:>5.1} s  {level:>9}  {}",
                    report.seconds,
                    place(prompt)
                )?;
                let warnings = match report.warnings.len() {
                    0 => String::new(),
                    1 => "  (1 warning)".to_owned(),
                    number => format!("  ({number} warnings)"),
                };
                write!(out, "{warnings}")?;
            }
            None => write!(out, "{}", prompt.problem.as_deref().unwrap_or_default())?,
        }
        let is_unused = prompt.used_by.is_empty() && prompt.source != PromptSource::Program;
        writeln!(out, "{}", if is_unused { "  (in no rule)" } else { "" })?;
    }
    Ok(())
}

fn place(prompt: &Prompt) -> String {
    match &prompt.file {
        Some(file) => file.display().to_string(),
        None => "(comes with the program)".to_owned(),
    }
}

fn show(prompt: &Prompt, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "file     {}", place(prompt))?;
    if let Some(original) = &prompt.original {
        writeln!(out, "made of  {}", plain(original))?;
    }
    match (&prompt.report, &prompt.problem) {
        (Some(report), _) => describe(report, out)?,
        (None, Some(problem)) => anyhow::bail!("prompt \"{}\" {problem}", prompt.name),
        (None, None) => {}
    }
    for user in &prompt.used_by {
        writeln!(out, "used by  {user}")?;
    }
    Ok(())
}

/// Format, length, level and silence, a line each; then what should be better.
fn describe(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let channels = match report.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        number => format!("{number} channels"),
    };
    let bits = report.bits.map(|bits| format!("{bits} bit, "));
    writeln!(
        out,
        "format   {}, {} Hz, {}{channels}",
        report.format.words(),
        report.sample_rate,
        bits.unwrap_or_default()
    )?;
    writeln!(out, "length   {:.1} s", report.seconds)?;
    match (report.loudness_dbfs, report.peak_dbfs) {
        (Some(level), Some(peak)) => writeln!(
            out,
            "level    {level:.0} dBFS on average, {:.0} dBFS at its loudest",
            // Without a sign where it rounds to zero.
            peak.round() + 0.0
        )?,
        _ => writeln!(out, "level    silent")?,
    }
    writeln!(
        out,
        "silence  {:.1} s at the start, {:.1} s at the end",
        report.silence_at_start, report.silence_at_end
    )?;
    match report.clipped_samples {
        0 => writeln!(out, "clipped  no")?,
        samples => writeln!(
            out,
            "clipped  {samples} samples, {:.1} % of all",
            report.clipped_share * 100.0
        )?,
    }
    for warning in &report.warnings {
        writeln!(out, "warning  {warning}")?;
    }
    Ok(())
}

struct Adding<'a> {
    file: &'a Path,
    name: Option<&'a str>,
    existing: Existing,
}

fn add(
    adding: &Adding<'_>,
    directory: &ConfigDirectory,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let file = adding.file;
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let name = adding.name.or(stem).unwrap_or_default();
    let octets = read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let file_name = file.file_name().unwrap_or_default().to_string_lossy();
    let checked = upload::check(octets.into(), &file_name)
        .map_err(|problem| anyhow::anyhow!("{} {problem}", file.display()))?;
    // A prompt may be what the configuration is waiting for.
    let loaded = directory.load().ok();
    let library = match &loaded {
        Some(loaded) => Library::open(&loaded.snapshot),
        None => Library::of_directory(config::prompt_directory(&directory.config)?),
    };
    let prompt = match library.add(name, &checked, adding.existing) {
        Err(error @ LibraryError::Exists(_)) => anyhow::bail!("{error} (--replace)"),
        added => added?,
    };
    if output.json {
        return json(&prompt, out);
    }
    writeln!(out, "stored   {}", place(&prompt))?;
    describe(&checked.report, out)?;
    if prompt.used_by.is_empty() {
        write!(out, "Name it in a rule, voicemail = \"{name}\", and reload")?;
    } else {
        write!(out, "Used by {}. Reload", prompt.used_by.join("; "))?;
    }
    writeln!(out, " (SIGHUP): calls from then on hear it.")?;
    Ok(())
}

/// No more than can be an upload, and one octet to see that it is more.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let most = MOST_UPLOADED as u64 + 1;
    File::open(file)?.take(most).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Loaded;

    /// A directory with a configuration and these shipped prompts, and the names of its parts.
    fn house(prompts: &[&str]) -> (tempfile::TempDir, ConfigDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config");
        let dir = directory.path().join("prompts");
        fs::create_dir(&config).unwrap();
        fs::create_dir(&dir).unwrap();
        let text = "[[channel]]\nname = \"a\"\nkind = \"call\"\nnumbers = [\"+4722334455\"]\n\
                    [channel.after_hours]\nvoicemail = \"closed\"\n";
        fs::write(config.join("a.toml"), text).unwrap();
        for name in prompts {
            fs::copy(shipped(name), dir.join(name)).unwrap();
        }
        (directory, ConfigDirectory { config })
    }

    fn shipped(name: &str) -> PathBuf {
        let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
        prompts.join(name)
    }

    fn text(out: Vec<u8>, loaded: &Loaded) -> String {
        let directory = loaded.snapshot.prompt_files.directory.display().to_string();
        String::from_utf8(out)
            .unwrap()
            .replace(&directory, "PROMPTS")
    }

    fn adding<'a>(file: &'a Path, name: Option<&'a str>) -> Adding<'a> {
        let existing = Existing::Keep;
        Adding {
            file,
            name,
            existing,
        }
    }

    const PLAIN: Output = Output { json: false };

    #[test]
    fn a_prompt_is_added_and_described() {
        let (_directory, config) = house(&["closed.wav"]);
        let loaded = config.load().unwrap();
        let source = shipped("hold.wav");
        let mut out = Vec::new();
        add(&adding(&source, None), &config, PLAIN, &mut out).unwrap();
        insta::assert_snapshot!(text(out, &loaded), @r#"
        stored   PROMPTS/hold.wav
        format   WAV, 8000 Hz, 16 bit, mono
        length   12.8 s
        level    -22 dBFS on average, -14 dBFS at its loudest
        silence  0.0 s at the start, 0.0 s at the end
        clipped  no
        Name it in a rule, voicemail = "hold", and reload (SIGHUP): calls from then on hear it.
        "#);

        let (mut shown, mut listed) = (Vec::new(), Vec::new());
        let library = Library::open(&loaded.snapshot);
        show(&library.show("hold").unwrap(), &mut shown).unwrap();
        json(&library.show("hold").unwrap(), &mut listed).unwrap();
        insta::assert_snapshot!(text(shown, &loaded), @r"
        file     PROMPTS/hold.wav
        made of  hold.wav
        format   WAV, 8000 Hz, 16 bit, mono
        length   12.8 s
        level    -22 dBFS on average, -14 dBFS at its loudest
        silence  0.0 s at the start, 0.0 s at the end
        clipped  no
        ");
        insta::assert_snapshot!(text(listed, &loaded), @r#"
        {
          "name": "hold",
          "source": "directory",
          "original": "hold.wav",
          "report": {
            "format": "wav",
            "sample_rate": 8000,
            "channels": 1,
            "bits": 16,
            "seconds": 12.8,
            "loudness_dbfs": -22.4,
            "peak_dbfs": -14.0,
            "clipped_samples": 0,
            "clipped_share": 0.0,
            "silence_at_start": 0.0,
            "silence_at_end": 0.0,
            "warnings": []
          },
          "problem": null,
          "used_by": []
        }
        "#);
    }

    #[test]
    fn a_prompt_that_the_configuration_waits_for_can_be_added() {
        let (_directory, config) = house(&[]);
        assert!(config.load().is_err());
        let source = shipped("closed.wav");
        add(&adding(&source, None), &config, PLAIN, &mut io::sink()).unwrap();
        let loaded = config.load().unwrap();
        let again = add(&adding(&source, None), &config, PLAIN, &mut io::sink());
        insta::assert_snapshot!(again.unwrap_err(), @r#"There is a prompt "closed" already. Choose another name, or replace it. (--replace)"#);
        let replacing = Adding {
            existing: Existing::Replace,
            ..adding(&source, None)
        };
        let mut out = Vec::new();
        add(&replacing, &config, PLAIN, &mut out).unwrap();
        let last = text(out, &loaded);
        insta::assert_snapshot!(last.lines().last().unwrap(), @r#"Used by channel "a", after_hours. Reload (SIGHUP): calls from then on hear it."#);
    }

    #[test]
    fn whatever_plays_a_prompt_keeps_it_from_being_deleted() {
        let (directory, config) = house(&["closed.wav", "christmas.wav", "hold.wav"]);
        let prompts = directory.path().join("prompts");
        for name in ["eve", "declared", "free"] {
            fs::copy(shipped("closed.wav"), prompts.join(format!("{name}.wav"))).unwrap();
        }
        let more = r#"
            [[schedule]]
            name = "oslo"
            timezone = "Europe/Oslo"
            weekly = { mon-fri = ["08:00-16:00"] }
            special = [{ yearly = "12-24", name = "Christmas Eve", hours = [], prompt = "eve" }]
            [[channel]]
            name = "b"
            kind = "call"
            numbers = ["+4722334456"]
            schedule = "oslo"
            [channel.working_hours]
            voicemail = "closed"
            [channel.break]
            voicemail = "closed"
            [channel.special_prompts]
            "Christmas Eve" = "christmas"
            [[prompt]]
            name = "declared"
            [[expect]]
            at = "2026-12-24T12:30"
            channel = "b"
            voicemail = "christmas"
        "#;
        fs::write(config.config.join("b.toml"), more).unwrap();
        let loaded = config.load().unwrap();
        let library = Library::open(&loaded.snapshot);
        let uses = ["closed", "christmas", "eve", "declared", "hold", "free"]
            .map(|name| format!("{name}: {}", library.show(name).unwrap().used_by.join("; ")));
        insta::assert_snapshot!(uses.join("\n"), @r#"
        closed: channel "a", after_hours; channel "b", working_hours; channel "b", break
        christmas: channel "b", on "Christmas Eve"; the expectation in b.toml:20:13
        eve: schedule "oslo", special day "Christmas Eve"
        declared: [[prompt]] "declared"
        hold: 
        free:
        "#);
        for name in ["closed", "christmas", "eve", "declared"] {
            assert_eq!(library.delete(name).unwrap_err().code(), "in-use", "{name}");
            assert!(prompts.join(format!("{name}.wav")).is_file());
        }
        library.delete("free").unwrap();
        assert!(!prompts.join("free.wav").exists());
        config.load().unwrap();
    }

    #[test]
    fn every_prompt_is_listed_used_or_not() {
        let (directory, config) = house(&["closed.wav", "christmas.wav"]);
        let prompts = directory.path().join("prompts");
        fs::write(prompts.join("broken.wav"), "RIFF").unwrap();
        let loaded = config.load().unwrap();
        let library = Library::open(&loaded.snapshot);
        let mut out = Vec::new();
        list(&library.list(), &mut out).unwrap();
        insta::assert_snapshot!(text(out, &loaded), @r"
        accept           5.8 s   -25 dBFS  (comes with the program)
        after_hours     10.1 s   -24 dBFS  (comes with the program)
        break            9.9 s   -24 dBFS  (comes with the program)
        broken         is not a WAV file (it ends within its header); save it as WAV, 16 bit PCM  (in no rule)
        christmas       12.0 s   -24 dBFS  PROMPTS/christmas.wav  (in no rule)
        closed           7.9 s   -24 dBFS  PROMPTS/closed.wav
        hold            12.8 s   -22 dBFS  (comes with the program)
        working_hours   10.2 s   -24 dBFS  (comes with the program)
        ");

        let mut out = Vec::new();
        show(&library.show("closed").unwrap(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with("used by  channel \"a\", after_hours\n"),
            "{text}"
        );
        let broken = show(&library.show("broken").unwrap(), &mut io::sink());
        assert_eq!(
            broken.unwrap_err().to_string(),
            "prompt \"broken\" is not a WAV file (it ends within its header); save it as WAV, 16 bit PCM"
        );
    }

    #[test]
    fn a_file_that_is_no_prompt_is_named_with_what_is_wrong() {
        let (directory, config) = house(&["closed.wav"]);
        let m4a = directory.path().join("greeting.m4a");
        fs::write(&m4a, b"\0\0\0\x20ftypM4A ").unwrap();
        let error = add(&adding(&m4a, None), &config, PLAIN, &mut io::sink()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} is an MP4 or M4A file (AAC audio); save it as WAV, MP3, FLAC or Ogg Vorbis",
                m4a.display()
            )
        );
        let nowhere = Path::new("/nowhere/greeting.mp3");
        let error = add(&adding(nowhere, None), &config, PLAIN, &mut io::sink()).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "/nowhere/greeting.mp3 cannot be read: No such file or directory (os error 2)"
        );
    }
}
