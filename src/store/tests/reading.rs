//! Lists and pages: views, filters, places, what is unread, and what a restart reads.

use super::sample::{
    Kept, assignment, call, contact, conversation, conversation_id, item, message, message_id,
    numbers, said, second, voicemail,
};
use crate::core::conversation::{
    Assignee, AuditRecord, Author, ConversationRecord, Delivery, Gone, ItemKind, MessageKind,
    PresenceRecord, SeenRecord, SessionRecord, Status,
};
use crate::core::name::UserName;
use crate::core::record::{HeardRecord, Record};
use crate::core::routing::{FoundBy, Presence, UnassignedReason};
use crate::core::snapshot::Kind;
use crate::store::{
    CallQuery, ContactKey, ContactQuery, ConversationQuery, Count, MessagePlace, Place, Reader,
    Sight, View, VoicemailQuery,
};

fn view(view: View) -> ConversationQuery {
    ConversationQuery {
        view,
        limit: 100,
        ..ConversationQuery::default()
    }
}

/// A conversation in which everything is said that can be.
fn full() -> ConversationRecord {
    let mut it = conversation(1);
    it.kind = Kind::Chat;
    it.status = Status::Closed;
    it.contact = Some(contact(1).id);
    it.found_by = Some(FoundBy::Cookie);
    it.visitor = Some("c00c1e".to_owned());
    it.from = Some("+4790000001".parse().unwrap());
    it.item = Some(ItemKind::Voicemail);
    it.replied = true;
    it.assignee = Some(Assignee::CustomerAgent("bot".into()));
    it.assigned = Some(second(5));
    it.unassigned = Some(UnassignedReason::NobodyAvailable);
    it.decision = Some(super::sample::decision(1).id);
    it.closed = Some(second(9));
    it
}

#[test]
fn what_is_read_is_what_was_kept() {
    let mut text = message(1);
    text.kind = MessageKind::Sent;
    text.author = Author::User("anna".into());
    text.quoted = Some("> before".to_owned());
    text.html = Some("<p>hello</p>".to_owned());
    text.fields = vec![("Name".to_owned(), "Kari".to_owned())];
    text.attachments = vec![super::sample::attachment(1)];
    text.delivery = Delivery::Failed("550 no such user".to_owned());
    text.external_id = Some("a@b".to_owned());
    text.raw = Some("2026/12/02/raw".into());
    text.call = Some(call(1).id);
    text.earlier_calls = vec![call(3).id, call(2).id];
    text.voicemail = Some(voicemail(1).id);
    text.count = 3;
    let mut person = contact(1);
    person.numbers = vec!["+4790000001".parse().unwrap()];
    person.cookies = vec!["c00c1e".to_owned()];
    person.owner = Some("anna".into());
    person.external_id = Some("crm-1".to_owned());
    let mut merged = contact(2);
    merged.gone = Some(Gone::Merged(contact(1).id));
    let kept = Kept::of([
        item(full()),
        said(text.clone()),
        Record::Contact(Box::new(person.clone())),
        Record::Contact(Box::new(merged.clone())),
        Record::Call(call(1)),
        Record::Voicemail(voicemail(1)),
    ]);
    let all = &Sight::Everything;
    let read = kept.ask(kept.readers.conversation(all, conversation_id(1)));
    assert_eq!(read, Some(full()));
    let found = kept.ask(kept.readers.message(all, message_id(1))).unwrap();
    assert_eq!((found.message, found.conversation), (text.clone(), full()));
    let file = kept.ask(kept.readers.attachment(all, text.attachments[0].id));
    assert_eq!(file.unwrap().attachment, text.attachments[0]);
    let known = kept.ask(kept.readers.contact(person.id));
    assert_eq!(known.as_ref(), Some(&person));
    assert_eq!(kept.ask(kept.readers.contact(merged.id)), Some(merged));
    for key in [
        ContactKey::Address("contact1@example.com".to_owned()),
        ContactKey::Number("+4790000001".to_owned()),
        ContactKey::Cookie("c00c1e".to_owned()),
        ContactKey::ExternalId("crm-1".to_owned()),
    ] {
        let found = kept.ask(kept.readers.contacts_by(&key));
        assert_eq!(found, [person.clone()], "{key:?}");
    }
    let gone = ContactKey::Address("contact2@example.com".to_owned());
    assert_eq!(kept.ask(kept.readers.contacts_by(&gone)), []);
    assert_eq!(kept.ask(kept.readers.call(all, call(1).id)), Some(call(1)));
    let recorded = kept.ask(kept.readers.voicemail(all, voicemail(1).id));
    assert_eq!(recorded.unwrap().voicemail, voicemail(1));
}

