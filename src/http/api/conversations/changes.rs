//! What is done with a conversation: who has it, its status, what is read of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Answer, recall, seen_conversation};
use crate::clock;
use crate::core::conversation::{Assignee, Author, Command, Status};
use crate::core::id::ConversationId;
use crate::core::time::Wall;
use crate::http::body::{At, Read};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};

pub(super) fn add(routes: Routes, read: Needs, write: Needs) -> Routes {
    routes
        .add(write, routes!(assign))
        .add(write, routes!(set_status))
        .add(write, routes!(delete))
        .add(read.person(), routes!(seen))
        .add(read.person(), routes!(unseen))
        .add(write.person(), routes!(typing))
}

/// To whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct To {
    /// `{"user":"anna"}`, `{"team":"support"}`, or `null` for nobody.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "present")]
    to: Option<Assignee>,
}

/// `null` must be written: leaving it out says nothing.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Assignee>, D::Error> {
    Option::deserialize(from)
}

/// Gives a conversation to a user, a team, or nobody.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/assign", tag = "conversations", params(("id" = String, Path)), request_body = To, responses(
    (status = 200, body = Answer), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem),
))]
async fn assign(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    Read(to): Read<To>,
) -> Result<Json<Answer>, HttpError> {
    give(&app, &asker, id, to.to).await.map(Json)
}

/// Gives a conversation to somebody, or to nobody.
pub(in crate::http::api) async fn give(
    app: &App,
    asker: &Asker,
    id: ConversationId,
    to: Option<Assignee>,
) -> Result<Answer, HttpError> {
    recall(app, asker, id).await?;
    let told = to.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    let command = Command::Assigned {
        conversation: id,
        by: asker.actor(),
        to,
    };
    let done = app.services.door.ask(command).await?;
    app.audit(asker, "conversation.assign", &id.to_string(), &told);
    Answer::of(done)
}

/// To what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `open`, `waiting` or `closed`.
    #[schema(value_type = String)]
    status: Status,
}

/// Opens a conversation, lets it wait, or closes it.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/status", tag = "conversations", params(("id" = String, Path)), request_body = Change, responses(
    (status = 200, body = Answer), (status = 403, body = Problem), (status = 404, body = Problem),
))]
async fn set_status(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    Read(change): Read<Change>,
) -> Result<Json<Answer>, HttpError> {
    recall(&app, &asker, id).await?;
    let command = Command::StatusChanged {
        conversation: id,
        by: asker.actor(),
        status: change.status,
    };
    let done = app.services.door.ask(command).await?;
    let status = format!("{:?}", change.status).to_lowercase();
    app.audit(&asker, "conversation.status", &id.to_string(), &status);
    Answer::of(done).map(Json)
}

/// Deletes a conversation with all that is in it.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 204, description = "Deleted"), (status = 403, body = Problem), (status = 404, body = Problem),
))]
async fn delete(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<StatusCode, HttpError> {
    let found = recall(&app, &asker, id).await?;
    let command = Command::Deleted {
        conversation: id,
        by: asker.actor(),
    };
    app.services.door.ask(command).await?;
    let channel = format!("of {}", found.channel);
    app.audit(&asker, "conversation.delete", &id.to_string(), &channel);
    Ok(StatusCode::NO_CONTENT)
}

/// Until when.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Until {
    /// RFC 3339; otherwise until now.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    until: Option<Wall>,
}

/// Marks a conversation as read by you.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/seen", tag = "conversations", params(("id" = String, Path)), request_body = Until, responses(
    (status = 204, description = "Marked"), (status = 404, body = Problem),
))]
async fn seen(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    Read(until): Read<Until>,
) -> Result<StatusCode, HttpError> {
    recall(&app, &asker, id).await?;
    let now = clock::wall();
    let command = Command::Seen {
        conversation: id,
        user: asker.person()?.clone(),
        at: until.until.unwrap_or(now).min(now),
    };
    app.services.door.ask(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Marks a conversation as not read by you.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/seen", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 204, description = "Marked"), (status = 404, body = Problem),
))]
async fn unseen(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<StatusCode, HttpError> {
    recall(&app, &asker, id).await?;
    let command = Command::Unseen {
        conversation: id,
        user: asker.person()?.clone(),
    };
    app.services.door.ask(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells that you are writing just now.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/typing", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 204, description = "Told"), (status = 404, body = Problem),
))]
async fn typing(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<StatusCode, HttpError> {
    seen_conversation(&app, &asker, id).await?;
    let command = Command::Typing {
        conversation: id,
        author: Author::User(asker.person()?.clone()),
    };
    app.services.door.ask(command).await?;
    Ok(StatusCode::NO_CONTENT)
}
