//! Killed at any moment, the store has what it said that it has.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use super::keeping::dump;
use super::sample::{
    assignment, attachment, contact, conversation, conversation_id, item, message, said,
};
use super::{Files, number};
use crate::core::conversation::Assignee;
use crate::core::record::Record;
use crate::store::{Inboxes, Places, Store};

/// Tells the one that is killed where to write.
const DIRECTORY: &str = "RINGDESK_TEST_STORE";

/// Conversations that are answered for before it is killed.
const ANSWERED: u128 = 200;

/// A conversation with all that goes with one; every third is deleted again, five later.
fn records(n: u128) -> Vec<Record> {
    let mut given = conversation(n);
    given.revision = 2;
    given.assignee = Some(Assignee::User("anna".into()));
    let mut with_file = message(n);
    with_file.attachments = vec![attachment(n)];
    let mut records = vec![
        item(conversation(n)),
        said(with_file),
        Record::Contact(Box::new(contact(n))),
        item(given),
        assignment(n, Some(Assignee::User("anna".into())), 1),
    ];
    if n > 5 && n.is_multiple_of(3) {
        records.push(Record::ConversationDeleted(conversation_id(n - 5)));
    }
    records
}

/// What the other process does, until it is killed. By itself, as a test, it does nothing.
#[test]
fn the_one_that_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let directory = PathBuf::from(directory);
    let places = Places {
        database: directory.join("ringdesk.db"),
        journal: directory.join("journal"),
        attachments: directory.join("attachments"),
        audio: directory.join("audio"),
    };
    let store = Store::open(&places, &Inboxes::new(), |_| ()).unwrap();
    let (answer, answered) = channel();
    for n in 1u128.. {
        for record in records(n) {
            assert!(store.keep(record));
        }
        let answer = answer.clone();
        assert!(store.then_applied(move || answer.send(n).unwrap()));
        // Some are on their way while others are answered.
        for n in answered.try_iter() {
            println!("answered {n}");
        }
        if n.is_multiple_of(20) {
            println!("answered {}", answered.recv().unwrap());
        }
    }
}

/// Runs it until it has answered for so many, and kills it. Answers the last that it answered for.
fn run_and_kill(directory: &Path) -> u128 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::tests::killing::the_one_that_is_killed",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answered = |line: String| line.rsplit_once("answered ")?.1.parse::<u128>().ok();
    let mut last = 0;
    while last < ANSWERED {
        let line = lines
            .next()
            .expect("it goes on until it is killed")
            .unwrap();
        last = answered(line).unwrap_or(last);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said while it was being killed counts too.
    let rest = lines.map_while(Result::ok).filter_map(answered).max();
    rest.unwrap_or(last).max(last)
}

#[test]
fn what_was_answered_for_is_there_after_kill_9_and_the_journal_alone_gives_the_same_rows() {
    let mut files = Files::new();
    let answered = run_and_kill(files.directory.path());
    drop(files.open());
    let rows = dump(&files.database());
    let deleted = |n: u128| {
        records(n + 5)
            .iter()
            .any(|it| matches!(it, Record::ConversationDeleted(_)))
    };
    for n in 1..=answered {
        let id = conversation_id(n).to_string();
        let has = |table: &str| {
            rows.iter()
                .any(|row| row.starts_with(table) && row.contains(&id))
        };
        if n + 5 <= answered && deleted(n) {
            assert!(has("deleted|") && !has("messages|"), "{n} is deleted");
        } else if n + 5 > answered && deleted(n) {
            // Its deletion was on its way, or not.
        } else {
            assert!(
                has("conversations|") && has("messages|") && has("assignments|"),
                "{n}"
            );
        }
    }
    for name in ["ringdesk.db", "ringdesk.db-wal", "ringdesk.db-shm"] {
        let _ = std::fs::remove_file(files.directory.path().join(name));
    }
    drop(files.open());
    assert_eq!(dump(&files.database()), rows);
    // The search has what the rows have.
    let found = number(
        &files.database(),
        "SELECT COUNT(*) FROM message_search WHERE message_search MATCH 'parcel'",
    );
    assert_eq!(
        found,
        number(&files.database(), "SELECT COUNT(*) FROM messages")
    );
}
