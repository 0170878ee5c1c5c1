//! The directory of prompts: what callers hear as `NAME.wav` (8 kHz, mono, 16 bit), and in
//! `originals/` what was sent, with what was found out about it.
//!
//! Whoever reads the directory meanwhile finds the whole old prompt or the whole new one. What stands
//! beside a prompt is believed only while it belongs to it: it names the SHA-256 of `NAME.wav`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::core::prompt::PromptFiles;
use crate::core::snapshot::Snapshot;
use crate::media::command::Codec;

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

/// Why the library did not do as asked. Whole sentences, for people.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A name that no prompt can have.
    #[error(
        "A prompt cannot be named {0:?}: its name has letters a to z, digits, - and _, {MOST_NAME_CHARS} at most."
    )]
    Name(String),
    /// There is no such prompt.
    #[error("There is no prompt \"{0}\". See `ringdesk prompts list`.")]
    Unknown(String),
    /// There is one already.
    #[error("There is a prompt \"{0}\" already. Choose another name, or replace it.")]
    Exists(String),
    /// The configuration has another file for this name.
    #[error(
        "The configuration has a [[prompt]] \"{name}\" with the file {}, which is what callers would go on hearing. Take that entry out, or choose another name.",
        file.display()
    )]
    ConfiguredElsewhere {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Rules name it.
    #[error(
        "The prompt \"{name}\" is used by {}. Have that play another prompt and reload, then delete this one; or replace it.",
        by.join("; ")
    )]
    InUse {
        /// The name.
        name: String,
        /// What plays it, in words.
        by: Vec<String>,
    },
    /// Its file is not the directory's.
    #[error(
        "The prompt \"{name}\" is the file {}, which a [[prompt]] of the configuration names. Take that entry out and reload instead.",
        file.display()
    )]
    Configured {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// It is no file.
    #[error(
        "The prompt \"{0}\" comes with the program and cannot be deleted. Another can take its place: upload one with this name."
    )]
    ComesAlong(String),
    /// It was not uploaded.
    #[error("The prompt \"{0}\" was not uploaded here: there is no original of it.")]
    NoOriginal(String),
    /// Enough is enough.
    #[error("There are {MOST_PROMPTS} prompts already. Delete those that nothing uses.")]
    TooMany,
    /// Its file cannot be played.
    #[error("The prompt \"{name}\" cannot be played: its file {problem}.")]
    Unplayable {
        /// The name.
        name: String,
        /// What is wrong with its file.
        problem: PromptError,
    },
    /// The directory of prompts refused.
    #[error("{} cannot be written: {source}.", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl LibraryError {
    /// The HTTP status (RFC 9110 §15) of an answer that says so.
    pub fn status(&self) -> u16 {
        match self {
            LibraryError::Name(_) => 422,
            LibraryError::Unknown(_) | LibraryError::NoOriginal(_) => 404,
            LibraryError::Exists(_)
            | LibraryError::ConfiguredElsewhere { .. }
            | LibraryError::InUse { .. }
            | LibraryError::Configured { .. }
            | LibraryError::ComesAlong(_)
            | LibraryError::TooMany => 409,
            LibraryError::Unplayable { .. } | LibraryError::Unwritable { .. } => 500,
        }
    }

    /// A word for programs that stays the same, as `in-use`.
    pub fn code(&self) -> &'static str {
        match self {
            LibraryError::Name(_) => "name",
            LibraryError::Unknown(_) => "unknown",
            LibraryError::Exists(_) => "exists",
            LibraryError::ConfiguredElsewhere { .. } => "configured-elsewhere",
            LibraryError::InUse { .. } => "in-use",
            LibraryError::Configured { .. } => "configured",
            LibraryError::ComesAlong(_) => "comes-with-the-program",
            LibraryError::NoOriginal(_) => "no-original",
            LibraryError::TooMany => "too-many",
            LibraryError::Unplayable { .. } => "unplayable",
            LibraryError::Unwritable { .. } => "unwritable",
        }
    }
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
    let digest = Sha256::digest(wav);
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::prompt::PromptAudio;
    use crate::core::sample;
    use crate::media::prompt::upload;
    use std::sync::Arc;

    fn fixture(name: &str) -> Checked {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prompts");
        let octets = fs::read(fixtures.join(name)).unwrap();
        upload::check(octets.into(), name).unwrap()
    }

    /// A configuration whose prompts lie in `directory`; nothing uses them but what a test adds.
    fn snapshot(directory: &Path) -> Snapshot {
        let mut snapshot = sample::snapshot(Vec::new(), Vec::new(), Vec::new());
        snapshot.prompt_files.directory = directory.to_owned();
        snapshot
    }

    fn name(snapshot: &mut Snapshot, name: &str, file: PathBuf) {
        let audio = PromptAudio {
            pcmu: Box::new([]),
            pcma: Box::new([]),
        };
        snapshot.prompts.insert(name.into(), Arc::new(audio));
        snapshot.prompt_files.named.insert(name.into(), file);
    }

    fn files(directory: &Path) -> Vec<String> {
        let mut files = Vec::new();
        for directory in [directory.to_owned(), directory.join(ORIGINALS)] {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            let files_of = entries.filter(|entry| entry.path().is_file());
            files.extend(files_of.map(|entry| entry.file_name().into_string().unwrap()));
        }
        files.sort();
        files
    }

    #[test]
    fn an_upload_is_kept_with_its_original_and_can_be_heard() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = snapshot(&directory.path().join("prompts"));
        let library = Library::open(&snapshot);
        let checked = fixture("tone.mp3");
        let prompt = library.add("greeting", &checked, Existing::Keep).unwrap();
        assert_eq!(prompt.source, PromptSource::Directory);
        assert_eq!(prompt.original.as_deref(), Some("tone.mp3"));
        assert_eq!(prompt.report.as_ref(), Some(&checked.report));
        assert_eq!(
            files(library.directory()),
            ["greeting.json", "greeting.mp3", "greeting.wav"]
        );
        assert_eq!(library.show("greeting").unwrap(), prompt);
        let (format, file_name, octets) = library.original("greeting").unwrap();
        assert_eq!((format, &*file_name), (AudioFormat::Mp3, "tone.mp3"));
        assert_eq!(octets, checked.original);
        let wav = library.audio("greeting").unwrap();
        assert_eq!(decode(&wav).unwrap().samples, checked.samples);
        assert_eq!(
            library.preview("greeting", Codec::Pcma).unwrap(),
            checked.preview(Codec::Pcma)
        );
        let names: Vec<String> = library.list().into_iter().map(|it| it.name).collect();
        assert!(names.contains(&"greeting".to_owned()) && names.contains(&"hold".to_owned()));
    }

    #[test]
    fn a_prompt_that_is_there_is_replaced_only_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = snapshot(directory.path());
        let library = Library::open(&snapshot);
        library
            .add("a", &fixture("tone.mp3"), Existing::Keep)
            .unwrap();
        let other = fixture("tone.flac");
        let error = library.add("a", &other, Existing::Keep).unwrap_err();
        assert_eq!((error.status(), error.code()), (409, "exists"));
        assert_eq!(library.original("a").unwrap().1, "tone.mp3");
        library.add("a", &other, Existing::Replace).unwrap();
        assert_eq!(library.original("a").unwrap().1, "tone.flac");
        assert_eq!(files(directory.path()), ["a.flac", "a.json", "a.wav"]);
    }

    #[test]
    fn what_is_kept_beside_a_prompt_is_not_believed_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = snapshot(directory.path());
        let library = Library::open(&snapshot);
        library
            .add("a", &fixture("tone.mp3"), Existing::Keep)
            .unwrap();
        // Somebody copies another file there by hand.
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/closed.wav");
        fs::copy(shipped, directory.path().join("a.wav")).unwrap();
        let prompt = library.show("a").unwrap();
        assert_eq!(prompt.original, None);
        assert_eq!(prompt.report.unwrap().format, AudioFormat::Wav);
        let error = library.original("a").unwrap_err();
        assert_eq!((error.status(), error.code()), (404, "no-original"));
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let prompts = directory.path().join("prompts");
        fs::create_dir(&prompts).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/closed.wav");
        fs::copy(shipped, directory.path().join("outside.wav")).unwrap();
        let snapshot = snapshot(&prompts);
        let library = Library::open(&snapshot);
        let checked = fixture("tone.flac");
        let long = "a".repeat(65);
        for name in [
            "",
            ".",
            "..",
            "../outside",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a b",
            ".a",
            "a.b",
            "-a",
            "å",
            "a\0",
            "a\n",
            &long,
        ] {
            let error = library.add(name, &checked, Existing::Replace).unwrap_err();
            assert_eq!(error.code(), "name", "{name:?}");
            assert_eq!(library.delete(name).unwrap_err().code(), "name", "{name:?}");
            assert_eq!(
                library.show(name).unwrap_err().code(),
                "unknown",
                "{name:?}"
            );
            assert_eq!(
                library.audio(name).unwrap_err().code(),
                "unknown",
                "{name:?}"
            );
            assert_eq!(
                library.original(name).unwrap_err().code(),
                "unknown",
                "{name:?}"
            );
        }
        assert!(files(&prompts).is_empty());
        assert!(directory.path().join("outside.wav").is_file());
    }

    #[test]
    fn a_prompt_is_deleted_only_when_nothing_uses_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut snapshot = snapshot(directory.path());
        let checked = fixture("tone.ogg");
        for name in ["used", "free", "shared", "hold"] {
            let library = Library::open(&snapshot);
            library.add(name, &checked, Existing::Keep).unwrap();
        }
        name(&mut snapshot, "used", directory.path().join("used.wav"));
        name(&mut snapshot, "other", directory.path().join("shared.wav"));
        name(&mut snapshot, "hold", directory.path().join("hold.wav"));
        let library = Library::open(&snapshot);
        let refusals = ["used", "shared", "accept", "other", "nowhere"]
            .map(|name| library.delete(name).unwrap_err().to_string())
            .join("\n")
            .replace(&directory.path().display().to_string(), "PROMPTS");
        insta::assert_snapshot!(refusals, @r#"
        The prompt "used" is used by [[prompt]] "used". Have that play another prompt and reload, then delete this one; or replace it.
        The prompt "shared" is used by [[prompt]] "other", which has the same file. Have that play another prompt and reload, then delete this one; or replace it.
        The prompt "accept" comes with the program and cannot be deleted. Another can take its place: upload one with this name.
        The prompt "other" is the file PROMPTS/shared.wav, which a [[prompt]] of the configuration names. Take that entry out and reload instead.
        There is no prompt "nowhere". See `ringdesk prompts list`.
        "#);
        library.delete("free").unwrap();
        assert_eq!(library.show("free").unwrap_err().code(), "unknown");
        // The one that comes with the program takes its place again.
        library.delete("hold").unwrap();
        let left = [
            "shared.json",
            "shared.ogg",
            "shared.wav",
            "used.json",
            "used.ogg",
            "used.wav",
        ];
        assert_eq!(files(directory.path()), left);
    }

    #[test]
    fn a_name_that_the_configuration_gives_to_another_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mut snapshot = snapshot(directory.path());
        name(&mut snapshot, "greeting", "/srv/audio/hello.wav".into());
        let library = Library::open(&snapshot);
        let error = library
            .add("greeting", &fixture("tone.flac"), Existing::Replace)
            .unwrap_err();
        insta::assert_snapshot!(error, @r#"The configuration has a [[prompt]] "greeting" with the file /srv/audio/hello.wav, which is what callers would go on hearing. Take that entry out, or choose another name."#);
        assert!(files(directory.path()).is_empty());
        let prompt = library.show("greeting").unwrap();
        assert_eq!(prompt.source, PromptSource::Configuration);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let snapshot = snapshot(&file);
        let error = Library::open(&snapshot)
            .add("a", &fixture("tone.flac"), Existing::Keep)
            .unwrap_err();
        assert_eq!((error.status(), error.code()), (500, "unwritable"));
    }
}
