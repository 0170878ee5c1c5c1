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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::core::id::{CallId, ConversationId, VoicemailId};
    use crate::core::record::voicemail_file;
    use crate::core::time::Wall;

    const LIMIT: Duration = Duration::from_secs(180);

    fn record(number: u128) -> VoicemailRecord {
        let id = VoicemailId(Uuid::from_u128(number));
        let began = Wall::from_seconds(1_795_392_000);
        VoicemailRecord {
            id,
            call: CallId(Uuid::from_u128(1)),
            conversation: ConversationId(Uuid::from_u128(2)),
            channel: "main-line".into(),
            from: "+4722334455".parse().ok(),
            from_name: Some("Anna \"Æ\" Berg".to_owned()),
            began,
            seconds: None,
            kept: false,
            file: voicemail_file(id, began),
            notify: vec!["office@example.com".to_owned()],
        }
    }

    fn finished(number: u128) -> VoicemailRecord {
        VoicemailRecord {
            seconds: Some(3.5),
            kept: true,
            ..record(number)
        }
    }

    /// Begins a voicemail and records `samples`, as far as a killed program got.
    fn interrupted(audio: &Path, number: u128, samples: &[i16]) -> PathBuf {
        let wav = begin(audio, &record(number), LIMIT).unwrap();
        let mut file = WavFile::create(&wav, 100).unwrap();
        file.append(samples).unwrap();
        wav
    }

    fn names(audio: &Path) -> Vec<String> {
        list(&audio.join("2026/11/23"), |name| Some(name.to_owned()))
    }

    fn read_wav(path: &Path) -> Vec<i16> {
        let mut reader = hound::WavReader::open(path).unwrap();
        reader.samples().map(Result::unwrap).collect()
    }

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    #[test]
    fn a_voicemail_exists_before_its_beep_and_is_finished_after_it() {
        let audio = tempfile::tempdir().unwrap();
        let wav = begin(audio.path(), &record(7), LIMIT).unwrap();
        assert_eq!(wav, audio.path().join(format!("2026/11/23/{ID}.wav")));
        assert_eq!(
            names(audio.path()),
            [format!("{ID}.unfinished.json"), format!("{ID}.wav")]
        );
        assert_eq!(read(&wav).unwrap(), record(7));
        assert_eq!(read_wav(&wav), Vec::<i16>::new());

        complete(audio.path(), &finished(7)).unwrap();
        assert_eq!(
            names(audio.path()),
            [format!("{ID}.json"), format!("{ID}.wav")]
        );
        assert_eq!(read(&wav).unwrap(), finished(7));

        complete(audio.path(), &finished(7)).unwrap();
        assert_eq!(names(audio.path()).len(), 2);
        assert!(recover(audio.path()).recovered.is_empty());
    }

    #[test]
    fn one_that_is_too_short_leaves_nothing() {
        let audio = tempfile::tempdir().unwrap();
        begin(audio.path(), &record(7), LIMIT).unwrap();
        let dropped = VoicemailRecord {
            kept: false,
            ..finished(7)
        };
        complete(audio.path(), &dropped).unwrap();
        complete(audio.path(), &dropped).unwrap();
        assert_eq!(names(audio.path()), Vec::<String>::new());
    }

    #[test]
    fn what_a_crash_left_is_found_until_it_is_completed() {
        let audio = tempfile::tempdir().unwrap();
        let speech = vec![9_000i16; 24_000];
        let wav = interrupted(audio.path(), 7, &speech);
        assert_eq!(
            read_wav(&wav),
            Vec::<i16>::new(),
            "the header does not know of it"
        );
        let expected = Recovered {
            record: VoicemailRecord {
                seconds: Some(3.0),
                kept: true,
                ..record(7)
            },
            length: Duration::from_secs(3),
            path: wav.clone(),
        };
        for _ in 0..3 {
            let recovery = recover(audio.path());
            assert_eq!(recovery.recovered, std::slice::from_ref(&expected));
            assert!(recovery.problems.is_empty());
            assert_eq!(read_wav(&wav), speech);
        }
        complete(audio.path(), &expected.record).unwrap();
        assert!(recover(audio.path()).recovered.is_empty());
        assert_eq!(read_wav(&wav), speech);
    }

    #[test]
    fn a_file_cut_off_anywhere_is_recovered_up_to_there() {
        let audio = tempfile::tempdir().unwrap();
        let speech: Vec<i16> = (0..40).map(|index| 9_000 + index).collect();
        let wav = interrupted(audio.path(), 7, &speech);
        let whole = fs::read(&wav).unwrap();
        for length in (0..=whole.len()).rev() {
            fs::write(&wav, &whole[..length]).unwrap();
            let recovery = recover(audio.path());
            let samples = length.saturating_sub(44) / 2;
            assert_eq!(recovery.recovered[0].length, duration(samples as u64));
            assert!(!recovery.recovered[0].record.kept);
            assert_eq!(read_wav(&wav), speech[..samples], "cut at {length}");
        }
    }

    #[test]
    fn silence_at_the_end_is_cut_off_in_recovery_too() {
        let audio = tempfile::tempdir().unwrap();
        let mut samples = vec![9_000i16; 16_160];
        samples.extend([0; 80_000]);
        interrupted(audio.path(), 7, &samples);
        let recovered = &recover(audio.path()).recovered[0];
        assert_eq!(recovered.length, Duration::from_millis(2_020));
        assert!(recovered.record.kept);
    }

    #[test]
    fn a_crash_between_any_two_steps_is_understood() {
        let audio = tempfile::tempdir().unwrap();
        let day = audio.path().join("2026/11/23");

        // Before the record: nobody was told, and nothing was said.
        begin(audio.path(), &record(7), LIMIT).unwrap();
        fs::remove_file(day.join(format!("{ID}.unfinished.json"))).unwrap();
        fs::write(day.join(format!("{ID}.json.new")), "{").unwrap();
        let recovery = recover(audio.path());
        assert!(recovery.recovered.is_empty() && recovery.problems.is_empty());
        assert_eq!(names(audio.path()), Vec::<String>::new());

        // After the finished record, before the unfinished one is gone.
        interrupted(audio.path(), 7, &[9_000; 24_000]);
        let unfinished = day.join(format!("{ID}.unfinished.json"));
        let text = fs::read(&unfinished).unwrap();
        complete(audio.path(), &finished(7)).unwrap();
        fs::write(&unfinished, text).unwrap();
        let recovery = recover(audio.path());
        assert!(recovery.recovered.is_empty() && recovery.problems.is_empty());
        assert_eq!(
            names(audio.path()),
            [format!("{ID}.json"), format!("{ID}.wav")]
        );

        // Audio removed, record not yet.
        begin(audio.path(), &record(8), LIMIT).unwrap();
        fs::remove_file(audio.path().join(record(8).file)).unwrap();
        let recovered = &recover(audio.path()).recovered[0];
        assert_eq!(
            (recovered.length, recovered.record.kept),
            (Duration::ZERO, false)
        );
        complete(audio.path(), &recovered.record).unwrap();
        assert_eq!(names(audio.path()).len(), 2);
    }

    #[test]
    fn what_needs_a_person_is_told_and_left_alone() {
        let audio = tempfile::tempdir().unwrap();
        let wav = interrupted(audio.path(), 7, &[9_000; 24_000]);
        fs::write(wav.with_extension(UNFINISHED), "{\"id\": 5}").unwrap();
        let orphan = interrupted(audio.path(), 8, &[9_000; 24_000]);
        fs::remove_file(orphan.with_extension(UNFINISHED)).unwrap();
        let problems: Vec<String> = recover(audio.path())
            .problems
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(problems.len(), 2);
        assert!(
            problems[0].contains(".unfinished.json is not a voicemail record: "),
            "{}",
            problems[0]
        );
        assert!(
            problems[1].contains("has audio but no record beside it"),
            "{}",
            problems[1]
        );
        assert_eq!(read_wav(&orphan).len(), 24_000);
        assert_eq!(names(audio.path()).len(), 3);
    }

    #[test]
    fn only_directories_of_days_are_searched() {
        let audio = tempfile::tempdir().unwrap();
        assert!(
            recover(&audio.path().join("not-there"))
                .recovered
                .is_empty()
        );
        for directory in ["old/11/23", "2026/xi/23", "2026/11/023"] {
            let mut elsewhere = record(7);
            elsewhere.file = Path::new(directory).join(format!("{ID}.wav"));
            begin(audio.path(), &elsewhere, LIMIT).unwrap();
        }
        assert!(recover(audio.path()).recovered.is_empty());
    }

    #[test]
    fn a_record_cannot_name_a_file_elsewhere() {
        let audio = tempfile::tempdir().unwrap();
        for file in [
            "/etc/passwd.wav",
            "../a.wav",
            "2026/../../a.wav",
            "a.mp3",
            "",
        ] {
            let mut record = record(7);
            record.file = file.into();
            assert!(matches!(
                begin(audio.path(), &record, LIMIT),
                Err(RecordingError::Outside(_))
            ));
            assert!(complete(audio.path(), &record).is_err());
        }
    }

    #[test]
    fn a_disk_that_refuses_leaves_nothing_behind() {
        let audio = tempfile::tempdir().unwrap();
        fs::write(audio.path().join("2026"), "in the way").unwrap();
        let error = begin(audio.path(), &record(7), LIMIT).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot make the directory of "),
            "{error}"
        );

        fs::remove_file(audio.path().join("2026")).unwrap();
        let wav = audio.path().join(record(7).file);
        fs::create_dir_all(wav.with_extension(UNFINISHED)).unwrap();
        let error = begin(audio.path(), &record(7), LIMIT).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        assert!(!wav.exists());
    }
}
