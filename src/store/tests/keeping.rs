//! Records become rows, once, and leave nothing behind when they are deleted.

use std::path::Path;

use sqlx::Row;

use super::sample::{
    assignment, attachment, contact, conversation, conversation_id, item, message, said, second,
    voicemail,
};
use super::{Files, connect, number, runtime};
use crate::core::conversation::{Assignee, AuditRecord, Delivery, SeenRecord, SessionRecord};
use crate::core::record::{HeardRecord, Record};

/// Every row of every table as text, but for the numbers of rows.
pub(super) fn dump(database: &Path) -> Vec<String> {
    const TABLES: [&str; 17] = [
        "SELECT 'conversations', id, revision, status, subject, assignee_kind, assignee, inbox, last_message, closed FROM conversations ORDER BY id",
        "SELECT 'messages', id, conversation, text, delivery, words, raw FROM messages ORDER BY number",
        "SELECT 'attachments', id, message, conversation FROM attachments ORDER BY id",
        "SELECT 'earlier_calls', call, message, conversation FROM earlier_calls ORDER BY call",
        "SELECT 'assignments', segment, place, conversation, assignee_kind, assignee FROM assignments ORDER BY segment, place",
        "SELECT 'contacts', id, revision, name, addresses, gone FROM contacts ORDER BY id",
        "SELECT 'addresses', address, contact FROM contact_addresses ORDER BY address, contact",
        "SELECT 'numbers', phone_number, contact FROM contact_numbers ORDER BY phone_number, contact",
        "SELECT 'cookies', cookie, contact FROM contact_cookies ORDER BY cookie, contact",
        "SELECT 'presence', user_name, presence, reason FROM presence ORDER BY user_name",
        "SELECT 'seen', user_name, conversation, at FROM seen ORDER BY user_name, conversation",
        "SELECT 'sessions', session_key, user_name, expires FROM sessions ORDER BY session_key",
        "SELECT 'audit', segment, place, actor, action FROM audit ORDER BY segment, place",
        "SELECT 'heard', voicemail, heard_by, at FROM heard ORDER BY voicemail",
        "SELECT 'voicemails', id, conversation, seconds FROM voicemails ORDER BY id",
        "SELECT 'deleted', id FROM deleted_conversations ORDER BY id",
        "SELECT 'decisions', id, call, conversation FROM decisions ORDER BY id",
    ];
    runtime().block_on(async {
        let mut connection = connect(database).await;
        let mut told = Vec::new();
        for question in TABLES {
            for row in sqlx::query(question)
                .fetch_all(&mut connection)
                .await
                .unwrap()
            {
                let values = (0..row.len()).map(|column| {
                    row.try_get_unchecked::<Option<String>, _>(column)
                        .unwrap()
                        .unwrap_or_default()
                });
                told.push(values.collect::<Vec<_>>().join("|"));
            }
        }
        told
    })
}

/// One of everything, with changes.
fn a_day() -> Vec<Record> {
    let mut second_revision = conversation(1);
    second_revision.revision = 2;
    second_revision.assignee = Some(Assignee::User("anna".into()));
    let mut with_files = message(1);
    with_files.attachments = vec![attachment(1), attachment(2)];
    with_files.raw = Some("2026/12/02/raw-1".into());
    with_files.fields = vec![("Order".to_owned(), "A-77".to_owned())];
    let mut reply = message(2);
    reply.conversation = conversation_id(1);
    reply.earlier_calls = vec![super::sample::call(9).id];
    reply.delivery = Delivery::Pending;
    let mut sent = reply.clone();
    sent.delivery = Delivery::Sent;
    let mut person = contact(1);
    person.numbers = vec!["+4790000001".parse().unwrap()];
    person.cookies = vec!["c00c1e".to_owned()];
    let mut renamed = person.clone();
    renamed.revision = 2;
    renamed.name = "Kari".to_owned();
    renamed.addresses = vec!["kari@example.com".to_owned()];
    vec![
        item(conversation(1)),
        said(with_files),
        assignment(1, Some(Assignee::User("anna".into())), 1),
        assignment(1, None, 1),
        item(second_revision),
        said(reply),
        said(sent),
        Record::Contact(Box::new(person)),
        Record::Contact(Box::new(renamed)),
        Record::Seen(SeenRecord {
            conversation: conversation_id(1),
            user: "anna".into(),
            at: second(9),
        }),
        Record::Session(SessionRecord {
            key: "k".to_owned(),
            user: "anna".into(),
            began: second(0),
            expires: second(100),
        }),
        Record::Audit(Box::new(audit("conversation.assign"))),
        Record::Audit(Box::new(audit("conversation.assign"))),
        Record::Voicemail(voicemail(3)),
        Record::Heard(HeardRecord {
            voicemail: voicemail(3).id,
            by: "user anna".to_owned(),
            at: Some(second(10)),
        }),
    ]
}

