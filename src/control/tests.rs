use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Fine {
    calls: u32,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// A socket whose status is always the same.
fn listen(runtime: &tokio::runtime::Runtime, directory: &Path) -> Control {
    let _inside = runtime.enter();
    Control::open(directory, |_| true).unwrap()
}

fn raw(directory: &Path, question: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(socket_path(directory)).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    BufReader::new(stream)
}

#[test]
fn the_status_comes_back_to_the_one_who_asked() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (sender, asked) = std::sync::mpsc::channel();
    let control = {
        let _inside = runtime.enter();
        Control::open(directory.path(), move |question| {
            sender.send(question).is_ok()
        })
        .unwrap()
    };
    let path = directory.path().to_owned();
    let asking = std::thread::spawn(move || status::<Fine>(&path).unwrap());
    let question = asked.recv().unwrap();
    control.answer(question + 1, "{\"calls\":4}");
    control.answer(question, "{\"calls\":3}");
    assert_eq!(asking.join().unwrap(), Fine { calls: 3 });
    let mode = std::fs::metadata(socket_path(directory.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn everything_told_is_seen_by_those_who_watch() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let control = listen(&runtime, directory.path());
    control.tell(Wall::from_seconds(0), false, "nobody watches yet");
    let mut watching = tail(directory.path()).unwrap();
    while control.watchers() == 0 {
        std::thread::yield_now();
    }
    control.tell(Wall::from_seconds(1), true, "a\nb");
    let told = watching.next().unwrap().unwrap();
    assert_eq!(
        told,
        Told {
            at: Wall::from_seconds(1),
            warning: true,
            text: "a\nb".to_owned()
        }
    );
    drop(watching);
    while control.watchers() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn who_reads_too_slowly_is_told_and_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let control = listen(&runtime, directory.path());
    let watching = tail(directory.path()).unwrap();
    while control.watchers() == 0 {
        std::thread::yield_now();
    }
    // More than the socket and the queue hold together.
    let long = "x".repeat(4_096);
    for _ in 0..4_000 {
        control.tell(Wall::from_seconds(1), false, &long);
    }
    let last = watching.last().unwrap().unwrap_err();
    assert!(last.to_string().contains("read too slowly"), "{last}");
}

#[test]
fn what_is_no_question_is_answered_so() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let _control = listen(&runtime, directory.path());
    for question in ["{\"ask\":\"weather\"}\n", "\n", &"x".repeat(5_000)] {
        let mut line = String::new();
        raw(directory.path(), question)
            .read_line(&mut line)
            .unwrap();
        assert!(line.contains("not a question"), "{question:?}: {line:?}");
    }
}

#[test]
fn without_a_daemon_the_commands_say_so_and_a_socket_left_behind_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let error = status::<Fine>(directory.path()).unwrap_err();
    assert!(error.to_string().contains("ringdesk run"), "{error}");
    // What kill -9 leaves.
    drop(std::os::unix::net::UnixListener::bind(socket_path(directory.path())).unwrap());
    let error = tail(directory.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");
    let runtime = runtime();
    let control = listen(&runtime, directory.path());
    tail(directory.path()).unwrap();
    drop(control);
    assert!(!socket_path(directory.path()).exists());
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let first = DataLock::take(&data).unwrap();
    let error = DataLock::take(&data).unwrap_err();
    let process = format!("(process {})", std::process::id());
    assert!(error.to_string().contains(&process), "{error}");
    drop(first);
    DataLock::take(&data).unwrap();
}

#[test]
fn who_called_is_for_the_owner_and_the_group_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("var/data");
    DataLock::take(&data).unwrap();
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
}
