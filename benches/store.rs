//! What the store costs with a hundred thousand conversations: rows, answers, lists, search, a start.
//! CPU time is that of all threads of this process: it holds on a machine that does other things as well.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ringdesk::clock;
use ringdesk::core::conversation::{
    Assignee, Author, ContactRecord, ConversationRecord, MessageKind, MessageRecord, SeenRecord,
    Status,
};
use ringdesk::core::id::{ContactId, ConversationId, MessageId};
use ringdesk::core::name::UserName;
use ringdesk::core::record::Record;
use ringdesk::core::snapshot::Kind;
use ringdesk::core::time::Wall;
use ringdesk::store::{
    ContactQuery, ConversationQuery, Inboxes, MessagePlace, Page, Place, Places, Reader, Readers,
    Sight, Store, View,
};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error>;

/// Conversations, each with two messages; one in ten is not closed.
const CONVERSATIONS: u128 = 100_000;

/// Answers that are waited for one by one.
const ALONE: u128 = 500;

/// Answers that are asked for at once.
const TOGETHER: u128 = 20_000;

fn main() -> Result<(), Failure> {
    // `cargo bench -- --test` and `cargo test --benches` only look whether it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let scale = if quick { 100 } else { 1 };
    let directory = tempfile::tempdir()?;
    let places = Places {
        database: directory.path().join("ringdesk.db"),
        journal: directory.path().join("journal"),
        attachments: directory.path().join("attachments"),
        audio: directory.path().join("audio"),
    };
    let store = Store::open(&places, &Inboxes::new(), |text| eprintln!("{text}"))?;
    fill(&store, CONVERSATIONS / scale)?;
    answer_alone(&store, ALONE / scale)?;
    answer_together(&store, TOGETHER / scale)?;
    drop(store);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(ask(&places.database, if quick { 1 } else { 20 }))?;
    runtime.block_on(start(&places.database))
}

/// Rows, as fast as the store takes them.
fn fill(store: &Store, conversations: u128) -> Result<(), Failure> {
    let (began, used) = (clock::mono(), cpu());
    let mut records = 0usize;
    for n in 0..conversations {
        let seen = SeenRecord {
            conversation: conversation(n).id,
            user: user(n),
            at: at(n),
        };
        let mut given = conversation(n);
        given.revision = 2;
        for record in [
            Record::Item(Box::new(conversation(n))),
            Record::Message(Box::new(message(2 * n, n))),
            Record::Message(Box::new(message(2 * n + 1, n))),
            Record::Item(Box::new(given)),
            Record::Contact(Box::new(contact(n))),
            Record::Seen(seen),
        ] {
            records += 1;
            if !store.keep(record) {
                return Err("a record was lost".into());
            }
        }
        // The queue holds some seconds of the busiest hour, and this is faster.
        if n % 500 == 499 {
            wait(store)?;
        }
    }
    wait(store)?;
    let (elapsed, used) = (clock::mono().since(began), cpu() - used);
    report("records applied", records, elapsed, used);
    Ok(())
}

/// One answer after the other: how long each takes when nothing else goes on.
fn answer_alone(store: &Store, answers: u128) -> Result<(), Failure> {
    let mut times = Vec::new();
    let (began, used) = (clock::mono(), cpu());
    for n in 0..answers {
        let began = clock::mono();
        store.keep(Record::Message(Box::new(message((1 << 64) | n, n))));
        wait(store)?;
        times.push(clock::mono().since(began));
    }
    let (elapsed, used) = (clock::mono().since(began), cpu() - used);
    report("answers, one after the other", times.len(), elapsed, used);
    times.sort_unstable();
    let of = |part: usize| times.get(times.len() * part / 100).copied();
    println!(
        "store: answers, one after the other: median {:?}, p99 {:?}",
        of(50).unwrap_or_default(),
        of(99).unwrap_or_default()
    );
    Ok(())
}

/// Many who ask at once.
fn answer_together(store: &Store, answers: u128) -> Result<(), Failure> {
    let (began, used) = (clock::mono(), cpu());
    let (answer, answered) = channel();
    for n in 0..answers {
        store.keep(Record::Message(Box::new(message((1 << 65) | n, n))));
        let answer = answer.clone();
        store.then_applied(move || answer.send(()).unwrap_or_default());
    }
    drop(answer);
    let count = answered.iter().count();
    let (elapsed, used) = (clock::mono().since(began), cpu() - used);
    report("answers, asked for at once", count, elapsed, used);
    Ok(())
}

fn wait(store: &Store) -> Result<(), Failure> {
    let (answer, answered) = channel();
    store.then_applied(move || answer.send(()).unwrap_or_default());
    answered.recv()?;
    Ok(())
}

