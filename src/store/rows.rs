//! Records as rows: plain SQL that SQLite and PostgreSQL both take, many rows to a statement.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::journal::Position;
use crate::core::id::{CallId, ConversationId, LegId, VoicemailId};
use crate::core::record::{
    AssignmentRecord, CallRecord, ConversationRecord, DecisionRecord, LegRecord, Record,
    RegistrationRecord, VoicemailRecord,
};

/// Rows to a statement: SQLite allows 32,766 values in one, and the widest table has 14.
const ROWS: usize = 500;

/// A batch of records, of each row the latest.
#[derive(Debug, Default)]
pub(super) struct Batch {
    calls: BTreeMap<CallId, CallRecord>,
    legs: BTreeMap<LegId, LegRecord>,
    conversations: BTreeMap<ConversationId, ConversationRecord>,
    voicemails: BTreeMap<VoicemailId, VoicemailRecord>,
    assignments: Vec<AssignmentRecord>,
    decisions: Vec<DecisionRecord>,
    /// By user and contact; `None`: the registration ended.
    registrations: BTreeMap<(String, String), Option<RegistrationRecord>>,
}

impl Batch {
    /// Takes a record in; a later one of the same row replaces it.
    pub fn add(&mut self, record: Record) {
        match record {
            Record::Call(call) => {
                self.calls.insert(call.id, call);
            }
            Record::Leg(leg) => {
                self.legs.insert(leg.id, leg);
            }
            Record::Conversation(conversation) => {
                self.conversations.insert(conversation.id, conversation);
            }
            Record::Voicemail(voicemail) => {
                self.voicemails.insert(voicemail.id, voicemail);
            }
            Record::Item(_)
            | Record::Message(_)
            | Record::ConversationDeleted(_)
            | Record::Contact(_)
            | Record::Presence(_)
            | Record::Seen(_)
            | Record::Session(_)
            | Record::Audit(_)
            | Record::Heard(_) => {}
            Record::Assignment(assignment) => self.assignments.push(assignment),
            Record::Decision(decision) => self.decisions.push(*decision),
            Record::Registered(registration) => {
                let key = (registration.user.to_string(), registration.contact.clone());
                self.registrations.insert(key, Some(registration));
            }
            Record::Unregistered { user, contact } => {
                self.registrations.insert((user.to_string(), contact), None);
            }
        }
    }

