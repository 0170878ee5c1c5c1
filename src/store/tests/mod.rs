mod answering;
mod keeping;
mod killing;
mod migrating;
mod reading;
mod sample;
mod searching;
mod seeing;

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::runtime::Runtime;

use super::{Inboxes, Places, Reader, Store};
use crate::core::conversation::Assignee;
use crate::core::id::{CallId, ConversationId, RandomSource};
use crate::core::name::{ChannelName, UserName};
use crate::core::record::{CallOutcome, CallRecord, Record, RegistrationRecord};
use crate::core::snapshot::Kind;
use crate::core::time::Wall;

struct Files {
    directory: tempfile::TempDir,
    complaints: Option<Receiver<String>>,
}

impl Files {
    fn new() -> Files {
        Files {
            directory: tempfile::tempdir().unwrap(),
            complaints: None,
        }
    }

    fn database(&self) -> std::path::PathBuf {
        self.directory.path().join("ringdesk.db")
    }

    fn places(&self) -> Places {
        let directory = self.directory.path();
        Places {
            database: self.database(),
            journal: directory.join("journal"),
            attachments: directory.join("attachments"),
            audio: directory.join("audio"),
        }
    }

    fn open(&mut self) -> Store {
        let (sender, complaints) = channel();
        self.complaints = Some(complaints);
        Store::open(&self.places(), &Inboxes::new(), move |text| {
            let _ = sender.send(text);
        })
        .unwrap()
    }

    /// What the store that was opened last complains of next.
    fn next_complaint(&self) -> String {
        self.complaints.as_ref().unwrap().recv().unwrap()
    }
}

/// Somebody else's hold on the database, in which nothing can be written meanwhile.
struct Lock {
    runtime: Runtime,
    connection: SqliteConnection,
}

