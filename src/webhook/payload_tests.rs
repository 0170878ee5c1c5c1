use uuid::Uuid;

use super::*;
use crate::core::conversation::{Author, MessageKind};
use crate::core::id::{AttachmentId, ContactId, ConversationId, MessageId};
use crate::core::snapshot::Secret;

fn webhook(events: &[&str], inboxes: Option<&[&str]>) -> Webhook {
    Webhook {
        name: "crm".to_owned(),
        url: "https://crm.example.com/".to_owned(),
        secret: Secret("s".to_owned()),
        events: events.iter().map(|name| (*name).to_owned()).collect(),
        inboxes: inboxes.map(|names| names.iter().map(|name| (*name).into()).collect()),
        allow_private: false,
    }
}

fn event(inbox: Option<&str>, what: Happening) -> Event {
    Event {
        at: Wall::from_seconds(0),
        inbox: inbox.map(Into::into),
        what,
    }
}

#[test]
fn who_is_told_of_what() {
    let conversation = ConversationId(Uuid::from_u128(1));
    let contact = || Happening::Contact(Box::default());
    let typing = || Happening::Typing {
        conversation,
        author: Author::Contact,
    };
    let deleted = || Happening::Deleted(conversation);
    let sales: Option<&[&str]> = Some(&["sales"]);
    for (events, inboxes, inbox, what, is_told) in [
        (&[][..], None, Some("sales"), deleted(), true),
        (&[], None, None, deleted(), true),
        (&[], None, None, contact(), true),
        (&[], None, Some("sales"), typing(), false),
        (&["typing"], None, Some("sales"), typing(), true),
        (
            &["conversation.created"],
            None,
            Some("sales"),
            deleted(),
            false,
        ),
        (
            &["conversation.deleted"],
            None,
            Some("sales"),
            deleted(),
            true,
        ),
        (&[], sales, Some("sales"), deleted(), true),
        (&[], sales, Some("support"), deleted(), false),
        (&[], sales, None, deleted(), false),
        (&["conversation.deleted"], sales, None, deleted(), false),
        (&[], sales, None, contact(), false),
        (&["contact.changed"], sales, None, contact(), true),
    ] {
        let name = what.name().unwrap();
        let told = wants(&webhook(events, inboxes), &event(inbox, what), name);
        assert_eq!(told, is_told, "{events:?} {inboxes:?} {inbox:?} {name}");
    }
}

#[test]
fn nothing_of_the_inside_goes_outside() {
    let message = MessageRecord {
        author_name: "Kari <kari@example.com>".to_owned(),
        text: "x".repeat(LONGEST_TEXT + 1),
        html: Some("<b>secret-html</b>".to_owned()),
        fields: vec![("Order".to_owned(), "42".to_owned())],
        attachments: vec![Attachment {
            id: AttachmentId(Uuid::from_u128(3)),
            file_name: "a.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            size: 7,
            path: "2026/11/secret-path".into(),
            content_id: None,
        }],
        external_id: Some("secret-external".to_owned()),
        raw: Some("secret-raw".into()),
        ..MessageRecord::new(
            MessageId(Uuid::from_u128(2)),
            ConversationId(Uuid::from_u128(1)),
            Wall::from_seconds(0),
            MessageKind::Received,
            Author::Contact,
        )
    };
    let told = message_told(&message);
    assert!(!told.to_string().contains("secret"), "{told}");
    assert_eq!(told["attachments"][0]["file_name"], "a.pdf");
    assert_eq!(told["text"].as_str().unwrap().len(), LONGEST_TEXT);
    assert_eq!(told["text_cut"], true);

    let contact = ContactRecord {
        id: ContactId(Uuid::from_u128(4)),
        name: "Kari".to_owned(),
        cookies: vec!["secret-cookie".to_owned()],
        gone: Some(Gone::Merged(ContactId(Uuid::from_u128(5)))),
        ..ContactRecord::default()
    };
    let told = contact_told(&contact);
    assert!(!told.to_string().contains("secret"), "{told}");
    assert_eq!(
        told["gone"]["merged_into"],
        "00000000-0000-0000-0000-000000000005"
    );
}

#[test]
fn the_envelope_is_json_whatever_is_in_it() {
    let data = serde_json::json!({ "text": "\"},\"type\":\"forged\"\u{2028}\0" });
    let id = EventId(Uuid::from_u128(9));
    let text = body(id, "message.added", Wall::from_seconds(0), 3, &data);
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["type"], "message.added");
    assert_eq!(read["data"], data);
    assert_eq!(read["sequence"], 3);
    assert_eq!(read.as_object().unwrap().len(), 5);
}