#[test]
fn each_view_shows_its_own() {
    let has = |n: u128, change: fn(&mut ConversationRecord)| {
        let mut conversation = conversation(n);
        change(&mut conversation);
        item(conversation)
    };
    let kept = Kept::of([
        item(conversation(1)),
        has(2, |it| it.assignee = Some(Assignee::User("anna".into()))),
        has(3, |it| {
            it.assignee = Some(Assignee::User("bjorn".into()));
            it.status = Status::Waiting;
        }),
        has(4, |it| it.assignee = Some(Assignee::Team("support".into()))),
        has(5, |it| {
            it.assignee = Some(Assignee::User("anna".into()));
            it.status = Status::Closed;
        }),
        has(6, |it| {
            it.kind = Kind::Call;
            it.item = Some(ItemKind::MissedCall);
            it.contact = Some(contact(1).id);
            it.channel = "main-line".into();
        }),
        has(7, |it| {
            it.assignee = Some(Assignee::CustomerAgent("anna".into()));
        }),
        Record::Seen(SeenRecord {
            conversation: conversation_id(2),
            user: "anna".into(),
            at: second(2),
        }),
    ]);
    let support = || View::Team("support".into(), vec!["anna".into()]);
    let views = [
        (View::All, &[7, 6, 4, 3, 2, 1][..]),
        (View::Unassigned, &[6, 1]),
        (View::Mine("anna".into()), &[2]),
        (View::Mine("nobody".into()), &[]),
        (support(), &[4, 2]),
        (View::Team("support".into(), vec![]), &[4]),
        (View::Waiting, &[3]),
        (View::MissedCalls, &[6]),
        (View::Closed, &[5]),
        (View::Everything, &[7, 6, 5, 4, 3, 2, 1]),
    ];
    for (which, shown) in &views {
        assert_eq!(kept.listed(&view(which.clone())), *shown, "{which:?}");
    }
    let filtered = |change: &dyn Fn(&mut ConversationQuery)| {
        let mut query = view(View::All);
        change(&mut query);
        kept.listed(&query)
    };
    assert_eq!(filtered(&|q| q.kind = Some(Kind::Call)), [6]);
    assert_eq!(filtered(&|q| q.channel = Some("main-line".into())), [6]);
    assert_eq!(filtered(&|q| q.contact = Some(contact(1).id)), [6]);
    assert_eq!(filtered(&|q| q.inbox = Some("nowhere".into())), []);
    assert_eq!(filtered(&|q| q.status = Some(Status::Closed)), [5]);
    let agent = Assignee::CustomerAgent("anna".into());
    assert_eq!(filtered(&|q| q.assignee = Some(agent.clone())), [7]);
    let unread = |q: &mut ConversationQuery| {
        q.user = Some("anna".into());
        q.unread = true;
    };
    assert_eq!(filtered(&unread), [7, 6, 4, 3, 1]);
    let agents = kept.ask(kept.readers.conversations_of_customer_agents());
    assert_eq!(agents.len(), 1);

    // What is counted is what is listed.
    let which: Vec<View> = views.iter().map(|(view, _)| view.clone()).collect();
    let anna = UserName::from("anna");
    let counts = kept.ask(kept.readers.counts(&Sight::Everything, Some(&anna), &which));
    for ((view, shown), count) in views.iter().zip(counts) {
        let not_closed = shown.iter().filter(|n| **n != 5);
        let unread = not_closed.clone().filter(|n| **n != 2).count() as u64;
        let total = not_closed.count() as u64;
        assert_eq!(count, Count { total, unread }, "{view:?}");
    }
}

