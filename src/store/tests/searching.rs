//! Search finds what people mean, and what they type is never more than words.

use super::sample::{
    Kept, attachment, contact, conversation, conversation_id, item, message, message_id, said,
};
use crate::core::conversation::Gone;
use crate::core::record::Record;
use crate::store::{ContactQuery, ConversationQuery, MessagePlace, Place, Sight, View};

fn search(words: &str) -> ConversationQuery {
    ConversationQuery {
        view: View::Everything,
        search: Some(words.to_owned()),
        limit: 100,
        ..ConversationQuery::default()
    }
}

/// What people may type or send to make trouble.
const HOSTILE: &[&str] = &[
    "'",
    "\"",
    "'; DROP TABLE messages; --",
    "\" OR 1=1 --",
    "\") OR (\"",
    "text:parcel",
    "parcel NOT where",
    "NEAR(a b, 5)",
    "^parcel",
    "parcel*",
    "{text subject}: parcel",
    "-parcel",
    "AND",
    "OR OR",
    "(",
    "\0",
    "a\0b",
    "%",
    "_",
    "\\",
    "💥",
    "\u{202e}",
    "rank:bm25(10)",
];

#[test]
fn words_are_found_in_subject_contact_text_answers_and_names_of_files() {
    let mut about_money = conversation(1);
    about_money.subject = "Refund".to_owned();
    about_money.contact_name = "Åse Øverland".to_owned();
    about_money.contact_address = Some("ase@fjord.example".to_owned());
    let mut first = message(1);
    first.text = "I paid twice, Straße 5.".to_owned();
    first.fields = vec![("Order".to_owned(), "A-77123".to_owned())];
    first.attachments = vec![attachment(9)];
    let mut second = message(3);
    second.conversation = conversation_id(1);
    second.text = "Any news?".to_owned();
    let mut by_phone = conversation(2);
    by_phone.from = Some("+4790000001".parse().unwrap());
    by_phone.subject = "+4790000001".to_owned();
    let kept = Kept::of([
        item(about_money),
        said(first),
        said(second),
        item(by_phone),
        said(message(2)),
    ]);
    for (words, found) in [
        ("refund", &[1][..]),
        ("REFUND", &[1]),
        ("refu", &[1]),
        ("efund", &[]),
        ("ase", &[1]),
        ("Øverland åse", &[1]),
        ("ase@fjord.example", &[1]),
        ("a-77123", &[1]),
        ("invoice", &[1]),
        // In different messages of one conversation.
        ("paid news", &[1]),
        ("refund news", &[1]),
        ("refund parcel", &[]),
        ("parcel", &[2]),
        ("kari", &[2, 1]),
        ("90000001", &[2]),
        ("+47 900 00 001", &[2]),
        ("nothing", &[]),
        ("   ", &[]),
    ] {
        assert_eq!(kept.listed(&search(words)), found, "{words:?}");
    }
}

#[test]
fn what_was_reworded_is_found_by_its_new_words_only() {
    let mut renamed = conversation(1);
    renamed.revision = 2;
    renamed.subject = "Umbrella".to_owned();
    let mut edited = message(1);
    edited.text = "a different story".to_owned();
    let kept = Kept::of([
        item(conversation(1)),
        said(message(1)),
        item(conversation(2)),
        item(renamed),
        said(edited),
    ]);
    assert_eq!(kept.listed(&search("umbrella")), [1]);
    assert_eq!(kept.listed(&search("story")), [1]);
    assert_eq!(kept.listed(&search("parcel")), []);
    assert_eq!(kept.listed(&search("question")), [2, 1], "in the message");
}

/// Conversations that have the word so often that it is not gathered at once, each with an old message.
const WORDY: std::ops::RangeInclusive<u128> = 2..=22;

/// A message of every wordy conversation, 10,500 in all.
fn wordy(extra: impl Iterator<Item = u128>) -> Vec<Record> {
    let wordy = WORDY.flat_map(|n| {
        let messages = (0..500).map(move |m| {
            let mut umbrella = message(n * 1_000 + m);
            umbrella.conversation = conversation_id(n);
            umbrella.text = "Umbrella".to_owned();
            said(umbrella)
        });
        std::iter::once(item(conversation(n))).chain(messages)
    });
    let extra = extra.map(|n| item(conversation(n)));
    wordy.chain(extra).collect()
}

#[test]
fn a_word_that_stands_in_very_many_messages_is_found_in_old_ones_too() {
    let mut old = conversation(1);
    // Something was said in it just now that does not have the word.
    old.last_message = conversation(99).last_message;
    let mut first = message(1);
    first.text = "My umbrella, with a unicorn".to_owned();
    let mut records = vec![item(old), said(first)];
    records.extend(wordy(std::iter::empty()));
    let kept = Kept::of(records);
    let all: Vec<u128> = std::iter::once(1).chain(WORDY.rev()).collect();
    assert_eq!(kept.listed(&search("umbrella")), all);
    assert_eq!(kept.listed(&search("umbr")), all, "the beginning of it");
    assert_eq!(kept.listed(&search("umbrella unicorn")), [1]);
    assert_eq!(kept.listed(&search("umbrella elephant")), []);
    let mut query = search("umbrella");
    query.limit = 5;
    let mut paged = Vec::new();
    loop {
        let page = kept.ask(kept.readers.conversations(&Sight::Everything, &query));
        paged.extend(super::sample::numbers(&page));
        let Some(older) = page.older else { break };
        query.place = Place::OlderThan(older);
    }
    assert_eq!(paged, all);
    let sight = Sight::Inboxes(["nobody's".into()].into());
    let asked = search("umbrella");
    let seen = kept.ask(kept.readers.conversations(&sight, &asked));
    assert_eq!(seen.items, []);
}