/// A store is opened, keeps that day, and ends.
fn keep_a_day(files: &mut Files) {
    let store = files.open();
    for record in a_day() {
        assert!(store.keep(record));
    }
}

fn audit(action: &str) -> AuditRecord {
    AuditRecord {
        at: second(1),
        actor: "user anna".to_owned(),
        address: "127.0.0.1".to_owned(),
        action: action.to_owned(),
        object: "conversation".to_owned(),
        detail: String::new(),
    }
}

#[test]
fn what_happened_is_kept_whole_and_two_equal_entries_of_the_audit_log_are_two() {
    let mut files = Files::new();
    keep_a_day(&mut files);
    let told = dump(&files.database());
    let of = |table: &str| {
        let rows = told.iter().filter(|row| row.starts_with(table));
        rows.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of("conversations").len(), 1);
    assert!(of("conversations")[0].contains("|2|open|Question 1|user|anna|customers"));
    assert_eq!(of("messages").len(), 2);
    assert!(
        of("messages")[0].contains("A-77\ninvoice 1.pdf"),
        "{told:?}"
    );
    assert!(of("messages")[1].contains("\"sent\""));
    assert_eq!(of("attachments").len(), 2);
    assert_eq!(of("assignments").len(), 2);
    assert_eq!(of("audit").len(), 2);
    assert_eq!(of("addresses").len(), 1);
    assert!(of("addresses")[0].contains("kari@example.com"));
    assert_eq!(of("numbers").len() + of("cookies").len(), 2);
    assert_eq!(
        of("heard").len() + of("seen").len() + of("sessions").len(),
        3
    );
}

#[test]
fn the_same_journal_gives_the_same_rows_whether_applied_once_or_again() {
    let mut files = Files::new();
    keep_a_day(&mut files);
    let once = dump(&files.database());
    // As if the database had been restored from before the day.
    runtime().block_on(async {
        let mut connection = connect(&files.database()).await;
        sqlx::query("DELETE FROM journal")
            .execute(&mut connection)
            .await
            .unwrap();
    });
    drop(files.open());
    assert_eq!(dump(&files.database()), once);
    // As if it had been lost.
    for name in ["ringdesk.db", "ringdesk.db-wal", "ringdesk.db-shm"] {
        let _ = std::fs::remove_file(files.directory.path().join(name));
    }
    drop(files.open());
    assert_eq!(dump(&files.database()), once);
}

#[test]
fn an_older_revision_never_replaces_a_newer_one() {
    let mut files = Files::new();
    let mut newer = conversation(1);
    newer.revision = 5;
    newer.subject = "newer".to_owned();
    let mut contact_newer = contact(1);
    contact_newer.revision = 5;
    contact_newer.addresses = vec!["newer@example.com".to_owned()];
    // Once in one transaction, once in two.
    for stops_between in [false, true] {
        let mut store = files.open();
        store.keep(item(newer.clone()));
        store.keep(Record::Contact(Box::new(contact_newer.clone())));
        if stops_between {
            drop(store);
            store = files.open();
        }
        store.keep(item(conversation(1)));
        store.keep(Record::Contact(Box::new(contact(1))));
        drop(store);
        let told = dump(&files.database());
        assert!(told[0].contains("|5|open|newer"), "{told:?}");
        assert!(told.iter().any(|row| row.contains("addresses|newer@")));
        assert!(!told.iter().any(|row| row.contains("contact1@")));
    }
}

