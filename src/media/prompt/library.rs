//! The directory of prompts: what callers hear as `NAME.wav` (8 kHz, mono, 16 bit), and in
//! `originals/` what was sent, with what was found out about it.
//!
//! Whoever reads the directory meanwhile finds the whole old prompt or the whole new one. What stands
//! beside a prompt is believed only while it belongs to it: it names the SHA-256 of `NAME.wav`.

mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::core::hex::hex;
use crate::core::prompt::PromptFiles;
use crate::core::snapshot::Snapshot;
use crate::media::command::Codec;

pub use error::LibraryError;

use super::kind::AudioFormat;
use super::report::{Report, Source};
use super::upload::{Checked, preview};
use super::{Decoded, PromptError, SHIPPED, decode, read, usage, wav};

/// The most characters of a prompt's name.
pub const MOST_NAME_CHARS: usize = 64;

/// The most prompts that the directory may hold: all that are used stay in memory, and a list of more
/// is of no use.
pub const MOST_PROMPTS: usize = 1_000;

/// Where originals are kept, inside the directory of prompts.
const ORIGINALS: &str = "originals";

/// One change at a time: a prompt is three files.
static CHANGING: Mutex<()> = Mutex::new(());

/// What to do with a prompt that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// Where a prompt comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptSource {
    /// A file of the directory of prompts.
    Directory,
    /// A file that a `[[prompt]]` of the configuration names.
    Configuration,
    /// It comes with the program.
    Program,
}

/// A prompt as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Prompt {
    /// Its name, which rules use.
    pub name: String,
    /// Where it comes from.
    pub source: PromptSource,
    /// The name of the file that was uploaded, where one was.
    pub original: Option<String>,
    /// How it sounds; nothing where its file cannot be played.
    pub report: Option<Report>,
    /// Why its file cannot be played.
    pub problem: Option<String>,
    /// What plays it, in words.
    pub used_by: Vec<String>,
    /// Its file, for people at the machine.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// What is kept beside a prompt: `originals/NAME.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
    /// Of `NAME.wav`, in hexadecimal.
    sha256: String,
    /// As it was sent with.
    file_name: String,
    report: Report,
}

/// The prompts of one snapshot and what lies in its directory of prompts. Cheap to make, for each
/// question anew.
///
/// All of this reads and writes files; asynchronous code calls it on a thread for blocking work. What
/// was added, replaced or deleted is in force for calls that begin after the next reload; calls that
/// are playing a prompt hold its audio in memory.
#[derive(Clone, Debug)]
pub struct Library<'a> {
    files: PromptFiles,
    snapshot: Option<&'a Snapshot>,
}

impl<'a> Library<'a> {
    /// The prompts of `snapshot`, the configuration that is in force.
    pub fn open(snapshot: &'a Snapshot) -> Library<'a> {
        Library {
            files: snapshot.prompt_files.clone(),
            snapshot: Some(snapshot),
        }
    }

    /// The prompts of a directory whose configuration cannot be used yet, perhaps because a prompt is
    /// missing. Who uses them is not known, so none can be deleted.
    pub fn of_directory(directory: PathBuf) -> Library<'static> {
        let named = BTreeMap::new();
        Library {
            files: PromptFiles { directory, named },
            snapshot: None,
        }
    }

    /// Stores a file that was checked as the prompt `name`, with its original. A rule can name it at
    /// once; it takes the place of one that comes with the program.
    ///
    /// # Errors
    /// The name cannot be used, is taken, or the disk refuses.
    pub fn add(
        &self,
        name: &str,
        checked: &Checked,
        existing: Existing,
    ) -> Result<Prompt, LibraryError> {
        check_name(name)?;
        let path = self.path(name);
        if let Some(file) = self.configured_elsewhere(name) {
            return Err(LibraryError::ConfiguredElsewhere {
                name: name.to_owned(),
                file: file.to_owned(),
            });
        }
        let _one = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !path.exists();
        if !is_new && existing == Existing::Keep {
            return Err(LibraryError::Exists(name.to_owned()));
        }
        if is_new && self.in_directory().len() >= MOST_PROMPTS {
            return Err(LibraryError::TooMany);
        }
        let wav = wav::write(checked.samples.iter().copied());
        let beside = Beside {
            sha256: fingerprint(&wav),
            file_name: checked.file_name.clone(),
            report: checked.report.clone(),
        };
        let told = serde_json::to_vec_pretty(&beside).unwrap_or_default();
        // In this order, what stands beside a prompt never speaks of another.
        self.write(&self.beside(name), &told)?;
        self.write(
            &self.original_path(name, checked.report.format),
            &checked.original,
        )?;
        self.write(&path, &wav)?;
        self.forget_originals(name, Some(checked.report.format));
        Ok(self.describe(name, Some(&path)))
    }