#[test]
fn a_list_is_walked_to_its_end_and_back_without_a_gap_or_a_double() {
    // Three to each second, so that places fall between rows of one time.
    let records = (1..=25u128).map(|n| {
        let mut conversation = conversation(n);
        conversation.last_message = second(i64::try_from(n / 3).unwrap());
        item(conversation)
    });
    let kept = Kept::of(records.collect::<Vec<_>>());
    let ask = |place| {
        let mut query = view(View::All);
        (query.place, query.limit) = (place, 4);
        kept.ask(kept.readers.conversations(&Sight::Everything, &query))
    };
    let expected: Vec<u128> = (1..=25).rev().collect();
    let (mut walked, mut pages, mut place) = (Vec::new(), Vec::new(), Place::Latest);
    loop {
        let page = ask(place);
        walked.extend(numbers(&page));
        let older = page.older;
        pages.push(page);
        match older {
            Some(cursor) => place = Place::OlderThan(cursor),
            None => break,
        }
    }
    assert_eq!(walked, expected);
    assert_eq!(pages[0].newer, None);
    // Back: from the last page, each page before is the one that was shown.
    let mut back = pages.pop().unwrap();
    while let Some(newer) = back.newer {
        back = ask(Place::NewerThan(newer));
        assert_eq!(numbers(&back), numbers(&pages.pop().unwrap()));
    }
    assert!(pages.is_empty());
    // A page is never larger than allowed, nor empty by request.
    let mut query = view(View::All);
    query.limit = 0;
    assert_eq!(kept.listed(&query), [25]);
    query.limit = u32::MAX;
    assert_eq!(kept.listed(&query), expected);
}

#[test]
fn a_conversation_is_unread_until_its_last_message_was_seen() {
    let seen = |at| {
        Record::Seen(SeenRecord {
            conversation: conversation_id(5),
            user: "anna".into(),
            at: second(at),
        })
    };
    let not_read = || {
        Record::Seen(SeenRecord {
            conversation: conversation_id(5),
            user: "anna".into(),
            at: SeenRecord::NOTHING,
        })
    };
    let anna = UserName::from("anna");
    for (records, unread) in [
        (vec![], true),
        (vec![seen(4)], true),
        (vec![seen(5)], false),
        // What was read stays read, whatever an older window says.
        (vec![seen(5), seen(3)], false),
        // But it can be marked as not read, and be read again.
        (vec![seen(5), not_read()], true),
        (vec![seen(5), not_read(), seen(5)], false),
    ] {
        let kept = Kept::of([item(conversation(5))].into_iter().chain(records));
        let asked =
            kept.readers
                .conversation_for(&Sight::Everything, conversation_id(5), Some(&anna));
        assert_eq!(kept.ask(asked).unwrap().unread, unread);
    }
}

#[test]
fn messages_come_in_the_order_in_which_they_were_kept_page_by_page() {
    // All in one instant, with identifiers in another order.
    let order = [7u128, 3, 9, 1, 5];
    let records = order.iter().map(|n| {
        let mut message = message(*n);
        message.conversation = conversation_id(1);
        message.at = second(1);
        said(message)
    });
    let kept = Kept::of([item(conversation(1))].into_iter().chain(records));
    let ask = |place| {
        let asked = kept
            .readers
            .messages(&Sight::Everything, conversation_id(1), place, 2);
        let page = kept.ask(asked);
        let ids: Vec<_> = page.items.iter().map(|it| it.id).collect();
        (ids, page.more)
    };
    let ids = |numbers: &[u128]| numbers.iter().map(|n| message_id(*n)).collect::<Vec<_>>();
    assert_eq!(ask(MessagePlace::Latest), (ids(&[1, 5]), true));
    assert_eq!(
        ask(MessagePlace::Before(message_id(1))),
        (ids(&[3, 9]), true)
    );
    assert_eq!(ask(MessagePlace::Before(message_id(3))), (ids(&[7]), false));
    assert_eq!(
        ask(MessagePlace::After(message_id(7))),
        (ids(&[3, 9]), true)
    );
    assert_eq!(
        ask(MessagePlace::After(message_id(9))),
        (ids(&[1, 5]), false)
    );
    assert_eq!(ask(MessagePlace::After(message_id(99))), (ids(&[]), false));
}

