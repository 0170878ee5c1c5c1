//! A database of version 0.1, with rows in it and records in its journal, becomes one of today.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, ConnectOptions, SqlSafeStr, sqlite::SqliteConnectOptions};

use super::keeping::dump;
use super::sample::numbers;
use super::{Files, runtime};
use crate::core::conversation::{Assignee, MessageKind, Status};
use crate::core::name::InboxName;
use crate::store::{
    ConversationQuery, Inboxes, MIGRATIONS, MessagePlace, Readers, Sight, Store, View,
    VoicemailQuery,
};

/// Rows as version 0.1 kept them: an answered call, a missed one, a voicemail of an unknown number.
const ROWS: &str = "
INSERT INTO calls VALUES
 ('ca000000-0000-0000-0000-000000000001', 'main-line', 'carrier', '+4790000001', 'Kari', '+4722334455', '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:04.000Z', '2026-12-01T08:01:00.000Z', 'anna', 'answered', 'talked to anna', 'sip-1', 41),
 ('ca000000-0000-0000-0000-000000000002', 'main-line', 'carrier', '+4790000002', NULL, '+4722334455', '2026-12-01T09:00:00.000Z', NULL, '2026-12-01T09:00:25.000Z', NULL, 'missed', 'the caller hung up while ringing', 'sip-2', 41),
 ('ca000000-0000-0000-0000-000000000003', 'office', NULL, NULL, NULL, '+4722334466', '2026-12-01T10:00:00.000Z', '2026-12-01T10:00:01.000Z', '2026-12-01T10:00:31.000Z', NULL, 'voicemail', 'left a message', 'sip-3', 41);
INSERT INTO legs VALUES
 ('1e000000-0000-0000-0000-000000000001', 'ca000000-0000-0000-0000-000000000001', 'anna', 'sip:anna@10.0.3.4', '2026-12-01T08:00:00.000Z', NULL, NULL, 200, '');
INSERT INTO conversations VALUES
 ('c0000000-0000-0000-0000-000000000001', 'ca000000-0000-0000-0000-000000000001', 'main-line', 'call', '+4790000001', '2026-12-01T08:00:00.000Z', 'anna', '2026-12-01T08:01:00.000Z'),
 ('c0000000-0000-0000-0000-000000000002', 'ca000000-0000-0000-0000-000000000002', 'main-line', 'missed-call', '+4790000002', '2026-12-01T09:00:00.000Z', NULL, NULL),
 ('c0000000-0000-0000-0000-000000000003', 'ca000000-0000-0000-0000-000000000003', 'office', 'voicemail', NULL, '2026-12-01T10:00:00.000Z', 'bjorn', NULL);
INSERT INTO assignments VALUES
 ('c0000000-0000-0000-0000-000000000001', 'anna', '2026-12-01T08:00:04.000Z', NULL),
 ('c0000000-0000-0000-0000-000000000003', 'bjorn', '2026-12-01T10:00:31.000Z', NULL);
INSERT INTO voicemails VALUES
 ('70000000-0000-0000-0000-000000000003', 'ca000000-0000-0000-0000-000000000003', 'c0000000-0000-0000-0000-000000000003', 'office', NULL, NULL, '2026-12-01T10:00:01.000Z', 30.0, 1, '2026/12/01/v.wav', '[]');
INSERT INTO decisions VALUES
 ('de000000-0000-0000-0000-000000000002', 'ca000000-0000-0000-0000-000000000002', '2026-12-01T09:00:00.000Z',
  '{\"kind\":\"call\",\"to\":{\"number\":\"+4722334455\"},\"from\":null,\"trunk\":null,\"selection\":\"first\"}',
  '{\"users\":{\"anna\":{\"presence\":\"available\",\"devices\":{\"reachable\":0,\"wrong_passwords\":0},\"busy\":\"free\",\"open_conversations\":0}},\"seed\":7}',
  '{\"outcome\":{\"ring\":{\"step\":0,\"users\":[\"bjorn\"],\"strategy\":\"ring-all\",\"ring_each\":null,\"ring\":25000,\"more\":false}},\"trace\":{\"snapshot\":41,\"channel\":\"main-line\",\"hours\":null,\"rule\":\"working_hours\",\"steps\":[{\"step\":0,\"strategy\":\"ring-all\",\"candidates\":[{\"user\":\"anna\",\"via\":\"named\",\"code\":\"no-device\",\"detail\":\"no phone has registered\"},{\"user\":\"bjorn\",\"via\":\"named\",\"code\":\"chosen\"}]}]}}',
  NULL);
INSERT INTO journal VALUES (1, 1, 0);
";