    /// Removes the prompt `name` and its original.
    ///
    /// # Errors
    /// Something of the snapshot plays it, it is none of the directory's, or the disk refuses.
    pub fn delete(&self, name: &str) -> Result<(), LibraryError> {
        check_name(name)?;
        let path = self.path(name);
        if let Some(file) = self.configured_elsewhere(name) {
            return Err(LibraryError::Configured {
                name: name.to_owned(),
                file: file.to_owned(),
            });
        }
        let _one = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        if !path.is_file() {
            let is_shipped = SHIPPED.iter().any(|(shipped, _)| *shipped == name);
            return Err(match is_shipped {
                true => LibraryError::ComesAlong(name.to_owned()),
                false => LibraryError::Unknown(name.to_owned()),
            });
        }
        let by = self.uses(name);
        if !by.is_empty() {
            let name = name.to_owned();
            return Err(LibraryError::InUse { name, by });
        }
        let remove = |path: &Path| match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                let path = path.to_owned();
                Err(LibraryError::Unwritable { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        };
        remove(&path)?;
        remove(&self.beside(name))?;
        self.forget_originals(name, None);
        Ok(())
    }

    /// Every prompt by name: those that the snapshot uses, those that come with the program, and what
    /// else lies in the directory.
    pub fn list(&self) -> Vec<Prompt> {
        let mut names = self.in_directory();
        names.extend(SHIPPED.iter().map(|(name, _)| (*name).to_owned()));
        let named = &self.files.named;
        names.extend(named.keys().map(|name| name.to_string()));
        names
            .iter()
            .map(|name| self.describe(name, self.file_of(name).as_deref()))
            .collect()
    }

    /// One prompt.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn show(&self, name: &str) -> Result<Prompt, LibraryError> {
        if self.source_of(name).is_none() {
            return Err(LibraryError::Unknown(name.to_owned()));
        }
        Ok(self.describe(name, self.file_of(name).as_deref()))
    }

    /// The prompt as a WAV file: 8 kHz, mono, 16 bit, before any codec.
    ///
    /// # Errors
    /// There is none of that name, or its file cannot be played.
    pub fn audio(&self, name: &str) -> Result<Vec<u8>, LibraryError> {
        let samples = self.samples(name)?;
        Ok(wav::write(samples.into_iter()))
    }

    /// The prompt as a WAV file of what callers hear: through the codec, 8 kHz, mono, 16 bit.
    ///
    /// # Errors
    /// There is none of that name, or its file cannot be played.
    pub fn preview(&self, name: &str, codec: Codec) -> Result<Vec<u8>, LibraryError> {
        Ok(preview(&self.samples(name)?, codec))
    }

    /// What was uploaded: its kind, the name that it had, its octets.
    ///
    /// # Errors
    /// There is no prompt of that name, it was not uploaded, or its original cannot be read.
    pub fn original(&self, name: &str) -> Result<(AudioFormat, String, Bytes), LibraryError> {
        let path = self.file_of(name);
        let (Some(path), true) = (path, self.source_of(name).is_some()) else {
            return Err(match self.source_of(name) {
                Some(_) => LibraryError::NoOriginal(name.to_owned()),
                None => LibraryError::Unknown(name.to_owned()),
            });
        };
        let none = || LibraryError::NoOriginal(name.to_owned());
        let wav = read(&path).map_err(|_| none())?;
        let beside = self.read_beside(name, &wav).ok_or_else(none)?;
        let format = beside.report.format;
        let octets = read(&self.original_path(name, format)).map_err(|_| none())?;
        Ok((format, beside.file_name, octets.into()))
    }

    fn samples(&self, name: &str) -> Result<Vec<i16>, LibraryError> {
        if self.source_of(name).is_none() {
            return Err(LibraryError::Unknown(name.to_owned()));
        }
        let octets = octets_of(name, self.file_of(name).as_deref());
        let decoded = octets.and_then(|octets| decode(&octets));
        decoded
            .map(|decoded| decoded.samples)
            .map_err(|problem| LibraryError::Unplayable {
                name: name.to_owned(),
                problem,
            })
    }