/// Lists and search.
async fn ask(database: &Path, times: usize) -> Result<(), Failure> {
    let readers = Readers::open(database, 4).await?;
    let everything = Sight::Everything;
    let one = Sight::Inboxes(["inbox-3".into()].into());
    let list = |view: View| ConversationQuery {
        view,
        user: Some(user(1)),
        limit: 50,
        ..ConversationQuery::default()
    };
    let search = |words: &str| ConversationQuery {
        search: Some(words.to_owned()),
        ..list(View::Everything)
    };
    let middle = readers
        .conversations(&everything, &search("word50000"))
        .await?;
    let middle = middle.items.first().map(|item| ringdesk::store::Cursor {
        at: item.conversation.last_message,
        id: item.conversation.id.0,
    });
    let far = ConversationQuery {
        place: middle.map_or(Place::Latest, Place::OlderThan),
        ..list(View::Everything)
    };
    let of_contact = ConversationQuery {
        contact: Some(contact(77).id),
        ..list(View::Everything)
    };
    for (name, sight, query) in [
        ("not closed", &everything, list(View::All)),
        ("not closed, one inbox of ten", &one, list(View::All)),
        ("unassigned", &everything, list(View::Unassigned)),
        ("mine", &everything, list(View::Mine(user(1)))),
        (
            "missed calls, of which there are none",
            &everything,
            list(View::MissedCalls),
        ),
        ("everything, from the middle on", &everything, far),
        ("closed", &one, list(View::Closed)),
        ("of a contact", &everything, of_contact),
        ("search, a word in one", &everything, search("word50000")),
        ("search, a word in all", &everything, search("parcel")),
        (
            "search, two words in all",
            &everything,
            search("where parcel"),
        ),
        (
            "search, the beginning of many words",
            &everything,
            search("wo"),
        ),
        ("search, one inbox of ten", &one, search("parcel")),
    ] {
        let (began, used) = (clock::mono(), cpu());
        let mut found = 0;
        for _ in 0..times {
            let page: Page<_> = readers.conversations(sight, &query).await?;
            found = page.items.len();
        }
        let (elapsed, used) = (clock::mono().since(began), cpu() - used);
        report(&format!("page of {found}, {name}"), times, elapsed, used);
    }
    let (began, used) = (clock::mono(), cpu());
    for _ in 0..times {
        let views = [View::All, View::Unassigned, View::Mine(user(1))];
        readers.counts(&everything, Some(&user(1)), &views).await?;
    }
    report(
        "counts of three views",
        times,
        clock::mono().since(began),
        cpu() - used,
    );
    let (began, used) = (clock::mono(), cpu());
    for n in 0..times as u128 {
        let id = conversation(n).id;
        readers.messages(&one, id, MessagePlace::Latest, 50).await?;
    }
    report(
        "messages of a conversation",
        times,
        clock::mono().since(began),
        cpu() - used,
    );
    let (began, used) = (clock::mono(), cpu());
    for _ in 0..times {
        let query = ContactQuery {
            search: Some("contact 77".to_owned()),
            limit: 50,
            ..ContactQuery::default()
        };
        readers.contacts(&query).await?;
    }
    report(
        "search of contacts",
        times,
        clock::mono().since(began),
        cpu() - used,
    );
    Ok(())
}

/// What the daemon reads when it starts.
async fn start(database: &Path) -> Result<(), Failure> {
    let mut reader = Reader::open(database).await?;
    let (began, used) = (clock::mono(), cpu());
    let open = reader.open_conversations().await?.len();
    report(
        "conversations read at a start",
        open,
        clock::mono().since(began),
        cpu() - used,
    );
    let (began, used) = (clock::mono(), cpu());
    let contacts = reader.all_contacts().await?.len();
    report(
        "contacts read at a start",
        contacts,
        clock::mono().since(began),
        cpu() - used,
    );
    Ok(())
}

fn report(what: &str, count: usize, elapsed: Duration, used: Duration) {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1) as f64;
    println!(
        "store: {what}: {count}, {:.1} us of CPU each, {:.1} us of time each",
        each(used),
        each(elapsed)
    );
}

/// What each thread had run when it was looked at last: one that has ended is not told of any more.
static RUN: Mutex<BTreeMap<OsString, u64>> = Mutex::new(BTreeMap::new());

/// What all threads of this process have run, as the scheduler counts it.
fn cpu() -> Duration {
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    for thread in fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let told = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        if let Some(Ok(nanos)) = told.split(' ').next().map(str::parse) {
            run.insert(thread.file_name(), nanos);
        }
    }
    Duration::from_nanos(run.values().sum())
}

fn at(n: u128) -> Wall {
    Wall::from_seconds(1_700_000_000 + i64::try_from(n % (1 << 40)).unwrap_or_default())
}

fn user(n: u128) -> UserName {
    UserName::from(format!("user-{}", n % 100))
}

fn contact(n: u128) -> ContactRecord {
    ContactRecord {
        id: ContactId(Uuid::from_u128(n % 10_000 + 1)),
        revision: u64::try_from(n).unwrap_or_default() + 1,
        name: format!("Contact {}", n % 10_000),
        addresses: vec![format!("contact{}@example.com", n % 10_000)],
        ..ContactRecord::default()
    }
}

fn conversation(n: u128) -> ConversationRecord {
    let closed = !n.is_multiple_of(10);
    ConversationRecord {
        inbox: Some(format!("inbox-{}", n / 10 % 10).into()),
        status: if closed { Status::Closed } else { Status::Open },
        subject: format!("Question number {n}"),
        contact: Some(contact(n).id),
        contact_name: contact(n).name,
        contact_address: contact(n).addresses.into_iter().next(),
        preview: "Hello, where is my parcel?".to_owned(),
        replied: closed,
        assignee: (!n.is_multiple_of(20)).then(|| Assignee::User(user(n / 10))),
        assigned: Some(at(n)),
        closed: closed.then(|| at(n)),
        ..ConversationRecord::begun(
            ConversationId(Uuid::from_u128(n + 1)),
            Kind::Email,
            "support".into(),
            at(n),
        )
    }
}

/// Some forty words, one of them in no other conversation.
fn message(id: u128, n: u128) -> MessageRecord {
    MessageRecord {
        author_name: contact(n).name,
        text: format!(
            "Hello, where is my parcel? I ordered it three weeks ago, paid at once, and was told that \
             it would be here within five days. The number that you gave me is word{n}, and nobody \
             knows it. Please tell me what to do. Kind regards"
        ),
        external_id: Some(format!("{id}@example.com")),
        ..MessageRecord::new(
            MessageId(Uuid::from_u128(id + 1)),
            conversation(n).id,
            at(n),
            MessageKind::Received,
            Author::Contact,
        )
    }
}
