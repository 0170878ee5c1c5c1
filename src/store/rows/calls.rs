//! What the call side keeps: calls, legs, voicemails, decisions, registrations.

use sqlx::{QueryBuilder, Sqlite};

use super::{json, signed, word};
use crate::core::record::{
    CallRecord, DecisionRecord, LegRecord, RegistrationRecord, VoicemailRecord,
};

/// Calls.
pub(super) fn calls(rows: &[&CallRecord]) -> QueryBuilder<Sqlite> {
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

/// Legs.
pub(super) fn legs(rows: &[&LegRecord]) -> QueryBuilder<Sqlite> {
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

/// Voicemails.
pub(super) fn voicemails(rows: &[&VoicemailRecord]) -> QueryBuilder<Sqlite> {
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

/// Decisions, which never change.
pub(super) fn decisions(rows: &[&DecisionRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::new(
        "INSERT INTO decisions (id, call, conversation, at, request, facts, decision, remark) ",
    );
    statement.push_values(rows, |mut row, decision| {
        row.push_bind(decision.id.to_string())
            .push_bind(decision.call.map(|call| call.to_string()))
            .push_bind(decision.conversation.map(|id| id.to_string()))
            .push_bind(decision.at.to_string())
            .push_bind(json(&decision.request))
            .push_bind(json(&decision.facts))
            .push_bind(json(&decision.decision))
            .push_bind(decision.remark.clone());
    });
    statement.push(" ON CONFLICT (id) DO NOTHING");
    statement
}

/// Registrations: one that is there, or one that ended.
pub(super) fn registration(
    user: &str,
    contact: &str,
    registration: Option<&RegistrationRecord>,
) -> QueryBuilder<Sqlite> {
    let Some(registration) = registration else {
        let mut statement = QueryBuilder::new("DELETE FROM registrations WHERE user_name = ");
        statement.push_bind(user.to_owned());
        statement
            .push(" AND contact = ")
            .push_bind(contact.to_owned());
        return statement;
    };
    let mut statement =
        QueryBuilder::new("INSERT INTO registrations (user_name, contact, record, expires) ");
    statement.push_values([registration], |mut row, registration| {
        row.push_bind(user.to_owned())
            .push_bind(contact.to_owned())
            .push_bind(json(registration))
            .push_bind(registration.expires.to_string());
    });
    statement.push(
        " ON CONFLICT (user_name, contact) DO UPDATE SET record = excluded.record, expires = excluded.expires",
    );
    statement
}