#[test]
fn the_audit_log_is_appended_to_and_never_changed() {
    let mut files = Files::new();
    let store = files.open();
    store.keep(Record::Audit(Box::new(audit("prompt.replace"))));
    drop(store);
    runtime().block_on(async {
        let mut connection = connect(&files.database()).await;
        for attempt in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
            let refused = sqlx::query(attempt).execute(&mut connection).await;
            assert!(refused.is_err(), "{attempt}");
        }
        sqlx::query("INSERT OR REPLACE INTO audit SELECT segment, place, at, 'nobody', address, action, object, detail FROM audit")
            .execute(&mut connection)
            .await
            .unwrap();
    });
    assert!(dump(&files.database())[0].contains("user anna"));
}

#[test]
fn a_deleted_conversation_leaves_no_row_no_word_and_no_file() {
    let mut files = Files::new();
    let places = files.places();
    let write = |path: std::path::PathBuf| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"secret").unwrap();
        path
    };
    let mut secret = message(1);
    secret.text = "zanzibar".to_owned();
    secret.attachments = vec![attachment(1)];
    secret.raw = Some("2026/12/02/raw-1".into());
    let mut recorded = voicemail(1);
    recorded.conversation = conversation_id(1);
    let gone = [
        write(places.attachments.join("2026/12/02/1")),
        write(places.attachments.join("2026/12/02/raw-1")),
        write(places.audio.join("2026/12/02/1.wav")),
        write(places.audio.join("2026/12/02/1.json")),
    ];
    let stays = write(places.attachments.join("2026/12/02/2"));
    let mut other = message(2);
    other.attachments = vec![attachment(2)];
    let mut store = files.open();
    for record in [
        item(conversation(1)),
        item(conversation(2)),
        said(secret.clone()),
        said(other),
        Record::Voicemail(recorded),
        assignment(1, None, 3),
    ] {
        store.keep(record);
    }
    // In another transaction than the rows.
    drop(store);
    store = files.open();
    store.keep(Record::ConversationDeleted(conversation_id(1)));
    // What comes late is not kept, nor is its file.
    let mut late = message(3);
    late.conversation = conversation_id(1);
    late.attachments = vec![attachment(3)];
    let late_file = write(places.attachments.join("2026/12/02/3"));
    store.keep(said(late.clone()));
    drop(store);
    store = files.open();
    late.attachments = vec![attachment(4)];
    let later_file = write(places.attachments.join("2026/12/02/4"));
    store.keep(said(late));
    store.keep(item(conversation(1)));
    drop(store);

    let told = dump(&files.database());
    let of_deleted = conversation_id(1).to_string();
    let left: Vec<_> = told
        .iter()
        .filter(|row| row.contains(&of_deleted))
        .collect();
    assert_eq!(left, [&format!("deleted|{of_deleted}")]);
    for file in gone.iter().chain([&late_file, &later_file]) {
        assert!(!file.exists(), "{}", file.display());
    }
    assert!(stays.exists());
    let found = number(
        &files.database(),
        "SELECT COUNT(*) FROM message_search WHERE message_search MATCH 'zanzibar'",
    );
    assert_eq!(found, 0);
    let complaints: Vec<String> = files.complaints.as_ref().unwrap().try_iter().collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    // Not even in what the database file has no use for any more.
    runtime().block_on(async {
        let mut connection = connect(&files.database()).await;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await
            .unwrap();
    });
    let octets = std::fs::read(files.database()).unwrap();
    let holds = |word: &[u8]| octets.windows(word.len()).any(|part| part == word);
    assert!(!holds(b"zanzibar"));
    assert!(holds(b"parcel"), "the other one is there");
}