    fn describe(&self, name: &str, file: Option<&Path>) -> Prompt {
        let octets = octets_of(name, file);
        let beside = match &octets {
            Ok(octets) => self.read_beside(name, octets),
            Err(_) => None,
        };
        let (original, told) = match beside {
            Some(beside) => (Some(beside.file_name), Some(beside.report)),
            None => (None, None),
        };
        let report = match told {
            Some(report) => Ok(report),
            None => octets.and_then(|octets| Ok(measure(&decode(&octets)?))),
        };
        let (report, problem) = match report {
            Ok(report) => (Some(report), None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        Prompt {
            name: name.to_owned(),
            source: self.source_of(name).unwrap_or(PromptSource::Directory),
            original,
            report,
            problem,
            used_by: match self.snapshot {
                Some(_) => self.uses(name),
                None => Vec::new(),
            },
            file: file.map(Path::to_owned),
        }
    }

    fn uses(&self, name: &str) -> Vec<String> {
        let unknown = || vec!["a configuration that cannot be used".to_owned()];
        self.snapshot
            .map_or_else(unknown, |snapshot| usage::uses(snapshot, name))
    }

    fn source_of(&self, name: &str) -> Option<PromptSource> {
        if self.configured_elsewhere(name).is_some() {
            return Some(PromptSource::Configuration);
        }
        let is_named = self.files.named.contains_key(name);
        if is_named || (is_inside(name) && self.path(name).is_file()) {
            return Some(PromptSource::Directory);
        }
        let is_shipped = SHIPPED.iter().any(|(shipped, _)| *shipped == name);
        is_shipped.then_some(PromptSource::Program)
    }

    /// The file that callers would hear.
    fn file_of(&self, name: &str) -> Option<PathBuf> {
        match self.source_of(name)? {
            PromptSource::Configuration => self.configured_elsewhere(name).map(Path::to_owned),
            PromptSource::Directory => Some(self.path(name)),
            PromptSource::Program => None,
        }
    }

    /// The file of a `[[prompt]]` that is not the one of its name in the directory.
    fn configured_elsewhere(&self, name: &str) -> Option<&Path> {
        let file = self.files.named.get(name)?;
        (*file != self.path(name)).then_some(file.as_path())
    }

    fn directory(&self) -> &Path {
        &self.files.directory
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(format!("{name}.wav"))
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.directory()
            .join(ORIGINALS)
            .join(format!("{name}.json"))
    }

    fn original_path(&self, name: &str, format: AudioFormat) -> PathBuf {
        let file = format!("{name}.{}", format.extension());
        self.directory().join(ORIGINALS).join(file)
    }

    /// The names of the WAV files in the directory.
    fn in_directory(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.directory()).into_iter().flatten();
        entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .take(MOST_PROMPTS)
            .collect()
    }

    /// What stands beside the prompt with these octets.
    fn read_beside(&self, name: &str, wav: &[u8]) -> Option<Beside> {
        if check_name(name).is_err() || self.configured_elsewhere(name).is_some() {
            return None;
        }
        let told = read(&self.beside(name)).ok()?;
        let beside: Beside = serde_json::from_slice(&told).ok()?;
        (beside.sha256 == fingerprint(wav)).then_some(beside)
    }

    /// Originals in other formats than `kept`, which a prompt before this one left.
    fn forget_originals(&self, name: &str, kept: Option<AudioFormat>) {
        for format in AudioFormat::ALL {
            if Some(format) != kept {
                // One that stays does no harm: nothing speaks of it.
                let _ = fs::remove_file(self.original_path(name, format));
            }
        }
    }

    fn write(&self, path: &Path, octets: &[u8]) -> Result<(), LibraryError> {
        write(path, octets).map_err(|source| LibraryError::Unwritable {
            path: path.to_owned(),
            source,
        })
    }
}

/// Letters, digits, `-` and `_`: no name is a path, an option or a format.
fn check_name(name: &str) -> Result<(), LibraryError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_short = (1..=MOST_NAME_CHARS).contains(&name.len());
    if is_short && !name.starts_with('-') && name.chars().all(is_plain) {
        Ok(())
    } else {
        let shown = name.chars().take(MOST_NAME_CHARS).collect();
        Err(LibraryError::Name(shown))
    }
}

/// Names that people gave to files by hand may have more signs, but lead nowhere else.
fn is_inside(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\0'])
}

fn octets_of(name: &str, file: Option<&Path>) -> Result<Vec<u8>, PromptError> {
    match file {
        Some(file) => read(file),
        None => SHIPPED
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, wav)| wav.to_vec())
            .ok_or(PromptError::NotShipped),
    }
}

fn measure(decoded: &Decoded) -> Report {
    let source = Source {
        format: AudioFormat::Wav,
        sample_rate: decoded.source.sample_rate,
        channels: decoded.source.channels,
        bits: Some(decoded.source.bits),
        clipped: decoded.clipped,
    };
    Report::new(&decoded.samples, source)
}

fn fingerprint(wav: &[u8]) -> String {
    hex(&Sha256::digest(wav))
}

/// The whole file, on the disk, or none of it.
fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(directory)?.sync_all()
    };
    written().inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&new);
    })
}
