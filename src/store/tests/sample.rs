//! Records with plain defaults, which a test changes where it is about something.

use uuid::Uuid;

use crate::core::conversation::{
    Assignee, Attachment, Author, ContactRecord, ConversationRecord, MessageKind, MessageRecord,
};
use crate::core::id::{
    AttachmentId, CallId, ContactId, ConversationId, DecisionId, MessageId, VoicemailId,
};
use crate::core::record::{
    AssignmentRecord, CallOutcome, CallRecord, DecisionRecord, Record, VoicemailRecord,
};
use crate::core::routing::{Facts, Request, Selection, To, route};
use crate::core::sample::{at, channel, snapshot};
use crate::core::snapshot::Kind;
use crate::core::time::Wall;
use crate::store::{ConversationQuery, ListedConversation, Page, Readers, Sight, StoreError};

/// Second `n` of the test's day.
pub fn second(n: i64) -> Wall {
    Wall::from_seconds(1_796_200_000 + n)
}

/// Conversation `n`.
pub fn conversation_id(n: u128) -> ConversationId {
    ConversationId(Uuid::from_u128((0xc0 << 120) | n))
}

/// Message `n`.
pub fn message_id(n: u128) -> MessageId {
    MessageId(Uuid::from_u128((0x3e << 120) | n))
}

/// Attachment `n`.
pub fn attachment_id(n: u128) -> AttachmentId {
    AttachmentId(Uuid::from_u128((0xa7 << 120) | n))
}

/// Contact `n`.
pub fn contact_id(n: u128) -> ContactId {
    ContactId(Uuid::from_u128((0xc7 << 120) | n))
}

/// An open, unassigned email of second `n`, in the inbox `customers`.
pub fn conversation(n: u128) -> ConversationRecord {
    let at = second(i64::try_from(n).unwrap());
    ConversationRecord {
        inbox: Some("customers".into()),
        subject: format!("Question {n}"),
        contact_name: "Kari Nordmann".to_owned(),
        contact_address: Some("kari@example.com".to_owned()),
        preview: "Hello".to_owned(),
        awaits_reply_since: Some(at),
        ..ConversationRecord::begun(conversation_id(n), Kind::Email, "support".into(), at)
    }
}

/// A message from the contact, number `n`, in conversation `n`.
pub fn message(n: u128) -> MessageRecord {
    MessageRecord {
        author_name: "Kari Nordmann <kari@example.com>".to_owned(),
        subject: Some(format!("Question {n}")),
        text: "Hello, where is my parcel?".to_owned(),
        ..MessageRecord::new(
            message_id(n),
            conversation_id(n),
            second(i64::try_from(n).unwrap()),
            MessageKind::Received,
            Author::Contact,
        )
    }
}

/// Attachment `n`, in a file of that number.
pub fn attachment(n: u128) -> Attachment {
    Attachment {
        id: attachment_id(n),
        file_name: format!("invoice {n}.pdf"),
        content_type: "application/pdf".to_owned(),
        size: 5,
        path: format!("2026/12/02/{n}").into(),
        content_id: None,
    }
}

/// Contact `n`.
pub fn contact(n: u128) -> ContactRecord {
    ContactRecord {
        id: contact_id(n),
        revision: 1,
        name: format!("Contact {n}"),
        addresses: vec![format!("contact{n}@example.com")],
        created: second(0),
        changed: second(0),
        ..ContactRecord::default()
    }
}

/// A voicemail of 5 s, number `n`, in conversation `n`.
pub fn voicemail(n: u128) -> VoicemailRecord {
    VoicemailRecord {
        id: VoicemailId(Uuid::from_u128((0x70 << 120) | n)),
        call: CallId(Uuid::from_u128((0xca << 120) | n)),
        conversation: conversation_id(n),
        channel: "main-line".into(),
        from: Some("+4790000001".parse().unwrap()),
        from_name: None,
        began: second(i64::try_from(n).unwrap()),
        seconds: Some(5.0),
        kept: true,
        file: format!("2026/12/02/{n}.wav").into(),
        notify: Vec::new(),
    }
}

/// Conversation `n` is given to `to`.
pub fn assignment(n: u128, to: Option<Assignee>, at: i64) -> Record {
    Record::Assignment(AssignmentRecord {
        conversation: conversation_id(n),
        to,
        by: "rule".to_owned(),
        at: second(at),
        decision: None,
    })
}

/// As a record.
pub fn item(conversation: ConversationRecord) -> Record {
    Record::Item(Box::new(conversation))
}

/// As a record.
pub fn said(message: MessageRecord) -> Record {
    Record::Message(Box::new(message))
}

/// A call of second `n` that nobody took, told of in conversation `n`.
pub fn call(n: u128) -> CallRecord {
    CallRecord {
        id: voicemail(n).call,
        channel: Some("main-line".into()),
        trunk: None,
        from: Some("+4790000001".parse().unwrap()),
        from_name: None,
        to: "+4722334455".to_owned(),
        began: second(i64::try_from(n).unwrap()),
        answered: None,
        ended: Some(second(i64::try_from(n).unwrap())),
        answered_by: None,
        outcome: Some(CallOutcome::Missed),
        detail: String::new(),
        sip_call_id: format!("sip-{n}"),
        snapshot: 1,
    }
}

/// Decision `n`, about conversation `n`.
pub fn decision(n: u128) -> DecisionRecord {
    let snapshot = snapshot(vec![], vec![], vec![channel(vec![])]);
    let request = Request {
        kind: Kind::Call,
        to: To::Number("+4722334455".parse().unwrap()),
        from: None,
        sender: Some("kari@example.com".to_owned()),
        trunk: None,
        selection: Selection::First,
    };
    let facts = Facts::default();
    DecisionRecord {
        id: DecisionId(Uuid::from_u128((0xde << 120) | n)),
        call: None,
        conversation: Some(conversation_id(n)),
        at: second(i64::try_from(n).unwrap()),
        decision: route(&snapshot, &facts, &request, at("2026-12-02T10:40:00Z")),
        request,
        facts,
        remark: None,
    }
}

/// A database with these records in it.
pub struct Kept {
    pub files: super::Files,
    runtime: tokio::runtime::Runtime,
    pub readers: Readers,
}

impl Kept {
    pub fn of(records: impl IntoIterator<Item = Record>) -> Kept {
        let mut files = super::Files::new();
        let store = files.open();
        for record in records {
            assert!(store.keep(record));
        }
        drop(store);
        let complaints: Vec<String> = files.complaints.as_ref().unwrap().try_iter().collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        let runtime = super::runtime();
        let readers = runtime
            .block_on(Readers::open(&files.database(), 2))
            .unwrap();
        Kept {
            files,
            runtime,
            readers,
        }
    }

    /// The same database, opened again.
    pub fn again(self) -> Kept {
        let database = self.files.database();
        let readers = self.runtime.block_on(Readers::open(&database, 2)).unwrap();
        Kept { readers, ..self }
    }

    pub fn ask<T>(&self, question: impl Future<Output = Result<T, StoreError>>) -> T {
        self.runtime.block_on(question).unwrap()
    }

    /// The numbers of the conversations that this lists.
    pub fn listed(&self, query: &ConversationQuery) -> Vec<u128> {
        let page = self.ask(self.readers.conversations(&Sight::Everything, query));
        numbers(&page)
    }
}

/// The numbers of the conversations of a page.
pub fn numbers(page: &Page<ListedConversation>) -> Vec<u128> {
    let ids = page
        .items
        .iter()
        .map(|item| item.conversation.id.0.as_u128());
    ids.map(|id| id & u128::from(u64::MAX)).collect()
}