#[test]
fn voicemails_are_listed_new_or_heard() {
    let mut dropped = voicemail(3);
    dropped.kept = false;
    let heard = |n, at: Option<i64>| {
        Record::Heard(HeardRecord {
            voicemail: voicemail(n).id,
            by: "user anna".to_owned(),
            at: at.map(second),
        })
    };
    let kept = Kept::of([
        Record::Voicemail(voicemail(1)),
        Record::Voicemail(voicemail(2)),
        Record::Voicemail(dropped),
        Record::Voicemail(voicemail(4)),
        heard(1, Some(9)),
        heard(2, Some(9)),
        heard(2, None),
        // The row is written again after it was heard.
        Record::Voicemail(voicemail(1)),
    ]);
    let ask = |heard, limit, place| {
        let query = VoicemailQuery {
            heard,
            limit,
            place,
            ..VoicemailQuery::default()
        };
        kept.ask(kept.readers.voicemails(&Sight::Everything, &query))
    };
    let ids = |page: &crate::store::Page<crate::store::ListedVoicemail>| -> Vec<_> {
        page.items.iter().map(|it| it.voicemail.id).collect()
    };
    let latest = Place::Latest;
    assert_eq!(ids(&ask(Some(true), 9, latest)), [voicemail(1).id]);
    assert_eq!(
        ids(&ask(Some(false), 9, latest)),
        [voicemail(4).id, voicemail(2).id]
    );
    let first = ask(None, 2, latest);
    assert_eq!(ids(&first), [voicemail(4).id, voicemail(2).id]);
    let rest = ask(None, 2, Place::OlderThan(first.older.unwrap()));
    assert_eq!((ids(&rest), rest.older), (vec![voicemail(1).id], None));
    assert_eq!(rest.items[0].heard.as_ref().unwrap().by, "user anna");
}