    /// Writes all rows, and that the journal was applied up to `applied`. To be called in a
    /// transaction. Doing it again changes nothing.
    pub async fn write(
        &self,
        connection: &mut SqliteConnection,
        applied: Position,
    ) -> Result<(), sqlx::Error> {
        let calls: Vec<&CallRecord> = self.calls.values().collect();
        for rows in calls.chunks(ROWS) {
            calls_statement(rows)
                .build()
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        let legs: Vec<&LegRecord> = self.legs.values().collect();
        for rows in legs.chunks(ROWS) {
            legs_statement(rows)
                .build()
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        let conversations: Vec<&ConversationRecord> = self.conversations.values().collect();
        for rows in conversations.chunks(ROWS) {
            conversations_statement(rows)
                .build()
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        for rows in self.assignments.chunks(ROWS) {
            assignments_statement(rows)
                .build()
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        let voicemails: Vec<&VoicemailRecord> = self.voicemails.values().collect();
        for rows in voicemails.chunks(ROWS) {
            voicemails_statement(rows)
                .build()
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        for rows in self.decisions.chunks(ROWS) {
            decisions_statement(rows)
                .build()
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        self.write_registrations(connection).await?;
        let mut place = QueryBuilder::new("INSERT INTO journal (id, segment, place) VALUES (1, ");
        place
            .push_bind(signed(applied.segment))
            .push(", ")
            .push_bind(signed(applied.offset));
        place.push(
            ") ON CONFLICT (id) DO UPDATE SET segment = excluded.segment, place = excluded.place",
        );
        place.build().execute(&mut *connection).await?;
        Ok(())
    }

    async fn write_registrations(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        for ((user, contact), registration) in &self.registrations {
            let mut statement = match registration {
                Some(registration) => {
                    let mut statement = QueryBuilder::new(
                        "INSERT INTO registrations (user_name, contact, record, expires) ",
                    );
                    statement.push_values([registration], |mut row, registration| {
                        row.push_bind(user.clone())
                            .push_bind(contact.clone())
                            .push_bind(json(registration))
                            .push_bind(registration.expires.to_string());
                    });
                    statement.push(
                        " ON CONFLICT (user_name, contact) DO UPDATE SET record = excluded.record, expires = excluded.expires",
                    );
                    statement
                }
                None => {
                    let mut statement =
                        QueryBuilder::new("DELETE FROM registrations WHERE user_name = ");
                    statement.push_bind(user.clone());
                    statement.push(" AND contact = ").push_bind(contact.clone());
                    statement
                }
            };
            statement.build().execute(&mut *connection).await?;
        }
        Ok(())
    }
}

fn calls_statement(rows: &[&CallRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::new(
        "INSERT INTO calls (id, channel, trunk, from_number, from_name, to_number, began, answered, ended, answered_by, outcome, detail, sip_call_id, snapshot) ",
    );
    statement.push_values(rows, |mut row, call| {
        row.push_bind(call.id.to_string())
            .push_bind(call.channel.as_deref().map(str::to_owned))
            .push_bind(call.trunk.as_deref().map(str::to_owned))
            .push_bind(call.from.as_ref().map(ToString::to_string))
            .push_bind(call.from_name.clone())
            .push_bind(call.to.clone())
            .push_bind(call.began.to_string())
            .push_bind(call.answered.map(|at| at.to_string()))
            .push_bind(call.ended.map(|at| at.to_string()))
            .push_bind(call.answered_by.as_deref().map(str::to_owned))
            .push_bind(call.outcome.map(|outcome| word(&outcome)))
            .push_bind(call.detail.clone())
            .push_bind(call.sip_call_id.clone())
            .push_bind(signed(call.snapshot));
    });
    statement.push(
        " ON CONFLICT (id) DO UPDATE SET answered = excluded.answered, ended = excluded.ended, answered_by = excluded.answered_by, outcome = excluded.outcome, detail = excluded.detail",
    );
    statement
}

fn legs_statement(rows: &[&LegRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::new(
        "INSERT INTO legs (id, call, user_name, uri, began, answered, ended, status, reason) ",
    );
    statement.push_values(rows, |mut row, leg| {
        row.push_bind(leg.id.to_string())
            .push_bind(leg.call.to_string())
            .push_bind(leg.user.as_deref().map(str::to_owned))
            .push_bind(leg.uri.clone())
            .push_bind(leg.began.to_string())
            .push_bind(leg.answered.map(|at| at.to_string()))
            .push_bind(leg.ended.map(|at| at.to_string()))
            .push_bind(leg.status.map(i64::from))
            .push_bind(leg.reason.clone());
    });
    statement.push(
        " ON CONFLICT (id) DO UPDATE SET answered = excluded.answered, ended = excluded.ended, status = excluded.status, reason = excluded.reason",
    );
    statement
}

fn conversations_statement(rows: &[&ConversationRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::new(
        "INSERT INTO conversations (id, call, channel, item, from_number, began, assignee, closed) ",
    );
    statement.push_values(rows, |mut row, conversation| {
        row.push_bind(conversation.id.to_string())
            .push_bind(conversation.call.to_string())
            .push_bind(conversation.channel.to_string())
            .push_bind(word(&conversation.item))
            .push_bind(conversation.from.as_ref().map(ToString::to_string))
            .push_bind(conversation.began.to_string())
            .push_bind(conversation.assignee.as_deref().map(str::to_owned))
            .push_bind(conversation.closed.map(|at| at.to_string()));
    });
    statement.push(
        " ON CONFLICT (id) DO UPDATE SET item = excluded.item, assignee = excluded.assignee, closed = excluded.closed",
    );
    statement
}

fn assignments_statement(rows: &[AssignmentRecord]) -> QueryBuilder<Sqlite> {
    let mut statement =
        QueryBuilder::new("INSERT INTO assignments (conversation, user_name, at, decision) ");
    statement.push_values(rows, |mut row, assignment| {
        row.push_bind(assignment.conversation.to_string())
            .push_bind(
                assignment
                    .to
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            )
            .push_bind(assignment.at.to_string())
            .push_bind(assignment.decision.map(|decision| decision.to_string()));
    });
    statement.push(" ON CONFLICT (conversation, at) DO NOTHING");
    statement
}

fn voicemails_statement(rows: &[&VoicemailRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::new(
        "INSERT INTO voicemails (id, call, conversation, channel, from_number, from_name, began, seconds, kept, file, notify) ",
    );
    statement.push_values(rows, |mut row, voicemail| {
        row.push_bind(voicemail.id.to_string())
            .push_bind(voicemail.call.to_string())
            .push_bind(voicemail.conversation.to_string())
            .push_bind(voicemail.channel.to_string())
            .push_bind(voicemail.from.as_ref().map(ToString::to_string))
            .push_bind(voicemail.from_name.clone())
            .push_bind(voicemail.began.to_string())
            .push_bind(voicemail.seconds)
            .push_bind(i64::from(voicemail.kept))
            .push_bind(voicemail.file.to_string_lossy().into_owned())
            .push_bind(json(&voicemail.notify));
    });
    statement
        .push(" ON CONFLICT (id) DO UPDATE SET seconds = excluded.seconds, kept = excluded.kept");
    statement
}

fn decisions_statement(rows: &[DecisionRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::new(
        "INSERT INTO decisions (id, call, at, request, facts, decision, remark) ",
    );
    statement.push_values(rows, |mut row, decision| {
        row.push_bind(decision.id.to_string())
            .push_bind(decision.call.map(|call| call.to_string()))
            .push_bind(decision.at.to_string())
            .push_bind(json(&decision.request))
            .push_bind(json(&decision.facts))
            .push_bind(json(&decision.decision))
            .push_bind(decision.remark.clone());
    });
    statement.push(" ON CONFLICT (id) DO NOTHING");
    statement
}

/// A value as JSON. What we make ourselves always can be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The word of an enum without data, as JSON has it but without quotes.
fn word(value: &impl Serialize) -> String {
    json(value).trim_matches('"').to_owned()
}

/// SQL knows signed integers only.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
