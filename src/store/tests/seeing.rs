//! Nothing outside somebody's sight is ever returned, question by question.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::Pin;

use super::sample::{
    Kept, assignment, attachment, attachment_id, call, conversation, conversation_id, decision,
    item, message, message_id, numbers, said, voicemail,
};
use crate::core::conversation::{Assignee, ContactRecord, Status};
use crate::core::id::{ConversationId, LegId};
use crate::core::name::UserName;
use crate::core::record::{CallRecord, LegRecord, Record};
use crate::store::{
    CallQuery, ConversationQuery, MessagePlace, Place, Readers, Sight, StoreError, View,
    VoicemailQuery,
};

/// The words of the conversation that must not be seen; every row of it carries them.
const SECRET: &str = "zanzibar";

/// Conversation `n` with everything that can hang on one, of that inbox and with that word.
fn whole(n: u128, inbox: Option<&str>, word: &str) -> Vec<Record> {
    let mut conversation = conversation(n);
    conversation.inbox = inbox.map(Into::into);
    conversation.subject = word.to_owned();
    conversation.contact_name = word.to_owned();
    let mut text = message(n);
    text.text = word.to_owned();
    text.author_name = word.to_owned();
    text.external_id = Some(format!("{word}@example.com"));
    text.call = Some(call(n).id);
    text.earlier_calls = vec![call(n + 500).id];
    text.voicemail = Some(voicemail(n).id);
    let mut file = attachment(n);
    file.file_name = word.to_owned();
    text.attachments = vec![file];
    let mut call = call(n);
    call.detail = word.to_owned();
    let earlier = CallRecord {
        detail: word.to_owned(),
        ..super::sample::call(n + 500)
    };
    let mut recorded = voicemail(n);
    recorded.from_name = Some(word.to_owned());
    let mut decided = decision(n);
    decided.remark = Some(word.to_owned());
    let mut decided_of_call = decision(n + 1_000);
    decided_of_call.call = Some(call.id);
    decided_of_call.conversation = None;
    decided_of_call.remark = Some(word.to_owned());
    vec![
        item(conversation),
        said(text),
        Record::Leg(LegRecord {
            id: LegId(uuid::Uuid::from_u128(n)),
            call: call.id,
            user: None,
            uri: format!("sip:{word}@example.com"),
            began: call.began,
            answered: None,
            ended: None,
            status: None,
            reason: String::new(),
        }),
        Record::Call(call),
        Record::Call(earlier),
        Record::Voicemail(recorded),
        Record::Decision(Box::new(decided)),
        Record::Decision(Box::new(decided_of_call)),
        assignment(n, Some(Assignee::Team(word.into())), 1),
    ]
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<String, StoreError>> + 'a>>;

/// A question, and its answer as text.
type Question = for<'a> fn(&'a Readers, &'a Sight) -> Answer<'a>;

fn told<'a, T: Debug>(asked: impl Future<Output = Result<T, StoreError>> + 'a) -> Answer<'a> {
    Box::pin(async move { Ok(format!("{:?}", asked.await?)) })
}

fn list(view: View) -> ConversationQuery {
    ConversationQuery {
        view,
        limit: 100,
        ..ConversationQuery::default()
    }
}

async fn listed(
    readers: &Readers,
    sight: &Sight,
    query: ConversationQuery,
) -> Result<impl Debug, StoreError> {
    readers.conversations(sight, &query).await
}