#[test]
fn calls_are_listed_by_what_is_asked() {
    let mut answered = call(2);
    answered.answered_by = Some("anna".into());
    answered.outcome = Some(crate::core::record::CallOutcome::Answered);
    let kept = Kept::of([Record::Call(call(1)), Record::Call(answered)]);
    let ask = |change: fn(&mut CallQuery)| {
        let mut query = CallQuery {
            limit: 10,
            ..CallQuery::default()
        };
        change(&mut query);
        let page = kept.ask(kept.readers.calls(&Sight::Everything, &query));
        page.items.iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(ask(|_| ()), [call(2).id, call(1).id]);
    assert_eq!(ask(|q| q.answered_by = Some("anna".into())), [call(2).id]);
    assert_eq!(
        ask(|q| q.outcome = Some(crate::core::record::CallOutcome::Missed)),
        [call(1).id]
    );
    assert_eq!(ask(|q| q.to = Some("+4722334455' OR 1=1".to_owned())), []);
}

#[test]
fn contacts_are_listed_by_name_page_by_page() {
    let named = |n: u128, name: &str| {
        let mut contact = contact(n);
        contact.name = name.to_owned();
        contact.owner = (n == 1).then(|| "anna".into());
        Record::Contact(Box::new(contact))
    };
    let kept = Kept::of([
        named(1, "Same"),
        named(2, "Same"),
        named(3, "Able"),
        named(4, "Zoe"),
    ]);
    let ask = |after, owner: Option<&str>| {
        let query = ContactQuery {
            after,
            owner: owner.map(Into::into),
            limit: 2,
            ..ContactQuery::default()
        };
        let asked = kept.readers.contacts(&query);
        let (contacts, more) = kept.ask(asked);
        (contacts.iter().map(|it| it.id).collect::<Vec<_>>(), more)
    };
    let id = |n: u128| contact(n).id;
    assert_eq!(ask(None, None), (vec![id(3), id(1)], true));
    assert_eq!(ask(Some(id(1)), None), (vec![id(2), id(4)], false));
    assert_eq!(ask(None, Some("anna")), (vec![id(1)], false));
}

#[test]
fn the_audit_log_is_read_from_its_end_page_by_page() {
    let entry = |n: i64| {
        Record::Audit(Box::new(AuditRecord {
            at: second(1),
            actor: format!("user {n}"),
            address: "127.0.0.1".to_owned(),
            action: "prompt.replace".to_owned(),
            object: "closed".to_owned(),
            detail: String::new(),
        }))
    };
    let kept = Kept::of((1..=5).map(entry));
    let (mut actors, mut place) = (Vec::new(), None);
    loop {
        let page = kept.ask(kept.readers.audit(place, 2));
        actors.extend(page.items.into_iter().map(|it| it.actor));
        // As a client hands it back.
        place = page.older.map(|older| older.to_string().parse().unwrap());
        if place.is_none() {
            break;
        }
    }
    assert_eq!(actors, ["user 5", "user 4", "user 3", "user 2", "user 1"]);
    assert!("1.2' OR 1=1".parse::<crate::store::AuditPlace>().is_err());
}

#[test]
fn a_restart_reads_what_is_open_who_is_there_and_who_has_signed_in() {
    let mut closed = conversation(2);
    closed.status = Status::Closed;
    let mut hers = conversation(3);
    hers.assignee = Some(Assignee::User("anna".into()));
    let session = |key: &str, expires| {
        Record::Session(SessionRecord {
            key: key.to_owned(),
            user: "anna".into(),
            began: second(0),
            expires: second(expires),
        })
    };
    let away = PresenceRecord {
        user: "anna".into(),
        presence: Presence::Away,
        reason: "by hand".to_owned(),
        since: second(1),
        until: Some(second(100)),
    };
    let kept = Kept::of([
        item(conversation(1)),
        item(closed),
        item(hers.clone()),
        assignment(3, Some(Assignee::User("anna".into())), 3),
        assignment(3, Some(Assignee::Team("anna".into())), 4),
        Record::Presence(away.clone()),
        Record::Contact(Box::new(contact(1))),
        session("long", 100),
        session("short", 10),
    ]);
    kept.ask(async {
        let mut reader = Reader::open(&kept.files.database()).await?;
        assert_eq!(reader.open_conversations().await?, [conversation(1), hers]);
        assert_eq!(reader.all_contacts().await?, [contact(1)]);
        assert_eq!(reader.presence().await?, [away]);
        let sessions = reader.sessions(second(50)).await?;
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].key, "long");
        let loads = reader.loads().await?;
        assert_eq!(loads.len(), 1);
        assert_eq!(loads[0].1.open.email, 1);
        assert_eq!(loads[0].1.last_assigned, Some(second(3)));
        Ok(())
    });
    let asked = kept.readers.session("short");
    assert_eq!(kept.ask(asked).unwrap().expires, second(10));
    assert_eq!(kept.ask(kept.readers.session("' OR '1'='1")), None);
    assert_eq!(kept.ask(kept.readers.sessions_of(&"anna".into())).len(), 2);
    let given = kept.ask(
        kept.readers
            .assignments(&Sight::Everything, conversation_id(3)),
    );
    assert_eq!(given.len(), 2);
}

#[test]
fn a_closed_conversation_follows_its_contact_into_the_one_that_it_was_merged_into() {
    let closed = |n: u128, contact_of: u128| {
        let mut closed = conversation(n);
        closed.status = Status::Closed;
        closed.contact = Some(contact(contact_of).id);
        item(closed)
    };
    let gone = |n: u128, gone: Gone| {
        let mut contact = contact(n);
        contact.revision = 2;
        contact.gone = Some(gone);
        Record::Contact(Box::new(contact))
    };
    let people = (1..=4).map(|n| Record::Contact(Box::new(contact(n))));
    let records = people.chain([
        closed(1, 1),
        closed(2, 2),
        closed(3, 3),
        closed(4, 4),
        // Three into two, and that one into the first, whichever is written first.
        gone(3, Gone::Merged(contact(2).id)),
        gone(2, Gone::Merged(contact(1).id)),
        gone(4, Gone::Deleted),
    ]);
    let kept = Kept::of(records);
    let of = |n: u128| {
        let mut query = view(View::Everything);
        query.contact = Some(contact(n).id);
        kept.listed(&query)
    };
    assert_eq!(of(1), [3, 2, 1]);
    assert_eq!((of(2), of(3), of(4)), (vec![], vec![], vec![]));
    let read = kept.ask(
        kept.readers
            .conversation(&Sight::Everything, conversation_id(4)),
    );
    assert_eq!(read.unwrap().contact, None, "a deleted contact is nobody");
}