/// What version 0.1 had in its journal when it was killed: a fourth call, that bjorn missed.
const JOURNAL: &str = r#"{"record":"call","id":"ca000000-0000-0000-0000-000000000004","channel":"main-line","trunk":null,"from":"+4790000004","from_name":null,"to":"+4722334455","began":"2026-12-01T11:00:00.000Z","answered":null,"ended":"2026-12-01T11:00:25.000Z","answered_by":null,"outcome":"missed","detail":"nobody answered","sip_call_id":"sip-4","snapshot":41}
{"record":"conversation","id":"c0000000-0000-0000-0000-000000000004","call":"ca000000-0000-0000-0000-000000000004","channel":"main-line","item":"missed-call","from":"+4790000004","began":"2026-12-01T11:00:00.000Z","assignee":"bjorn","closed":null}
{"record":"assignment","conversation":"c0000000-0000-0000-0000-000000000004","user":"bjorn","at":"2026-12-01T11:00:25.000Z","decision":null}
"#;

/// A database with the first so many migrations, and these rows.
fn database(migrations: usize, rows: &'static str) -> Files {
    let files = Files::new();
    runtime().block_on(async {
        let mut connection = SqliteConnectOptions::new()
            .filename(files.database())
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        let migrations = (MIGRATIONS.iter().take(migrations)).map(|(version, name, sql)| {
            let sql = AssertSqlSafe(*sql).into_sql_str();
            Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
        });
        Migrator::with_migrations(migrations.collect())
            .run(&mut connection)
            .await
            .unwrap();
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
    });
    files
}

fn version_0_1() -> Files {
    let files = database(1, ROWS);
    let journal = files.places().journal;
    std::fs::create_dir_all(&journal).unwrap();
    std::fs::write(journal.join("0000000001.jsonl"), JOURNAL).unwrap();
    files
}

/// Opens it as the first start after the upgrade does.
fn upgraded() -> Files {
    let files = version_0_1();
    let inboxes = Inboxes::from([
        ("main-line".into(), Some(InboxName::from("customers"))),
        ("office".into(), None),
    ]);
    let complain = |text: String| panic!("{text}");
    drop(Store::open(&files.places(), &inboxes, complain).unwrap());
    files
}

#[test]
fn calls_of_before_are_conversations_with_a_message_each() {
    let files = upgraded();
    runtime().block_on(async {
        let readers = Readers::open(&files.database(), 1).await.unwrap();
        let all = Sight::Everything;
        let mut query = ConversationQuery {
            view: View::Everything,
            limit: 10,
            ..ConversationQuery::default()
        };
        let page = readers.conversations(&all, &query).await.unwrap();
        assert_eq!(numbers(&page), [4, 3, 2, 1]);
        let [fourth, third, second, first] = page.items.as_slice() else {
            panic!("{page:?}")
        };
        let bjorn = Some(Assignee::User("bjorn".into()));
        let of = |it: &crate::store::ListedConversation| {
            let it = &it.conversation;
            (
                it.status,
                it.assignee.clone(),
                it.inbox.as_deref().map(str::to_owned),
            )
        };
        let customers = Some("customers".to_owned());
        assert_eq!(of(fourth), (Status::Open, bjorn.clone(), customers.clone()));
        assert_eq!(of(third), (Status::Open, bjorn, None));
        assert_eq!(of(second), (Status::Open, None, customers.clone()));
        let anna = Some(Assignee::User("anna".into()));
        assert_eq!(of(first), (Status::Closed, anna, customers));
        assert_eq!(first.conversation.contact_name, "Kari");

        query.search = Some("90000002".to_owned());
        let found = readers.conversations(&all, &query).await.unwrap();
        assert_eq!(numbers(&found), [2]);
        for (item, kind, has_voicemail) in [
            (first, MessageKind::Call, false),
            (second, MessageKind::MissedCall, false),
            (third, MessageKind::Voicemail, true),
            (fourth, MessageKind::MissedCall, false),
        ] {
            let id = item.conversation.id;
            let page = readers
                .messages(&all, id, MessagePlace::Latest, 10)
                .await
                .unwrap();
            let [message] = page.items.as_slice() else {
                panic!("{page:?}")
            };
            assert_eq!(
                (message.kind, message.voicemail.is_some()),
                (kind, has_voicemail)
            );
            let call = readers.call(&all, message.call.unwrap()).await.unwrap();
            assert_eq!(call.unwrap().began, item.conversation.began);
        }
        let decisions = readers
            .decisions(&all, second.conversation.id)
            .await
            .unwrap();
        assert_eq!(decisions.len(), 1);
        let sales = Sight::Inboxes(["sales".into()].into());
        let query = VoicemailQuery {
            limit: 10,
            ..VoicemailQuery::default()
        };
        let voicemails = readers.voicemails(&sales, &query).await.unwrap();
        assert_eq!(voicemails.items.len(), 1, "the office belongs to no inbox");
    });
    let rows = dump(&files.database());
    let assignments = rows.iter().filter(|row| row.starts_with("assignments|"));
    assert_eq!(assignments.count(), 3);
}

#[test]
fn an_upgrade_happens_once() {
    let mut files = upgraded();
    let rows = dump(&files.database());
    drop(files.open());
    assert_eq!(dump(&files.database()), rows);
}

