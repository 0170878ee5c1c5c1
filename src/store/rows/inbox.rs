//! What the inbox keeps: conversations, messages, who has what and has read what, sessions, audit.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::{ROWS, inserting, json, push_list, replacing, signed, word};
use crate::core::conversation::{
    Assignee, Attachment, AuditRecord, Author, ConversationRecord, MessageRecord, PresenceRecord,
    SeenRecord, SessionRecord,
};
use crate::core::id::{CallId, MessageId};
use crate::core::record::{AssignmentRecord, HeardRecord};
use crate::core::time::Wall;
use crate::store::journal::Position;

/// The columns of conversations.
const CONVERSATION: [&str; 26] = [
    "id",
    "revision",
    "kind",
    "channel",
    "inbox",
    "status",
    "subject",
    "contact",
    "contact_name",
    "contact_address",
    "found_by",
    "visitor",
    "from_number",
    "item",
    "began",
    "last_message",
    "preview",
    "awaits_reply_since",
    "replied",
    "assignee_kind",
    "assignee",
    "assigned",
    "unassigned",
    "decision",
    "progress",
    "closed",
];

/// Conversations, each only where it is newer than the row; revision 0 is what earlier versions kept.
pub(super) fn conversations(rows: &[&ConversationRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = inserting("conversations", &CONVERSATION);
    statement.push_values(rows, |mut row, conversation| {
        let (assignee_kind, assignee) = assignee(conversation.assignee.as_ref());
        let text = |at: Option<Wall>| at.map(|at| at.to_string());
        row.push_bind(conversation.id.to_string())
            .push_bind(signed(conversation.revision))
            .push_bind(conversation.kind.as_str())
            .push_bind(conversation.channel.to_string())
            .push_bind(conversation.inbox.as_deref().map(str::to_owned))
            .push_bind(word(&conversation.status))
            .push_bind(conversation.subject.clone())
            .push_bind(conversation.contact.map(|contact| contact.to_string()))
            .push_bind(conversation.contact_name.clone())
            .push_bind(conversation.contact_address.clone())
            .push_bind(conversation.found_by.map(|found_by| word(&found_by)))
            .push_bind(conversation.visitor.clone())
            .push_bind(conversation.from.as_ref().map(ToString::to_string))
            .push_bind(conversation.item.map(|item| word(&item)))
            .push_bind(conversation.began.to_string())
            .push_bind(conversation.last_message.to_string())
            .push_bind(conversation.preview.clone())
            .push_bind(text(conversation.awaits_reply_since))
            .push_bind(i64::from(conversation.replied))
            .push_bind(assignee_kind)
            .push_bind(assignee)
            .push_bind(text(conversation.assigned))
            .push_bind(conversation.unassigned.map(|reason| word(&reason)))
            .push_bind(conversation.decision.map(|decision| decision.to_string()))
            .push_bind(conversation.progress.as_ref().map(json))
            .push_bind(text(conversation.closed));
    });
    statement.push(replacing("id", &CONVERSATION));
    statement.push(
        " WHERE excluded.revision > conversations.revision
             OR (excluded.revision = 0 AND conversations.revision = 0)",
    );
    statement
}

/// The columns of messages.
const MESSAGE: [&str; 21] = [
    "id",
    "conversation",
    "at",
    "kind",
    "author_kind",
    "author",
    "author_name",
    "subject",
    "text",
    "quoted",
    "html",
    "fields",
    "attachments",
    "words",
    "delivery",
    "external_id",
    "raw",
    "call",
    "earlier_calls",
    "voicemail",
    "count",
];

/// Messages that have a row already in the order of their rows, and then those that have none in
/// theirs: the search index writes out what it has collected whenever a lower row follows a higher
/// one, which costs more than the rows do.
pub(super) async fn older_first<'a>(
    connection: &mut SqliteConnection,
    messages: Vec<&'a MessageRecord>,
) -> Result<Vec<&'a MessageRecord>, sqlx::Error> {
    let mut numbers: HashMap<String, i64> = HashMap::new();
    for part in messages.chunks(ROWS) {
        let ids: Vec<MessageId> = part.iter().map(|message| message.id).collect();
        let mut question = QueryBuilder::new("SELECT id, number FROM messages WHERE id IN ");
        push_list(&mut question, &ids);
        let query = question.build().persistent(part.len() == 1);
        for row in query.fetch_all(&mut *connection).await? {
            numbers.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    let mut messages = messages;
    messages.sort_by_cached_key(|message| {
        let number = numbers.get(&message.id.to_string());
        number.copied().unwrap_or(i64::MAX)
    });
    Ok(messages)
}

/// Messages, in the order in which they are shown.
pub(super) fn messages(rows: &[&MessageRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = inserting("messages", &MESSAGE);
    statement.push_values(rows, |mut row, message| {
        let (author_kind, author) = author(&message.author);
        let raw = message.raw.as_ref();
        row.push_bind(message.id.to_string())
            .push_bind(message.conversation.to_string())
            .push_bind(message.at.to_string())
            .push_bind(word(&message.kind))
            .push_bind(author_kind)
            .push_bind(author)
            .push_bind(message.author_name.clone())
            .push_bind(message.subject.clone())
            .push_bind(message.text.clone())
            .push_bind(message.quoted.clone())
            .push_bind(message.html.clone())
            .push_bind(json(&message.fields))
            .push_bind(json(&message.attachments))
            .push_bind(words(message))
            .push_bind(json(&message.delivery))
            .push_bind(message.external_id.clone())
            .push_bind(raw.map(|path| path.to_string_lossy().into_owned()))
            .push_bind(message.call.map(|call| call.to_string()))
            .push_bind(json(&message.earlier_calls))
            .push_bind(message.voicemail.map(|voicemail| voicemail.to_string()))
            .push_bind(i64::from(message.count));
    });
    statement.push(replacing("id", &MESSAGE));
    statement
}

/// What is found by search besides the text: answers, and names of files.
fn words(message: &MessageRecord) -> String {
    let answers = message.fields.iter().map(|(_, answer)| answer.as_str());
    let files = message
        .attachments
        .iter()
        .map(|file| file.file_name.as_str());
    answers.chain(files).collect::<Vec<_>>().join("\n")
}

/// Which message each attachment belongs to.
pub(super) fn attachments(rows: &[(&Attachment, &MessageRecord)]) -> QueryBuilder<Sqlite> {
    let mut statement = inserting("attachments", &["id", "message", "conversation"]);
    statement.push_values(rows, |mut row, (attachment, message)| {
        row.push_bind(attachment.id.to_string())
            .push_bind(message.id.to_string())
            .push_bind(message.conversation.to_string());
    });
    statement.push(" ON CONFLICT (id) DO NOTHING");
    statement
}

/// Which message each missed call was counted into before its last one.
pub(super) fn earlier_calls(rows: &[(CallId, &MessageRecord)]) -> QueryBuilder<Sqlite> {
    let mut statement = inserting("earlier_calls", &["call", "message", "conversation"]);
    statement.push_values(rows, |mut row, (call, message)| {
        row.push_bind(call.to_string())
            .push_bind(message.id.to_string())
            .push_bind(message.conversation.to_string());
    });
    statement.push(" ON CONFLICT (call) DO NOTHING");
    statement
}

/// Assignments, each named by its place in the journal.
pub(super) fn assignments(rows: &[(Position, AssignmentRecord)]) -> QueryBuilder<Sqlite> {
    const COLUMNS: [&str; 8] = [
        "segment",
        "place",
        "conversation",
        "at",
        "assignee_kind",
        "assignee",
        "assigned_by",
        "decision",
    ];
    let mut statement = inserting("assignments", &COLUMNS);
    statement.push_values(rows, |mut row, (place, assignment)| {
        let (assignee_kind, assignee) = assignee(assignment.to.as_ref());
        row.push_bind(signed(place.segment))
            .push_bind(signed(place.offset))
            .push_bind(assignment.conversation.to_string())
            .push_bind(assignment.at.to_string())
            .push_bind(assignee_kind)
            .push_bind(assignee)
            .push_bind(assignment.by.clone())
            .push_bind(assignment.decision.map(|decision| decision.to_string()));
    });
    statement.push(" ON CONFLICT (segment, place) DO NOTHING");
    statement
}

/// What users said of being there.
pub(super) fn presence(rows: &[&PresenceRecord]) -> QueryBuilder<Sqlite> {
    const COLUMNS: [&str; 5] = ["user_name", "presence", "reason", "since", "until"];
    let mut statement = inserting("presence", &COLUMNS);
    statement.push_values(rows, |mut row, presence| {
        row.push_bind(presence.user.to_string())
            .push_bind(word(&presence.presence))
            .push_bind(presence.reason.clone())
            .push_bind(presence.since.to_string())
            .push_bind(presence.until.map(|until| until.to_string()));
    });
    statement.push(replacing("user_name", &COLUMNS));
    statement
}

/// How far users have read, which goes on, or begins anew.
pub(super) fn seen(rows: &[&SeenRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = inserting("seen", &["user_name", "conversation", "at"]);
    statement.push_values(rows, |mut row, seen| {
        row.push_bind(seen.user.to_string())
            .push_bind(seen.conversation.to_string())
            .push_bind(seen.at.to_string());
    });
    statement.push(
        " ON CONFLICT (user_name, conversation) DO UPDATE SET at = excluded.at
         WHERE excluded.at > seen.at OR excluded.at = ",
    );
    statement.push_bind(SeenRecord::NOTHING.to_string());
    statement
}

/// Who has signed in.
pub(super) fn sessions(rows: &[&SessionRecord]) -> QueryBuilder<Sqlite> {
    const COLUMNS: [&str; 4] = ["session_key", "user_name", "began", "expires"];
    let mut statement = inserting("sessions", &COLUMNS);
    statement.push_values(rows, |mut row, session| {
        row.push_bind(session.key.clone())
            .push_bind(session.user.to_string())
            .push_bind(session.began.to_string())
            .push_bind(session.expires.to_string());
    });
    statement.push(replacing("session_key", &COLUMNS));
    statement
}

/// Takes away the sessions that were over before one that began at `now`.
pub(super) fn sessions_over(now: Wall) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::new("DELETE FROM sessions WHERE expires < ");
    statement.push_bind(now.to_string());
    statement
}

/// What was changed over the API, each named by its place in the journal.
pub(super) fn audit(rows: &[(Position, AuditRecord)]) -> QueryBuilder<Sqlite> {
    const COLUMNS: [&str; 8] = [
        "segment", "place", "at", "actor", "address", "action", "object", "detail",
    ];
    let mut statement = inserting("audit", &COLUMNS);
    statement.push_values(rows, |mut row, (place, audit)| {
        row.push_bind(signed(place.segment))
            .push_bind(signed(place.offset))
            .push_bind(audit.at.to_string())
            .push_bind(audit.actor.clone())
            .push_bind(audit.address.clone())
            .push_bind(audit.action.clone())
            .push_bind(audit.object.clone())
            .push_bind(audit.detail.clone());
    });
    statement.push(" ON CONFLICT (segment, place) DO NOTHING");
    statement
}

/// That a voicemail was listened to, or counts as new again.
pub(super) fn heard(heard: &HeardRecord) -> QueryBuilder<Sqlite> {
    let Some(at) = heard.at else {
        let mut statement = QueryBuilder::new("DELETE FROM heard WHERE voicemail = ");
        statement.push_bind(heard.voicemail.to_string());
        return statement;
    };
    let mut statement = inserting("heard", &["voicemail", "heard_by", "at"]);
    statement.push_values([heard], |mut row, heard| {
        row.push_bind(heard.voicemail.to_string())
            .push_bind(heard.by.clone())
            .push_bind(at.to_string());
    });
    // The first to listen stays.
    statement.push(" ON CONFLICT (voicemail) DO NOTHING");
    statement
}

/// Kind and name.
pub(in crate::store) fn assignee(
    assignee: Option<&Assignee>,
) -> (Option<&'static str>, Option<String>) {
    match assignee {
        None => (None, None),
        Some(Assignee::User(user)) => (Some("user"), Some(user.to_string())),
        Some(Assignee::Team(team)) => (Some("team"), Some(team.to_string())),
        Some(Assignee::CustomerAgent(agent)) => (Some("customer-agent"), Some(agent.to_string())),
    }
}

/// Kind and name.
fn author(author: &Author) -> (&'static str, Option<String>) {
    match author {
        Author::Contact => ("contact", None),
        Author::User(user) => ("user", Some(user.to_string())),
        Author::CustomerAgent(agent) => ("customer-agent", Some(agent.to_string())),
        Author::Automatic => ("automatic", None),
    }
}