/// Every question that takes a sight, about conversation 1, by the name of its function.
const QUESTIONS: &[(&str, Question)] = &[
    ("conversations", |r, s| told(listed(r, s, list(View::All)))),
    ("conversations", |r, s| {
        told(listed(r, s, list(View::Everything)))
    }),
    ("conversations", |r, s| {
        told(listed(r, s, list(View::Unassigned)))
    }),
    ("conversations", |r, s| {
        let mut query = list(View::All);
        query.status = Some(Status::Open);
        query.kind = Some(crate::core::snapshot::Kind::Email);
        query.channel = Some("support".into());
        query.user = Some("anna".into());
        query.unread = true;
        told(listed(r, s, query))
    }),
    ("conversations", |r, s| {
        let mut query = list(View::All);
        query.inbox = Some("customers".into());
        told(listed(r, s, query))
    }),
    ("conversations", |r, s| {
        let mut query = list(View::Everything);
        query.search = Some(SECRET.to_owned());
        told(listed(r, s, query))
    }),
    ("conversations", |r, s| {
        let mut query = list(View::Everything);
        query.place = Place::NewerThan("0.00000000000000000000000000000000".parse().unwrap());
        told(listed(r, s, query))
    }),
    ("conversation", |r, s| {
        told(r.conversation(s, conversation_id(1)))
    }),
    ("conversation_for", |r, s| {
        told(r.conversation_for(s, conversation_id(1), None))
    }),
    ("assignments", |r, s| {
        told(r.assignments(s, conversation_id(1)))
    }),
    ("decisions", |r, s| told(r.decisions(s, conversation_id(1)))),
    ("messages", |r, s| {
        told(r.messages(s, conversation_id(1), MessagePlace::Latest, 10))
    }),
    ("messages", |r, s| {
        let before = MessagePlace::Before(message_id(2));
        told(r.messages(s, conversation_id(1), before, 10))
    }),
    ("message", |r, s| told(r.message(s, message_id(1)))),
    ("attachment", |r, s| told(r.attachment(s, attachment_id(1)))),
    ("voicemails", |r, s| {
        told(async move {
            let query = VoicemailQuery {
                limit: 100,
                ..VoicemailQuery::default()
            };
            r.voicemails(s, &query).await
        })
    }),
    ("voicemail", |r, s| told(r.voicemail(s, voicemail(1).id))),
    ("calls", |r, s| {
        told(async move {
            let query = CallQuery {
                limit: 100,
                ..CallQuery::default()
            };
            r.calls(s, &query).await
        })
    }),
    ("call", |r, s| told(r.call(s, call(1).id))),
    ("call", |r, s| told(r.call(s, call(501).id))),
    ("legs", |r, s| told(r.legs(s, call(1).id))),
    ("decisions_of_call", |r, s| {
        told(r.decisions_of_call(s, call(1).id))
    }),
];

/// Questions that no sight limits, each with its reason.
const UNLIMITED: &[(&str, &str)] = &[
    ("open", "opens the database"),
    (
        "conversations_of_visitor",
        "who holds the cookie began them",
    ),
    ("conversations_of_customer_agents", "for Ringdesk itself"),
    ("message_named", "for the edges, which show it to nobody"),
    ("messages_named", "for the edges, which show it to nobody"),
    ("undelivered", "for the edges that deliver"),
    ("conversations_beginning", "for the admin of the machine"),
    ("contacts", "contacts belong to no inbox"),
    ("contact", "contacts belong to no inbox"),
    ("contacts_by", "contacts belong to no inbox"),
    ("session", "belongs to a user"),
    ("sessions_of", "belongs to a user"),
    ("presence", "belongs to users"),
    ("audit", "for admins; belongs to no inbox"),
];

fn inboxes(names: &[&str]) -> Sight {
    Sight::Inboxes(names.iter().map(|name| (*name).into()).collect())
}

#[test]
fn a_conversation_out_of_sight_never_appears() {
    let records = (whole(1, Some("customers"), SECRET).into_iter())
        .chain(whole(2, Some("sales"), "visible"))
        .chain(whole(3, None, "visible"));
    let kept = Kept::of(records);
    for (place, (name, question)) in QUESTIONS.iter().enumerate() {
        for sight in [Sight::Everything, inboxes(&["customers"])] {
            let answer = kept.ask(question(&kept.readers, &sight));
            assert!(answer.contains(SECRET), "{place} {name} finds it: {answer}");
        }
        // A name that would close the list, were it not data.
        for sight in [
            inboxes(&["sales"]),
            inboxes(&[]),
            inboxes(&["", "x') OR ('1'='1"]),
        ] {
            let answer = kept.ask(question(&kept.readers, &sight));
            assert!(!answer.contains(SECRET), "{place} {name}: {answer}");
        }
    }
}

#[test]
fn every_question_is_asked_within_sight_or_says_why_not() {
    let sources = [
        include_str!("../readers/mod.rs"),
        include_str!("../readers/calls.rs"),
        include_str!("../readers/contacts.rs"),
        include_str!("../readers/conversations.rs"),
        include_str!("../readers/messages.rs"),
        include_str!("../readers/people.rs"),
        include_str!("../readers/voicemails.rs"),
    ];
    let mut limited = BTreeSet::new();
    let mut unlimited = BTreeSet::new();
    for source in sources {
        for function in source.split("pub async fn ").skip(1) {
            let (name, rest) = function.split_once('(').unwrap();
            let (arguments, _) = rest.split_once(')').unwrap();
            match arguments.contains("sight: &Sight") {
                true => limited.insert(name),
                false => unlimited.insert(name),
            };
        }
    }
    // Counted in a test of its own.
    assert!(limited.remove("counts"));
    assert_eq!(limited, QUESTIONS.iter().map(|(name, _)| *name).collect());
    assert_eq!(unlimited, UNLIMITED.iter().map(|(name, _)| *name).collect());
}

