//! The record beside the audio: what the voicemail is, kept without a database.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::core::record::{SHORTEST_VOICEMAIL, VoicemailRecord};

use super::RecordingError;
use super::wav::{WavFile, duration, samples_in};

/// Ends the name of the record of a recording that goes on.
const UNFINISHED: &str = "unfinished.json";

/// Ends the name of the record of a finished one.
const FINISHED: &str = "json";

/// Ends the name of a record that is being written.
const TEMPORARY: &str = "json.new";

/// A recording that a crash had left unfinished.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// Its record, with length and whether it is long enough to be kept. [`complete`] it once it is
    /// in the journal.
    pub record: VoicemailRecord,
    /// Its length, after trailing silence was cut off.
    pub length: Duration,
    /// Its audio, whose header is right now.
    pub path: PathBuf,
}

/// What [`recover`] found.
#[derive(Debug, Default)]
pub struct Recovery {
    /// In the order of their files' names, which is that of time.
    pub recovered: Vec<Recovered>,
    /// What could not be recovered and needs a person.
    pub problems: Vec<RecordingError>,
}

/// Makes the voicemail exist, on the disk, before its beep: its directory, its empty audio file with
/// space set aside for `limit`, and its record. Returns the audio file's path.
///
/// It waits for the disk. An error (a full disk among them) leaves nothing behind.
pub fn begin(
    audio: &Path,
    record: &VoicemailRecord,
    limit: Duration,
) -> Result<PathBuf, RecordingError> {
    let wav = audio_file(audio, record)?;
    make_directory_of(&wav).map_err(RecordingError::io("make the directory of", &wav))?;
    let made = WavFile::create(&wav, samples_in(limit))
        .map_err(RecordingError::io("make", &wav))
        .and_then(|_| write_record(&wav.with_extension(UNFINISHED), record));
    match made {
        Ok(()) => Ok(wav),
        Err(error) => {
            // The first error is the one to tell; an empty file is removed at the next start.
            let _ = fs::remove_file(&wav);
            Err(error)
        }
    }
}

/// Puts the finished record in place of the unfinished one; if it is not `kept`, removes audio and
/// record instead. Doing it again changes nothing.
///
/// To be called when the row is safe in the journal: until then, a crash must find it unfinished.
pub fn complete(audio: &Path, record: &VoicemailRecord) -> Result<(), RecordingError> {
    let wav = audio_file(audio, record)?;
    if record.kept {
        write_record(&wav.with_extension(FINISHED), record)?;
    } else {
        remove(&wav)?;
        remove(&wav.with_extension(FINISHED))?;
    }
    remove(&wav.with_extension(UNFINISHED))?;
    sync_directory_of(&wav).map_err(RecordingError::io("write the directory of", &wav))
}

/// The record beside the audio file `wav`, finished or not.
pub fn read(wav: &Path) -> Result<VoicemailRecord, RecordingError> {
    let finished = wav.with_extension(FINISHED);
    if finished.exists() {
        read_record(&finished)
    } else {
        read_record(&wav.with_extension(UNFINISHED))
    }
}

/// Finds every unfinished recording under `audio` and gives its file the header that its length
/// asks for. Changes no record, so that doing it again finds the same, until each is [`complete`].
///
/// Meant for the start, before anything records.
pub fn recover(audio: &Path) -> Recovery {
    let mut recovery = Recovery::default();
    for day in days(audio) {
        let files = list(&day, |name| Some(name.to_owned()));
        for name in &files {
            recover_file(&day, name, &files, &mut recovery);
        }
    }
    recovery
}

fn recover_file(day: &Path, name: &str, beside: &[String], recovery: &mut Recovery) {
    let Some((stem, ending)) = name.split_once('.') else {
        return;
    };
    let has = |ending: &str| beside.binary_search(&format!("{stem}.{ending}")).is_ok();
    let wav = day.join(stem).with_extension("wav");
    let result = match ending {
        TEMPORARY => remove(&day.join(name)),
        UNFINISHED if has(FINISHED) => remove(&day.join(name)),
        UNFINISHED => recover_item(&wav).map(|item| recovery.recovered.push(item)),
        "wav" if !has(FINISHED) && !has(UNFINISHED) => recover_orphan(&wav),
        _ => Ok(()),
    };
    recovery.problems.extend(result.err());
}

fn recover_item(wav: &Path) -> Result<Recovered, RecordingError> {
    let mut record = read_record(&wav.with_extension(UNFINISHED))?;
    let samples = match repair(wav) {
        Err(RecordingError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => 0,
        result => result?,
    };
    let length = duration(samples);
    record.seconds = Some(length.as_secs_f64());
    record.kept = length >= SHORTEST_VOICEMAIL;
    Ok(Recovered {
        record,
        length,
        path: wav.to_owned(),
    })
}

/// Audio without a record: what [`begin`] leaves when it is interrupted, or what somebody put there.
fn recover_orphan(wav: &Path) -> Result<(), RecordingError> {
    if repair(wav)? == 0 {
        remove(wav)
    } else {
        Err(RecordingError::NoRecord(wav.to_owned()))
    }
}

/// Writes the header that the file's length asks for, without trailing silence; returns how many
/// samples are left.
fn repair(wav: &Path) -> Result<u64, RecordingError> {
    let repaired = || {
        let file = WavFile::open(wav)?;
        let end = file.end_of_sound()?;
        file.finish(end)?;
        Ok(end)
    };
    repaired().map_err(RecordingError::io("repair", wav))
}

/// The directories of days under `audio`, oldest first.
fn days(audio: &Path) -> Vec<PathBuf> {
    let mut directories = vec![audio.to_owned()];
    for digits in [4, 2, 2] {
        let is_date = |name: &str| {
            let date = name.len() == digits && name.bytes().all(|octet| octet.is_ascii_digit());
            date.then(|| name.to_owned())
        };
        directories = directories
            .iter()
            .flat_map(|parent| {
                list(parent, is_date)
                    .into_iter()
                    .map(|name| parent.join(name))
            })
            .collect();
    }
    directories
}

/// Names in a directory, sorted; none if there is no such directory.
fn list(directory: &Path, wanted: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().to_str().and_then(&wanted))
        .collect();
    names.sort_unstable();
    names
}

fn audio_file(audio: &Path, record: &VoicemailRecord) -> Result<PathBuf, RecordingError> {
    let inside = record
        .file
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    if inside && record.file.extension() == Some(OsStr::new("wav")) {
        Ok(audio.join(&record.file))
    } else {
        Err(RecordingError::Outside(record.file.clone()))
    }
}

fn read_record(path: &Path) -> Result<VoicemailRecord, RecordingError> {
    let text = fs::read(path).map_err(RecordingError::io("read", path))?;
    serde_json::from_slice(&text).map_err(|source| RecordingError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// Writes a record so that at every moment the old one or the new one is there, whole.
fn write_record(path: &Path, record: &VoicemailRecord) -> Result<(), RecordingError> {
    let text = serde_json::to_vec_pretty(record).map_err(|source| RecordingError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let stem = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    let temporary = path.with_file_name(format!("{stem}.{TEMPORARY}"));
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory_of(path)
    };
    written().map_err(RecordingError::io("write", path))
}

fn remove(path: &Path) -> Result<(), RecordingError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(RecordingError::io("remove", path)),
    }
}

/// Makes the directory that `file` lies in, and those above it, each known to the disk.
pub(super) fn make_directory_of(file: &Path) -> io::Result<()> {
    let Some(directory) = file.parent() else {
        return Ok(());
    };
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    make_directory_of(directory)?;
    match DirBuilder::new().mode(0o750).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory_of(directory),
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}
