//! A library in a directory of its own.

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

/// A library with one prompt, `a`, which was `tone.mp3`.
fn with_a(snapshot: &Snapshot) -> Library<'_> {
    let library = Library::open(snapshot);
    library
        .add("a", &fixture("tone.mp3"), Existing::Keep)
        .unwrap();
    library
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
    let library = with_a(&snapshot);
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
    let library = with_a(&snapshot);
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