#[test]
fn a_search_that_looks_through_very_many_goes_on_with_the_next_page() {
    // Later than those with the word, and without it: more than one page looks through.
    let kept = Kept::of(wordy(100_000..104_100));
    let page = kept.ask(
        kept.readers
            .conversations(&Sight::Everything, &search("umbrella")),
    );
    assert_eq!(page.items, []);
    let mut query = search("umbrella");
    query.place = Place::OlderThan(page.older.unwrap());
    assert_eq!(kept.listed(&query), WORDY.rev().collect::<Vec<_>>());
}

#[test]
fn whatever_is_typed_is_words_and_no_error() {
    let kept = Kept::of([
        item(conversation(1)),
        said(message(1)),
        item(conversation(2)),
    ]);
    for typed in HOSTILE {
        let found = kept.listed(&search(typed));
        assert!(found.iter().all(|n| *n == 1), "{typed:?} found {found:?}");
        let query = ContactQuery {
            search: Some((*typed).to_owned()),
            limit: 10,
            ..ContactQuery::default()
        };
        let asked = kept.readers.contacts(&query);
        kept.ask(asked);
    }
    // Nothing was dropped.
    assert_eq!(kept.listed(&search("parcel")), [1]);
}

#[test]
fn names_and_texts_from_outside_are_kept_as_they_came() {
    let records = HOSTILE.iter().enumerate().flat_map(|(n, hostile)| {
        let n = n as u128 + 1;
        let mut conversation = conversation(n);
        conversation.subject = (*hostile).to_owned();
        conversation.channel = (*hostile).into();
        conversation.contact_name = (*hostile).to_owned();
        let mut message = message(n);
        message.text = (*hostile).to_owned();
        message.external_id = Some((*hostile).to_owned());
        let mut contact = contact(n);
        contact.name = (*hostile).to_owned();
        contact.addresses = vec![(*hostile).to_owned()];
        [
            item(conversation),
            said(message),
            Record::Contact(Box::new(contact)),
        ]
    });
    let kept = Kept::of(records.collect::<Vec<_>>());
    for (n, hostile) in HOSTILE.iter().enumerate() {
        let n = n as u128 + 1;
        let channel = (*hostile).into();
        let found = kept
            .ask(kept.readers.message_named(&channel, hostile))
            .unwrap();
        assert_eq!(found.message.id, message_id(n));
        assert_eq!(found.message.text, *hostile);
        assert_eq!(found.conversation.subject, *hostile);
        let by_address = crate::store::ContactKey::Address((*hostile).to_owned());
        let contacts = kept.ask(kept.readers.contacts_by(&by_address));
        assert_eq!(contacts.len(), 1, "{hostile:?}");
        let of_channel = ConversationQuery {
            channel: Some(channel),
            limit: 10,
            ..ConversationQuery::default()
        };
        assert_eq!(kept.listed(&of_channel), [n]);
    }
}

#[test]
fn contacts_are_found_by_name_address_number_and_note_unless_they_are_gone() {
    let mut kari = contact(1);
    kari.name = "Kari Nordmann".to_owned();
    kari.addresses = vec!["kari@example.com".to_owned()];
    kari.numbers = vec!["+4790000001".parse().unwrap()];
    kari.note = "prefers mornings".to_owned();
    let mut gone = kari.clone();
    gone.id = contact(2).id;
    gone.gone = Some(Gone::Deleted);
    let kept = Kept::of([kari, gone, contact(3)].map(|it| Record::Contact(Box::new(it))));
    let found = |words: &str| {
        let query = ContactQuery {
            search: Some(words.to_owned()),
            limit: 10,
            ..ContactQuery::default()
        };
        let asked = kept.readers.contacts(&query);
        let (contacts, more) = kept.ask(asked);
        assert!(!more);
        contacts.iter().map(|it| it.id).collect::<Vec<_>>()
    };
    for words in [
        "kari",
        "nordm",
        "kari@example.com",
        "900 00 001",
        "mornings",
        "kari morn",
    ] {
        assert_eq!(found(words), [contact(1).id], "{words:?}");
    }
    assert_eq!(found("kari nobody"), []);
    assert_eq!(found("contact3"), [contact(3).id]);
}

#[test]
fn a_mails_ancestors_are_found_at_once_in_whatever_channel() {
    let mut first = message(1);
    first.external_id = Some("one@example.com".to_owned());
    let mut second = message(2);
    second.external_id = Some("two@example.com".to_owned());
    let kept = Kept::of([
        item(conversation(1)),
        item(conversation(2)),
        said(first),
        said(second),
    ]);
    let named = |ids: &[&str]| -> Vec<_> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let found = kept.ask(kept.readers.messages_named(&ids));
        found.iter().map(|it| it.conversation.id).collect()
    };
    assert_eq!(
        named(&["two@example.com", "none", "one@example.com"]),
        [conversation_id(2), conversation_id(1)]
    );
    assert_eq!(named(&[]), []);
    let other = "other".into();
    assert!(
        kept.ask(kept.readers.message_named(&other, "one@example.com"))
            .is_none()
    );
    let page = kept.ask(kept.readers.messages(
        &Sight::Everything,
        conversation_id(1),
        MessagePlace::Latest,
        10,
    ));
    assert_eq!(page.items.len(), 1);
}