/// Three missed calls in one message that names the last; closed conversations of a contact that was
/// merged twice, of one that was deleted, and of a caller whose number a contact has.
const BEFORE_HISTORY: &str = "
INSERT INTO calls (id, channel, from_number, to_number, began, outcome, detail, sip_call_id, snapshot) VALUES
 ('ca000000-0000-0000-0000-000000000001', 'main-line', '+4790000001', '+4722334455', '2026-12-01T08:00:00.000Z', 'missed', '', '1', 1),
 ('ca000000-0000-0000-0000-000000000002', 'main-line', '+4790000001', '+4722334455', '2026-12-01T08:01:00.000Z', 'missed', '', '2', 1),
 ('ca000000-0000-0000-0000-000000000003', 'main-line', '+4790000001', '+4722334455', '2026-12-01T08:02:00.000Z', 'missed', '', '3', 1),
 ('ca000000-0000-0000-0000-000000000009', 'main-line', '+4790000009', '+4722334455', '2026-12-01T08:01:30.000Z', 'missed', '', '9', 1);
INSERT INTO contacts (id, revision, name, addresses, numbers, cookies, note, gone, created, changed) VALUES
 ('c7000000-0000-0000-0000-000000000001', 2, 'Kari', '[]', '[\"+4790000001\"]', '[]', '', NULL, '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:00.000Z'),
 ('c7000000-0000-0000-0000-000000000002', 2, '', '[]', '[]', '[]', '', 'c7000000-0000-0000-0000-000000000001', '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:00.000Z'),
 ('c7000000-0000-0000-0000-000000000003', 2, '', '[]', '[]', '[]', '', 'c7000000-0000-0000-0000-000000000002', '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:00.000Z'),
 ('c7000000-0000-0000-0000-000000000004', 2, '', '[]', '[]', '[]', '', 'deleted', '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:00.000Z');
INSERT INTO contact_numbers VALUES ('+4790000001', 'c7000000-0000-0000-0000-000000000001');
INSERT INTO conversations (id, revision, kind, channel, status, subject, contact, contact_name, from_number, began, last_message, preview, replied) VALUES
 ('c0000000-0000-0000-0000-000000000001', 3, 'call', 'main-line', 'open', '', NULL, '', '+4790000001', '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:01.000Z', '', 0),
 ('c0000000-0000-0000-0000-000000000002', 3, 'email', 'support', 'closed', '', 'c7000000-0000-0000-0000-000000000002', '', NULL, '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:02.000Z', '', 0),
 ('c0000000-0000-0000-0000-000000000003', 3, 'email', 'support', 'closed', '', 'c7000000-0000-0000-0000-000000000003', '', NULL, '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:03.000Z', '', 0),
 ('c0000000-0000-0000-0000-000000000004', 3, 'email', 'support', 'closed', '', 'c7000000-0000-0000-0000-000000000004', '', NULL, '2026-12-01T08:00:00.000Z', '2026-12-01T08:00:04.000Z', '', 0);
INSERT INTO messages (id, conversation, at, kind, author_kind, author_name, text, fields, attachments, words, delivery, call, count) VALUES
 ('ca000000-0000-0000-0000-000000000001', 'c0000000-0000-0000-0000-000000000001', '2026-12-01T08:02:00.000Z', 'missed-call', 'contact', '', '', '[]', '[]', '', '\"none\"', 'ca000000-0000-0000-0000-000000000003', 3);
";

#[test]
fn history_of_before_is_complete() {
    let files = database(3, BEFORE_HISTORY);
    let complain = |text: String| panic!("{text}");
    drop(Store::open(&files.places(), &Inboxes::new(), complain).unwrap());
    runtime().block_on(async {
        let readers = Readers::open(&files.database(), 1).await.unwrap();
        let all = Sight::Everything;
        let query = ConversationQuery {
            view: View::Everything,
            contact: "c7000000-0000-0000-0000-000000000001".parse().ok(),
            limit: 10,
            ..ConversationQuery::default()
        };
        let page = readers.conversations(&all, &query).await.unwrap();
        assert_eq!(numbers(&page), [3, 2, 1]);
        let call = &page.items[2].conversation;
        let messages = readers.messages(&all, call.id, MessagePlace::Latest, 10);
        let message = messages.await.unwrap().items.remove(0);
        let calls = message.earlier_calls.iter().chain(&message.call);
        let calls: Vec<String> = calls.map(ToString::to_string).collect();
        let ids = [1, 2, 3].map(|n| format!("ca000000-0000-0000-0000-00000000000{n}"));
        assert_eq!(calls, ids);
        let deleted = "c0000000-0000-0000-0000-000000000004".parse().unwrap();
        let deleted = readers.conversation(&all, deleted).await.unwrap();
        assert_eq!(deleted.unwrap().contact, None);
    });
}