impl Lock {
    fn on(database: &Path) -> Lock {
        let runtime = runtime();
        let mut connection = runtime.block_on(connect(database));
        let begin = sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection);
        runtime.block_on(begin).unwrap();
        Lock {
            runtime,
            connection,
        }
    }

    fn release(self) {
        self.runtime.block_on(self.connection.close()).unwrap();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn call(number: u64) -> CallRecord {
    let mut random = RandomSource::from_seed([u8::try_from(number % 251).unwrap(); 32]);
    let began = Wall::from_seconds(1_700_000_000 + i64::try_from(number).unwrap());
    CallRecord {
        id: CallId(random.uuid(began)),
        channel: Some(ChannelName::from("main-line")),
        trunk: None,
        from: Some("+4790000001".parse().unwrap()),
        from_name: None,
        to: "+4722334455".to_owned(),
        began,
        answered: None,
        ended: None,
        answered_by: None,
        outcome: None,
        detail: String::new(),
        sip_call_id: format!("call-{number}"),
        snapshot: 1,
    }
}

/// One number that the database answers.
fn number(database: &Path, question: &'static str) -> i64 {
    runtime().block_on(async {
        let mut connection = connect(database).await;
        let row = sqlx::query(question).fetch_one(&mut connection).await;
        row.unwrap().get(0)
    })
}

fn count(database: &Path, table: &'static str) -> i64 {
    number(
        database,
        match table {
            "calls" => "SELECT COUNT(*) FROM calls",
            "registrations" => "SELECT COUNT(*) FROM registrations",
            other => panic!("no table {other}"),
        },
    )
}

async fn connect(database: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(database)
        .connect()
        .await
        .unwrap()
}

#[test]
fn a_call_that_went_on_is_one_row_and_the_latest_of_it() {
    let mut files = Files::new();
    let store = files.open();
    let mut record = call(1);
    assert!(store.keep(Record::Call(record.clone())));
    record.ended = Some(Wall::from_seconds(1_700_000_100));
    record.outcome = Some(CallOutcome::Missed);
    record.detail = "the caller hung up while ringing".to_owned();
    assert!(store.keep(Record::Call(record.clone())));
    drop(store);
    runtime().block_on(async {
        let mut reader = Reader::open(&files.database()).await.unwrap();
        let found = reader.last(Some("+4722334455")).await.unwrap().unwrap();
        assert_eq!(found.call, record.id);
        assert_eq!(found.outcome.as_deref(), Some("missed"));
        assert_eq!(reader.find("call-1").await.unwrap(), Some(found));
        assert_eq!(reader.last(Some("+4799999999")).await.unwrap(), None);
    });
    assert_eq!(count(&files.database(), "calls"), 1);
}

#[test]
fn calls_are_kept_after_the_journal_was_removed() {
    let mut files = Files::new();
    let store = files.open();
    for number in 0..20 {
        assert!(store.keep(Record::Call(call(number))));
    }
    drop(store);
    std::fs::remove_dir_all(files.directory.path().join("journal")).unwrap();
    for number in [20, 21] {
        let store = files.open();
        assert!(store.keep(Record::Call(call(number))));
        drop(store);
    }
    assert_eq!(count(&files.database(), "calls"), 22);
}

#[test]
fn a_call_is_found_by_the_beginning_of_its_identifier_or_of_its_voicemails() {
    let mut files = Files::new();
    let store = files.open();
    let mut first = call(1);
    first.id = CallId(uuid::Uuid::from_u128(0x0193_aaaa << 96));
    let mut second = call(2);
    second.id = CallId(uuid::Uuid::from_u128(0x0193_abbb << 96));
    store.keep(Record::Call(first.clone()));
    store.keep(Record::Call(second.clone()));
    let conversation = ConversationId(uuid::Uuid::from_u128(0x0777 << 112));
    let mut told = sample::message(1);
    told.conversation = conversation;
    told.call = Some(second.id);
    store.keep(sample::said(told));
    drop(store);
    runtime().block_on(async {
        let mut reader = Reader::open(&files.database()).await.unwrap();
        let mut find = async |start: &str| -> Vec<CallId> {
            let found = reader.find_beginning(start).await.unwrap();
            found.into_iter().map(|call| call.call).collect()
        };
        assert_eq!(find("0193aaaa").await, [first.id]);
        assert_eq!(find("0193a").await, [second.id, first.id]);
        assert_eq!(find("0777").await, [second.id]);
        assert_eq!(find("0193b").await, []);
    });
}

#[test]
fn while_the_database_is_locked_records_wait_and_each_arrives_once() {
    let mut files = Files::new();
    let store = files.open();
    let lock = Lock::on(&files.database());
    // More than travels in memory, so that the rest is read from the journal.
    let calls = 6_000u64;
    for number in 0..calls {
        let mut record = call(number);
        record.id = CallId(uuid::Uuid::from_u128(u128::from(number) + 1));
        assert!(store.keep(Record::Call(record)));
    }
    let complaint = files.next_complaint();
    assert!(
        complaint.contains("records wait in the journal"),
        "{complaint}"
    );
    lock.release();
    let relief = files.next_complaint();
    assert_eq!(relief, "the database can be written again");
    drop(store);
    assert_eq!(
        count(&files.database(), "calls"),
        i64::try_from(calls).unwrap()
    );
}

#[test]
fn what_was_only_in_the_journal_becomes_rows_at_the_next_start() {
    let mut files = Files::new();
    let store = files.open();
    assert!(store.keep(Record::Call(call(1))));
    drop(store);
    // As a crash leaves it: the journal is there, the database is not.
    for name in ["ringdesk.db", "ringdesk.db-wal", "ringdesk.db-shm"] {
        let _ = std::fs::remove_file(files.directory.path().join(name));
    }
    let store = files.open();
    assert_eq!(count(&files.database(), "calls"), 1);
    assert!(store.keep(Record::Call(call(2))));
    drop(store);
    drop(files.open());
    assert_eq!(count(&files.database(), "calls"), 2);
}

#[test]
fn a_registration_survives_until_it_ends_or_runs_out() {
    let mut files = Files::new();
    let store = files.open();
    let registration = |contact: &str, expires| RegistrationRecord {
        user: UserName::from("anna"),
        contact: contact.to_owned(),
        protocol: "udp".to_owned(),
        local: "127.0.0.1:5060".to_owned(),
        remote: "127.0.0.1:5070".to_owned(),
        call_id: "r".to_owned(),
        cseq: 1,
        user_agent: None,
        registered: Wall::from_seconds(1_700_000_000),
        expires: Wall::from_seconds(expires),
    };
    for (contact, expires) in [
        ("sip:a@x", 1_700_003_600),
        ("sip:b@x", 1_700_003_600),
        ("sip:c@x", 1_700_000_060),
    ] {
        assert!(store.keep(Record::Registered(registration(contact, expires))));
    }
    let gone = Record::Unregistered {
        user: UserName::from("anna"),
        contact: "sip:b@x".to_owned(),
    };
    assert!(store.keep(gone));
    drop(store);
    runtime().block_on(async {
        let mut reader = Reader::open(&files.database()).await.unwrap();
        let left = reader
            .registrations(Wall::from_seconds(1_700_000_061))
            .await
            .unwrap();
        assert_eq!(left, [registration("sip:a@x", 1_700_003_600)]);
    });
}

#[test]
fn how_busy_a_user_was_is_known_after_a_restart() {
    let mut files = Files::new();
    let store = files.open();
    let mut record = call(1);
    record.answered_by = Some(UserName::from("anna"));
    record.ended = Some(Wall::from_seconds(1_700_000_100));
    let mut conversation = sample::conversation(7);
    conversation.kind = Kind::Call;
    conversation.assignee = Some(Assignee::User("anna".into()));
    store.keep(Record::Call(record.clone()));
    store.keep(sample::item(conversation.clone()));
    store.keep(Record::Assignment(crate::core::record::AssignmentRecord {
        conversation: conversation.id,
        to: conversation.assignee,
        by: "rule".to_owned(),
        at: Wall::from_seconds(1_700_000_050),
        decision: None,
    }));
    drop(store);
    runtime().block_on(async {
        let mut reader = Reader::open(&files.database()).await.unwrap();
        let loads = reader.loads().await.unwrap();
        let [(user, load)] = loads.as_slice() else {
            panic!("{loads:?}")
        };
        assert_eq!(&**user, "anna");
        assert_eq!(load.open.call, 1);
        assert_eq!(load.last_assigned, Some(Wall::from_seconds(1_700_000_050)));
        assert_eq!(
            load.last_call_ended,
            Some(Wall::from_seconds(1_700_000_100))
        );
    });
}