#[test]
fn what_lies_in_no_inbox_is_seen_by_everybody_and_an_unknown_inbox_by_nobody_else() {
    // As an earlier version's are until the next start.
    let mut earlier = conversation(4);
    earlier.revision = 0;
    earlier.channel = "main-line".into();
    earlier.inbox = Some("".into());
    let records = (whole(1, Some("customers"), "a").into_iter())
        .chain(whole(2, Some("sales"), "b"))
        .chain(whole(3, None, "c"))
        .chain([item(earlier)]);
    let mut kept = Kept::of(records);
    let seen = |kept: &Kept, sight: &Sight| {
        let page = kept.ask(kept.readers.conversations(sight, &list(View::All)));
        let mut seen = numbers(&page);
        seen.sort_unstable();
        seen
    };
    assert_eq!(seen(&kept, &Sight::Everything), [1, 2, 3, 4]);
    assert_eq!(seen(&kept, &inboxes(&["sales"])), [2, 3]);
    assert_eq!(seen(&kept, &inboxes(&[])), [3]);
    assert_eq!(
        seen(&kept, &inboxes(&["customers", "sales", ""])),
        [1, 2, 3]
    );

    // The next start knows the channel's inbox.
    let channels = [("main-line".into(), Some("sales".into()))];
    drop(crate::store::Store::open(&kept.files.places(), &channels.into(), |_| ()).unwrap());
    kept = kept.again();
    assert_eq!(seen(&kept, &inboxes(&["sales"])), [2, 3, 4]);
    assert_eq!(seen(&kept, &inboxes(&[])), [3]);
}

#[test]
fn counts_count_what_is_seen() {
    let records = (whole(1, Some("customers"), "a").into_iter())
        .chain(whole(2, Some("sales"), "b"))
        .chain(whole(3, None, "c"));
    let kept = Kept::of(records);
    let user = UserName::from("anna");
    for (sight, expected) in [
        (Sight::Everything, 3),
        (inboxes(&["sales"]), 2),
        (inboxes(&[]), 1),
    ] {
        let counts = kept.ask(kept.readers.counts(&sight, Some(&user), &[View::All]));
        assert_eq!((counts[0].total, counts[0].unread), (expected, expected));
    }
}

#[test]
fn a_call_that_never_became_a_conversation_is_seen_by_those_who_see_everything() {
    let kept = Kept::of([Record::Call(call(1))]);
    let id = call(1).id;
    assert!(
        kept.ask(kept.readers.call(&Sight::Everything, id))
            .is_some()
    );
    assert!(
        kept.ask(kept.readers.call(&inboxes(&["customers"]), id))
            .is_none()
    );
}

#[test]
fn a_visitor_reads_what_that_cookie_began_and_nothing_that_was_found_by_an_address() {
    let owned = |n: u128, visitor: &str| {
        let mut conversation = conversation(n);
        conversation.kind = crate::core::snapshot::Kind::Chat;
        conversation.channel = "website-chat".into();
        conversation.contact = Some(ContactRecord::default().id);
        conversation.visitor = Some(visitor.to_owned());
        conversation
    };
    let mut closed = owned(3, "mine");
    closed.status = Status::Closed;
    closed.closed = Some(closed.last_message);
    let kept = Kept::of([
        item(owned(1, "mine")),
        item(owned(2, "theirs")),
        item(closed),
        item(conversation(4)),
    ]);
    let of = |visitor: &str| -> Vec<ConversationId> {
        let channel = "website-chat".into();
        let asked = kept.readers.conversations_of_visitor(visitor, &channel, 10);
        kept.ask(asked).into_iter().map(|row| row.id).collect()
    };
    assert_eq!(of("mine"), [conversation_id(1), conversation_id(3)]);
    assert_eq!(of("theirs"), [conversation_id(2)]);
    assert_eq!(of("' OR '1'='1"), []);
}
